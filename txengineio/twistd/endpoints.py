"""Where twistd's commands listen: descriptions of endpoints, and their errors."""

from __future__ import annotations

from typing import Any, NoReturn

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint

from txengineio.net.endpoints import WrongEndpoint, server_endpoint

__all__ = ["CannotStart", "cannot_listen", "endpoint_for", "url_of"]


def endpoint_for(
    reactor: Any, program: str, flag: str, description: str
) -> IStreamServerEndpoint:
    """Return the endpoint that a flag describes.

    Args:
        reactor: The reactor.
        program: The command that has the flag, such as ``twistd engineio``.
        flag: The flag's name.
        description: The flag's value.

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
    # Without Twisted's own words: "Couldn't listen on any".
    reason = error.socketError if isinstance(error, CannotListenError) else error
    if isinstance(reason, OSError):
        reason = reason.strerror or reason
    problem = f"cannot listen on {description}: {reason}"
    raise CannotStart(f"{program}: {problem}") from error


class CannotStart(SystemExit, Exception):
    """Ends the process with one line.

    It is an ``Exception``, too: when twistd goes into the background, it reports only
    those to the process that waits for the start, which would otherwise wait forever
    (``UnixApplicationRunner.postApplication`` of Twisted 26.10).
    """


def url_of(port: IListeningPort, description: str, path: str) -> str:
    """Return where a client connects: a URL, or the path of a Unix socket."""
    address: Any = port.getHost()
    host = getattr(address, "host", None)
    if host is None:
        return f"{description} ({path})"
    scheme = "https" if description.startswith(("ssl:", "tls:")) else "http"
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{address.port}{path}"
