"""Where twistd's commands listen: descriptions of endpoints, and what is wrong."""

from __future__ import annotations

from typing import Any, NoReturn

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint

from txengineio.net.endpoints import WrongEndpoint, server_endpoint

__all__ = ["CannotStart", "cannot_listen", "endpoint_for"]


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
        return server_endpoint(reactor, description)
    except WrongEndpoint as error:
        problem = f"--{flag} {error.problem}; see {program} --help"
        raise CannotStart(f"{program}: {problem}") from error


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
