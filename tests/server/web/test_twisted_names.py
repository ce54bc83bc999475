"""Canaries: what is private in ``twisted.web`` is still there, and works as it did.

Each name of `txengineio.server.web._twisted` has a line here that says what stops
working without it. A test fails when a release of Twisted renames one.
"""

from __future__ import annotations

import ast
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web import http
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

import txengineio
from tests.connection import Connection
from tests.wiring import Server
from txengineio.server.web import _twisted

PACKAGE = Path(txengineio.__file__).parent
DOOR = Path(_twisted.__file__)

STOPS_WORKING = {
    "_GenericHTTPChannelProtocol": "a site of ours speaks no HTTP/2, and none at all",
    "_abortingCall": "requests are served on connections that are about to be dropped",
    "_adapterCache": "a middleware that asks a request for a component fails",
    "_buffer": "pipelined requests are overtaken by later ones, or wait forever",
    "_channel": "no connection to a site of ours gets its channel",
    "_command": "a POST is not known to its session before its body is complete",
    "_dataBuffer": "what comes behind a request is lost, also before a WebSocket",
    "_disconnected": "answers are finished on connections that are lost",
    "_forceSSL": "a request of which a proxy says that it is secure is not",
    "_handlingRequest": "a request is served while another one is, in any order",
    "_networkProducer": "clients that pipeline are never read again",
    "_parsePOSTFormSubmission": "a request with a form for an engine fails",
    "_path": "bodies are stored before their limit is known",
    "_rawHeaders": "a middleware that asks for all headers of a request finds none",
    "_version": "requests in HTTP/1.0 are refused",
    "_waitingForTransport": "answers to polls pile up for clients that read none",
}

SINCE = {"_parsePOSTFormSubmission": (25, 5)}
"""Those that came after the oldest release that is supported."""


def is_expected(name: str) -> bool:
    year, month, *_ = version("twisted").split(".")
    return (int(year), int(month)) >= SINCE.get(name, (0, 0))


def names_in(source: str) -> set[str]:
    """Return the private names that are used as attributes, in strings, or imported."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return {name for name in names if re.fullmatch(r"_[A-Za-z]\w*", name)}


def test_each_name_has_a_canary() -> None:
    assert names_in(DOOR.read_text("utf-8")) == set(STOPS_WORKING)


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "server").rglob("*.py")), ids=lambda path: path.name
)
def test_no_other_file_of_the_server_knows_them(path: Path) -> None:
    if path != DOOR:
        # Names that classes of ours have, too, are theirs.
        ours = {"_buffer", "_channel", "_path"}
        found = names_in(path.read_text("utf-8")) & set(STOPS_WORKING)
        assert found - ours == set()


def new_channel() -> Any:
    channel: Any = HTTPChannel()
    channel.requestFactory = Request
    channel.site = Site(Resource())
    channel.makeConnection(StringTransport())
    return channel


def channel_of(connection: Connection) -> Any:
    protocol: Any = connection.transport.protocol
    return protocol._channel


@pytest.mark.parametrize("name", sorted(filter(is_expected, STOPS_WORKING)))
def test_it_is_still_there(name: str) -> None:
    channel = new_channel()
    channel.dataReceived(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n4")
    request = channel.requests[0]
    generic = http._GenericHTTPChannelProtocol(HTTPChannel())
    owners: list[Any] = [http, channel, request, request.requestHeaders, generic]
    assert any(hasattr(owner, name) for owner in owners), (
        f"Twisted has no {name} any more: {STOPS_WORKING[name]}"
    )


# --- they mean what they meant --------------------------------------------------------


def test_a_head_tells_method_path_and_version() -> None:
    channel = new_channel()
    channel.dataReceived(b"POST /a?b HTTP/1.0\r\nContent-Length: 9\r\n\r\n4")
    assert _twisted.head_of(channel) == (b"POST", b"/a?b")
    assert channel._version == b"HTTP/1.0"


def test_what_comes_behind_a_request_is_kept() -> None:
    server = Server.new(own_site=True)
    client = server.open_polling()
    poll = client.poll()
    channel = channel_of(poll.connection)
    assert channel.is_handling
    assert not channel.keeps_bytes()
    poll.connection.send(b"GET /")
    assert channel.keeps_bytes()
    assert not channel.is_last()
    client.session.send("a")
    server.settle()
    assert not channel.keeps_bytes()


def test_a_channel_knows_that_its_transport_is_full() -> None:
    channel = new_channel()
    states = [channel._waitingForTransport]
    for act in (channel.pauseProducing, channel.resumeProducing):
        act()
        states.append(channel._waitingForTransport)
    assert states == [False, True, False]


def test_a_connection_that_idles_is_about_to_be_dropped() -> None:
    channel = new_channel()
    assert channel._abortingCall is None
    channel.callLater = Clock().callLater
    channel.timeoutConnection()
    assert channel._abortingCall is not None


def test_headers_are_parsed_into_a_dictionary() -> None:
    headers = Headers({b"X-A": [b"b"]})
    assert vars_of(headers)[_twisted.PARSED_HEADERS] == {b"X-A": [b"b"]}


def vars_of(headers: Headers) -> dict[str, Any]:
    return {name: getattr(headers, name) for name in headers.__slots__}


def test_a_new_request_has_what_ours_makes_when_it_is_asked_for() -> None:
    request: Any = Request(new_channel(), queued=False)
    assert request._adapterCache == {}
    # Ours has no use for forms.
    assert vars(request).get("_parsePOSTFormSubmission", True) is True
    assert set(filter(is_expected, _twisted.PRIVATE_DEFAULTS)) <= set(vars(request))


def test_a_host_that_is_set_may_be_secure() -> None:
    request: Any = Request(new_channel(), queued=False)
    assert not _twisted.was_set_secure(request)
    request.setHost(b"a", 443, ssl=True)
    assert _twisted.was_set_secure(request)


def test_a_lost_connection_is_known() -> None:
    channel = new_channel()
    channel.dataReceived(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n4")
    request = channel.requests[0]
    assert not _twisted.is_disconnected(request)
    channel.connectionLost(None)
    assert _twisted.is_disconnected(request)
