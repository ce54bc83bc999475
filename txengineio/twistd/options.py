"""``twistd engineio``: what it serves, its command line, and its service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.interfaces import IProtocolFactory
from twisted.python.usage import UsageError
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.application import EngineIOProtocol, factory_of
from txengineio.command_line import Flag
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.loading import NotLoadable, load_application
from txengineio.server.engine import Engine
from txengineio.server.web.site import DEFAULT_PATH
from txengineio.twistd.command_service import Words
from txengineio.twistd.server_options import ServerOptions, make_service
from txengineio.twistd.serves import Serves, import_from_here

__all__ = ["EchoProtocol", "Options", "makeService"]

_EXAMPLES: Final = """\
  Try it out, in the foreground; then look at http://127.0.0.1:8080/ with a browser:
    twistd -n engineio
  Serve the class Chat of chat.py behind a reverse proxy on the same machine:
    twistd -n engineio --app chat:Chat --port 8080 --trusted-proxies 127.0.0.1"""


class EchoProtocol(EngineIOProtocol):
    """Sends each message back: the application that runs when none is named."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


class _EngineIO(Serves):
    """Engine.IO, with the inspector to try it out."""

    command = "engineio"
    protocol = "Engine.IO"
    path = DEFAULT_PATH
    echoes = True
    brings_options = False
    summary = "Serve Engine.IO: HTTP long-polling, upgraded to WebSocket."
    app = Flag(
        name="app",
        letter="a",
        value="MODULE:NAME",
        text="Application to run, as package.module:name: an EngineIOProtocol "
        "subclass, or a factory of such protocols. Modules are also looked for in the "
        "current directory.",
        shown_default="one that sends each message back",
    )
    examples = _EXAMPLES

    @override
    def application(
        self, name: str | None, options: Mapping[str, Any]
    ) -> IProtocolFactory:
        if name is None:
            return factory_of(EchoProtocol)
        import_from_here()
        try:
            return load_application(name)
        except NotLoadable as error:
            raise UsageError(f"--app {error}") from error

    @override
    def engine(
        self, application: Any, options: Mapping[str, Any], reactor: Any
    ) -> Engine:
        return Engine(application, reactor=reactor, **options)

    @override
    def home(self, line: Mapping[str, Any], engine: Engine) -> dict[bytes, Resource]:
        if not _shows_inspector(line):
            return {}
        return inspector_pages(engine, line["path"], echoes=True)

    @override
    def words(self, line: Mapping[str, Any]) -> Words:
        page = ("Look inside with a browser", "/")
        return Words(pages=(page,) if _shows_inspector(line) else ())


def _shows_inspector(line: Mapping[str, Any]) -> bool:
    elsewhere = line["inspector"] is not None or line["no-inspector"]
    return line["is_trial"] and not elsewhere


class Options(ServerOptions):
    """The command line of ``twistd engineio``."""

    serves = _EngineIO()


def makeService(options: Options) -> Any:
    """Make the service that ``twistd engineio`` runs.

    Returns:
        A `CommandService`; with ``--workers`` a supervisor's service.

    Raises:
        SystemExit: An endpoint's description makes no sense; the text says which.
    """
    return make_service(options)
