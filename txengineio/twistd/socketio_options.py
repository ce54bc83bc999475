"""``twistd socketio``: what it serves, its command line, and its service.

python-socketio is an extra: it is imported when something is to be served, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from twisted.python.usage import UsageError
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.command_line import Flag
from txengineio.loading import NotLoadable
from txengineio.server.engine import Engine
from txengineio.twistd.command_service import Words
from txengineio.twistd.server_options import ServerOptions, make_service
from txengineio.twistd.serves import Serves, import_from_here

__all__ = ["Options", "makeService"]

_EXAMPLES: Final = """\
  Try it out, in the foreground; then look at http://127.0.0.1:8080/ with a browser:
    twistd -n socketio
  Serve the Server named sio of chat.py behind a reverse proxy on the same machine:
    twistd -n socketio --app chat:sio --port 8080 --trusted-proxies 127.0.0.1
  The same if sio is an AsyncServer:
    twistd -n --reactor asyncio socketio --app chat:sio"""


class _SocketIO(Serves):
    """Socket.IO, with a chat to try it out."""

    command = "socketio"
    protocol = "Socket.IO"
    path = "/socket.io/"
    echoes = False
    brings_options = True
    summary = (
        "Serve Socket.IO, by python-socketio: HTTP long-polling, upgraded to WebSocket."
    )
    app = Flag(
        name="app",
        letter="a",
        value="MODULE:NAME",
        text="Server to run, as package.module:name: a Server, ThreadedServer or "
        "AsyncServer of txengineio.socketio. Flags come before the options that it was "
        "made with. Modules are also looked for in the current directory.",
        shown_default="a chat",
    )
    examples = _EXAMPLES

    @override
    def application(self, name: str | None, options: Mapping[str, Any]) -> Any:
        if find_spec("socketio") is None:
            raise UsageError("Socket.IO needs: pip install python-socketio")
        if name is None:
            from txengineio.integrations.socketio.demo.chat import chat_server

            return chat_server(options)
        from txengineio.integrations.socketio.loading import load_server

        import_from_here()
        try:
            return load_server(name, options)
        except NotLoadable as error:
            raise UsageError(f"--app {error}") from error

    @override
    def engine(
        self, application: Any, options: Mapping[str, Any], reactor: Any
    ) -> Engine:
        engine: Engine = application.engine
        return engine

    @override
    def home(self, line: Mapping[str, Any], engine: Engine) -> dict[bytes, Resource]:
        if not line["is_trial"]:
            return {}
        from txengineio.integrations.socketio.demo.pages import chat_pages

        script = line["client-script"]
        return chat_pages(line["path"], None if script is None else script.name)

    @override
    def words(self, line: Mapping[str, Any]) -> Words:
        application = line["app"] or "a chat"
        if line["application"] is not None:
            application += f", by {type(line['application']).__name__}"
        return Words(
            program="twistd socketio",
            protocol=self.protocol,
            application=application,
            pages=(("Try it out with a browser", "/"),) if line["is_trial"] else (),
        )


class Options(ServerOptions):
    """The command line of ``twistd socketio``."""

    serves = _SocketIO()


def makeService(options: Options) -> Any:
    """Make the service that ``twistd socketio`` runs.

    Returns:
        A `CommandService`; with ``--workers`` a supervisor's service.

    Raises:
        SystemExit: An endpoint's description makes no sense; the text says which.
    """
    return make_service(options)
