"""The command line of ``python -m txengineio``: flags, checks and help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from twisted.python.usage import UsageError
from typing_extensions import override

from txengineio.client.options import TRANSPORTS, ClientOptions
from txengineio.client.target import DEFAULT_PATH, parse_target
from txengineio.command_line import (
    HELP_FLAGS,
    CommandLine,
    Flag,
    as_float,
    as_int,
    as_wait,
)
from txengineio.errors import InvalidOption

__all__ = ["ConnectOptions", "Options"]

_PROGRAM: Final = "python -m txengineio"


def _option(name: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that makes an option of the client from a flag's text."""

    def take(text: str) -> Any:
        value = parse(text)
        ClientOptions.from_mapping({name: value})
        return value

    return take


def _check_path(text: str) -> str:
    parse_target("http://localhost", path=text)
    return text


_SESSION: Final = (
    Flag(
        name="transport",
        letter="t",
        value="NAME",
        text="Use this transport only: polling or websocket.",
        take=_option("transports", lambda text: (text,)),
        expected="polling or websocket",
        shown_default="start with polling, move to WebSocket",
    ),
    Flag(
        name="path",
        value="PATH",
        text="Path of Engine.IO on the server, unless the URL has one.",
        take=_check_path,
        default=DEFAULT_PATH,
    ),
    Flag(
        name="revision",
        letter="r",
        value="NUMBER",
        text="Protocol revision to speak: 4, or 3 for servers of Socket.IO 2.",
        take=_option("revision", as_int),
        default=4,
    ),
    Flag(
        name="header",
        letter="H",
        value="HEADER",
        text='Header to send with each request, as "Name: value". May be given more '
        "than once.",
        expected='a header such as "Authorization: Bearer token"',
        shown_default="none",
    ),
    Flag(
        name="timeout",
        value="SECONDS",
        text="Time until the session must be open.",
        take=_option("open_timeout", as_float),
        default=20.0,
        shown_default="20",
    ),
)

_TERMINAL: Final = (
    Flag(
        name="binary",
        letter="b",
        text="Send lines as binary messages, and print binary messages as they are. "
        "Otherwise they are printed in base64 after a b.",
    ),
    Flag(
        name="linger",
        value="SECONDS",
        text="Time to wait for more messages after the last line of input.",
        take=as_wait,
        default=1.0,
        shown_default="1",
    ),
    Flag(
        name="debug-packets",
        letter="d",
        text="Show each packet of the session on standard error.",
    ),
)


class ConnectOptions(CommandLine):
    """The options of ``connect``."""

    program = f"{_PROGRAM} connect"
    usage = f"{program} [options] URL"
    introduction = (
        "Open a session with an Engine.IO server. Each line of standard input is sent "
        "as a message, each message that comes is printed; progress goes to standard "
        "error."
    )
    groups = (
        ("Session", _SESSION),
        ("Input and output", _TERMINAL),
        ("Help", HELP_FLAGS),
    )
    closing = f"""\
Examples:
  echo hello | {program} http://127.0.0.1:8080
  {program} -t websocket -H "Authorization: Bearer x" https://example.com

Exit status: 0 when the session was closed after the input, 1 when there was no
session, 2 for a wrong command line, 3 when the session ended before the input did.

The guide is in the folder docs of the source; client.md is about the client."""

    def __init__(self) -> None:
        super().__init__()
        self["headers"] = {}
        self["url"] = None

    def opt_header(self, header: str) -> None:
        """Header to send with each request, as "Name: value"; repeatable."""
        (flag,) = (flag for flag in _SESSION if flag.name == "header")
        name, separator, value = header.partition(":")
        name, value = name.strip(), value.strip()
        try:
            ClientOptions.from_mapping({"headers": {name: value}})
        except InvalidOption:
            separator = ""
        if not separator:
            raise InvalidOption("--header", flag.expected, header)
        self["headers"][name] = value

    opt_H = opt_header  # noqa: N815  # an option's letter

    @override
    def parseArgs(self, *arguments: str) -> None:
        """Take the URL; options may follow it."""
        if arguments and self["url"] is not None:
            raise UsageError(f"there is more than one URL: {arguments[0]!r}")
        if arguments:
            self["url"], *more = arguments
            if more:
                self.parseOptions(more)
        if self["url"] is None:
            raise UsageError("there is no URL; an example is http://127.0.0.1:8080")

    @override
    def postOptions(self) -> None:
        try:
            parse_target(self["url"], path=self["path"], revision=self["revision"])
        except InvalidOption as error:
            name = "--path" if error.name == "path" else "the URL"
            raise InvalidOption(name, error.expected, error.got) from error

    def connect_options(self) -> dict[str, Any]:
        """Return the arguments for `connect`."""
        return {
            "path": self["path"],
            "transports": self["transport"] or TRANSPORTS,
            "revision": self["revision"],
            "headers": self["headers"],
            "open_timeout": self["timeout"],
        }


class Options(CommandLine):
    """The command line."""

    program = _PROGRAM
    usage = f"{_PROGRAM} connect [options] URL"
    introduction = (
        "Engine.IO from a shell. The one command is connect; to serve Engine.IO, there "
        "is twistd engineio."
    )
    groups = (("Help", HELP_FLAGS),)
    closing = f"""\
Commands:
  connect                     Open a session with an Engine.IO server.

{_PROGRAM} connect --help shows its options."""
    subCommands: ClassVar[list[list[Any]]] = [
        ["connect", None, ConnectOptions, "Open a session with an Engine.IO server"],
    ]

    @override
    def postOptions(self) -> None:
        if self.subCommand is None:
            raise UsageError("there is no command; the one there is is connect URL")
