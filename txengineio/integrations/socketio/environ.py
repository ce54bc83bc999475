"""A handshake as the dict that handlers of ``connect`` get.

Applications of python-socketio read it as they would a WSGI environment.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from txengineio.server.session import Session

__all__ = ["environ_of"]

_UNPREFIXED: Final = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def environ_of(session: Session) -> dict[str, Any]:
    """Describe the request that opened a session, as PEP 3333 names things.

    Returns:
        The usual variables, the headers as ``HTTP_…`` without those whose names have
        an underscore, and the session itself as ``txengineio.session``.
    """
    request = session.request
    path, _, query = request.uri.partition("?")
    address = request.client_address
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": request.uri,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "txengineio",
        "SERVER_NAME": "",
        "SERVER_PORT": "",
        "REMOTE_ADDR": request.remote_address or "",
        "REMOTE_PORT": str(getattr(address, "port", "")),
        "wsgi.url_scheme": "https" if request.secure else "http",
        "txengineio.session": session,
    }
    for name, values in request.headers.getAllRawHeaders():
        if b"_" in name:
            # It would get the variable of the header with hyphens, which proxies set.
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        value = ",".join(value.decode("latin-1") for value in values)
        environ[key if key in _UNPREFIXED else f"HTTP_{key}"] = value
    host = _name_and_port(environ.get("HTTP_HOST", ""))
    environ["SERVER_NAME"], environ["SERVER_PORT"] = host
    return environ


def _name_and_port(host: str) -> tuple[str, str]:
    """Take a ``Host`` apart, which may be an IPv6 address in brackets."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and not port.endswith("]") else (host, "")
