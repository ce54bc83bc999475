"""What a server in memory does with any bytes on connections of plain HTTP."""

from __future__ import annotations

from tests.connection import make_request
from tests.fuzz.failures import no_failures
from tests.wiring import Server, opening_headers
from txengineio.testing import RecordingApplication, RecordingProtocol

__all__ = ["CUT", "SID", "check"]

CUT = b"\xf7"
"""No valid UTF-8: where a stream is cut into segments."""

SID = "SID"
"""The id of the session that is there."""


def _answer(protocol: RecordingProtocol, message: str | bytes) -> None:
    protocol.session.send(message)
    if message == "close":
        protocol.session.close()


def check(data: bytes) -> None:
    """Send a stream to a server that has a session; it must end without a trace.

    The first byte says whether the site is our own, and whether a GET is parked and an
    upgrade under way.
    """
    how, stream = data[0] if data else 0, data[1:]
    with no_failures():
        server = Server.new(
            RecordingApplication(on_message=_answer),
            own_site=bool(how & 1),
            generate_id=lambda _: SID,
            allow_eio3=True,
            cors={"origin": True, "credentials": True},
            cookie=True,
            per_message_deflate=True,
            max_http_buffer_size=600,
            ping_interval=5.0,
            ping_timeout=5.0,
        )
        if how & 2:
            client = server.open_polling()
            if how & 4:
                client.poll()
            if how & 8:
                client.open_websocket().send("2probe")
        connection = server.connect()
        for piece in stream.split(CUT):
            if connection.transport.is_reported:
                break
            connection.send(piece)
        server.clock.pump([0.5] * 3)
        connection.lose()
        server.clock.pump([1.0] * 60)
        _check_end(server)


def _check_end(server: Server) -> None:
    for protocol in server.application.built:
        kinds = [event[0] for event in protocol.events]
        assert kinds[:1] == ["made"]
        assert kinds.count("lost") == 1
        assert kinds[-1] == "lost"
    for connection in server.connections:
        connection.lose()
    assert dict(server.engine.sessions) == {}
    assert server.engine.websockets.connections == set()
    assert server.engine.buffers.total == 0
    server.clock.pump([20.0] * 6)
    assert server.clock.getDelayedCalls() == []


def seeds() -> list[bytes]:
    """Return requests of each kind, for the first corpus."""
    polling = "/engine.io/?EIO=4&transport=polling"
    websocket = "/engine.io/?EIO=4&transport=websocket"
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    chunked = {"Transfer-Encoding": "chunked"}
    return [
        make_request("GET", polling),
        make_request("GET", f"{polling}&j=1"),
        make_request("GET", f"{polling}&sid={SID}"),
        make_request("POST", f"{polling}&sid={SID}", b"4hello\x1e4world\x1ebAQI="),
        make_request("POST", f"{polling}&sid={SID}", b"4close"),
        make_request("POST", f"{polling}&sid={SID}", b"1"),
        make_request("POST", f"{polling}&sid={SID}&j=0", b"d=4hello", form),
        make_request("POST", f"{polling}&sid={SID}", None, chunked)
        + b"5\r\n4chun\r\n0\r\n\r\n",
        make_request("OPTIONS", polling, None, {"Origin": "http://a.example"}),
        make_request("GET", websocket, None, opening_headers()) + b"\x81\x80mask",
        make_request("GET", websocket, None, {**opening_headers(), **offer}),
        make_request("GET", f"{websocket}&sid={SID}", None, opening_headers()),
        make_request("GET", "/engine.io/?EIO=3&transport=polling"),
        make_request("GET", f"{polling}&sid={SID}") * 2,
        make_request("POST", f"{polling}&sid={SID}", None, {"Content-Length": "9"})
        + CUT
        + b"4hal",
    ]
