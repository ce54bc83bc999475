"""Descriptions of endpoints, such as ``tcp:8080``, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from typing_extensions import override

from txengineio.errors import InvalidOption

__all__ = ["MAX_PORT", "WrongEndpoint", "server_endpoint"]

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


class WrongEndpoint(InvalidOption):
    """The description of an endpoint makes no sense, or what it names cannot be read.

    Attributes:
        problem: What is wrong, as the rest of a sentence about where the description
            stands.
    """

    def __init__(self, expected: str, description: str, problem: str) -> None:
        super().__init__("endpoint", expected, description)
        self.problem = problem

    @override
    def __str__(self) -> str:
        return f"endpoint {self.problem}"


def server_endpoint(reactor: Any, description: object) -> IStreamServerEndpoint:
    """Return the endpoint that a string describes, as ``serverFromString`` does.

    Args:
        reactor: The reactor.
        description: The string; or an endpoint, which is returned.

    Raises:
        InvalidOption: It is neither.
        WrongEndpoint: It makes no sense, or names a file that cannot be read.
    """
    if not isinstance(description, str):
        # Not `providedBy`: `Engine.listen` is annotated to take whatever can listen, as
        # type checkers without a plugin do not see what an object provides.
        if callable(getattr(description, "listen", None)):
            return description  # type: ignore[return-value]  # as was just checked
        raise InvalidOption("endpoint", _EXAMPLES, description)
    try:
        _check_port(description)
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:
        # Whatever went wrong, in a plugin or with a file, came from that description.
        raise _wrong(description, error) from error
    return endpoint


def _check_port(description: str) -> None:
    # Twisted would learn it from the socket, and leave that open.
    port = _PORT.match(description)
    if port is not None and int(port[1]) > MAX_PORT:
        raise ValueError


def _wrong(description: str, error: Exception) -> WrongEndpoint:
    kind = description.partition(":")[0]
    form = _FORMS.get(kind, _EXAMPLES)
    if isinstance(error, OSError) and error.filename is not None:
        problem = f"{description}: cannot read {error.filename}: {error.strerror}"
    elif kind == "systemd" and isinstance(error, LookupError):
        problem = f"{description}: systemd has passed no such socket to this process"
    elif isinstance(error, _FORM_ERRORS) and (
        kind in _FORMS or not kind or str(error).startswith("Unknown endpoint type")
    ):
        problem = f"must be {form}, not {description!r}"
    else:
        problem = f"{description}: {type(error).__name__}: {error}"
    return WrongEndpoint(form, description, problem)
