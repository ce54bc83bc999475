"""Where twistd's commands listen: descriptions of endpoints, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint

__all__ = ["MAX_PORT", "CannotStart", "cannot_listen", "endpoint_for"]

MAX_PORT: Final = 65535

_EXAMPLES: Final = "an endpoint such as tcp:8080 or unix:/run/app.sock"
# What Twisted's own errors say of these is about its functions and their arguments.
_FORMS: Final[Mapping[str, str]] = {
    "tcp": "tcp:PORT, or tcp:PORT:interface=ADDRESS, with a port up to 65535",
    "tcp6": r"tcp6:PORT, or tcp6:PORT:interface=ADDRESS with \: for each colon of it",
    "unix": "unix:PATH",
    "ssl": "ssl:PORT:privateKey=FILE:certKey=FILE",
    "systemd": "systemd:domain=INET:name=NAME, or systemd:domain=INET:index=0",
    "haproxy": "haproxy: and another endpoint",
    "fd": "fd:fileno=NUMBER",
}
_PORT: Final = re.compile(r"(?:tcp6?|ssl):(?:port=)?(\d+)", re.ASCII)
_FORM_ERRORS: Final = (TypeError, ValueError, KeyError, IndexError)


def endpoint_for(
    reactor: Any, program: str, flag: str, description: str
) -> IStreamServerEndpoint:
    """Return the endpoint that a flag describes.

    Args:
        reactor: The reactor.
        program: Whose flag it is, such as ``twistd engineio``.
        flag: The flag's name.
        description: What it was given.

    Raises:
        SystemExit: The description makes no sense; the text says why.
    """
    try:
        _check_port(description)
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:
        # Whatever a plugin's or a file's problem is, it is in that description.
        kind = description.partition(":")[0]
        problem = _problem(kind, description, error)
        problem = f"--{flag} {problem}; see {program} --help"
        raise CannotStart(f"{program}: {problem}") from error
    return endpoint


def _check_port(description: str) -> None:
    # Twisted would learn it from the socket, and leave that open.
    port = _PORT.match(description)
    if port is not None and int(port[1]) > MAX_PORT:
        raise ValueError


def _problem(kind: str, description: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{description}: cannot read {error.filename}: {error.strerror}"
    if isinstance(error, _FORM_ERRORS):
        form = _FORMS.get(kind)
        if form is not None:
            return f"must be {form}, not {description!r}"
        if not kind or str(error).startswith("Unknown endpoint type"):
            return f"must be {_EXAMPLES}, not {description!r}"
    return f"{description}: {type(error).__name__}: {error}"


def cannot_listen(
    program: str, description: str, error: BaseException | None
) -> NoReturn:
    """End the process: an endpoint cannot listen.

    Raises:
        SystemExit: Always; the text says which and why.
    """
    # Without what Twisted says of it: "Couldn't listen on any".
    reason = error.socketError if isinstance(error, CannotListenError) else error
    if isinstance(reason, OSError):
        reason = reason.strerror or reason
    problem = f"cannot listen on {description}: {reason}"
    raise CannotStart(f"{program}: {problem}") from error


class CannotStart(SystemExit, Exception):
    """Ends the process with one line.

    It is an ``Exception``, too: when twistd goes into the background, it tells only of
    those to the process that waits for the start, which would wait forever otherwise
    (``UnixApplicationRunner.postApplication`` of Twisted 26.10).
    """
