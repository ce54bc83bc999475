"""Our Socket.IO servers, asked by packets: revision 5 of the protocol.

The first half asserts what the protocol's own suite of tests does, in
``docs/socket.io-protocol/v5-test-suite`` of the repository socketio/socket.io.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import websocket

from tests.interop.launch import Launch
from tests.interop.servers import ServerProcess, running_server
from tests.interop.socketio_serve import KINDS

pytestmark = pytest.mark.socket

DEADLINE = 30.0
PING_INTERVAL = 0.3
PING_TIMEOUT = 1.5
CONNECT_TIMEOUT = 3.0
CALM = {"namespaces": ["/", "/admin"], "ping_interval": 300.0}
PATIENT = {
    "namespaces": ["/", "/admin"],
    "ping_interval": PING_INTERVAL,
    "connect_timeout": CONNECT_TIMEOUT,
}
QUICK = {
    "namespaces": ["/", "/admin"],
    "ping_interval": PING_INTERVAL,
    "ping_timeout": PING_TIMEOUT,
}
WEBSOCKET = "EIO=4&transport=websocket"
PLACEHOLDERS = [{"_placeholder": True, "num": 0}, {"_placeholder": True, "num": 1}]
ATTACHMENTS: list[bytes] = [b"\x01\x02\x03", b"\x04\x05\x06"]


def _command(kind: str) -> list[str]:
    return [sys.executable, "-m", "tests.interop.socketio_serve", kind]


@pytest.fixture(scope="module", params=KINDS)
def calm(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server whose heartbeat comes between no two packets."""
    with running_server(Launch(engine=CALM), _command(request.param)) as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def patient(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server that pings often, but gives much time for the answer."""
    with running_server(Launch(engine=PATIENT), _command(request.param)) as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def quick(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server that soon misses a client which says nothing."""
    with running_server(Launch(engine=QUICK), _command(request.param)) as server:
        yield server


class Client:
    """A WebSocket whose messages are the test's."""

    sid = ""

    def __init__(self, server: ServerProcess, query: str = WEBSOCKET) -> None:
        url = server.url.replace("http", "ws")
        self._websocket = websocket.create_connection(
            f"{url}/socket.io/?{query}", timeout=DEADLINE
        )

    def send(self, *messages: str | bytes) -> None:
        for message in messages:
            binary = isinstance(message, bytes)
            opcode = websocket.ABNF.OPCODE_BINARY if binary else 0x1
            self._websocket.send(message, opcode)

    def next(self) -> str | bytes:
        """Return the next message; fail if the connection ends before."""
        message: str | bytes = self._websocket.recv()
        assert message != ""
        return message

    def packets(self, number: int) -> list[str | bytes]:
        return [self.next() for _ in range(number)]

    def wait_for_end(self, *, answers: bool = False) -> list[str | bytes]:
        """Return what comes until the server closes the connection.

        Pings are answered, or not.
        """
        messages: list[str | bytes] = []
        try:
            while message := self._websocket.recv():
                messages.append(message)
                if answers and message == "2":
                    self.send("3")
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            pass
        return messages

    def close(self) -> None:
        self._websocket.close(timeout=DEADLINE)

    def cut(self) -> None:
        """Close the connection without a word."""
        self._websocket.shutdown()

    def reset(self) -> None:
        """Have the connection reset."""
        linger = struct.pack("ii", 1, 0)
        connection = self._websocket.sock
        assert connection is not None
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._websocket.shutdown()


@contextmanager
def opened(server: ServerProcess, query: str = WEBSOCKET) -> Iterator[Client]:
    client = Client(server, query)
    try:
        yield client
    finally:
        client.cut()


@contextmanager
def connected(server: ServerProcess) -> Iterator[Client]:
    """A client that is in the main namespace."""
    with opened(server) as client:
        client.send("40")
        packets = [client.next()]
        while not str(packets[-1]).startswith("40"):
            packets.append(client.next())
            if packets[-1] == "2":
                client.send("3")
        client.sid = sid_of(*packets)
        yield client


def sid_of(*packets: str | bytes) -> str:
    """Return the id that a client is given in the main namespace.

    A ping may come before it, or with it.
    """
    (welcome,) = (each for each in map(str, packets) if each.startswith("40"))
    return str(json.loads(welcome.removeprefix("40"))["sid"])


# --- the session of the engine --------------------------------------------------------


def ask(server: ServerProcess, query: str, method: str = "GET", body: str = "") -> Any:
    url = f"{server.url}/socket.io/?{query}"
    return requests.request(method, url, data=body or None, timeout=DEADLINE)


def open_polling(server: ServerProcess) -> str:
    answer = ask(server, "EIO=4&transport=polling")
    return f"EIO=4&transport=polling&sid={json.loads(answer.text[1:])['sid']}"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_session_opens_with_what_the_client_has_to_know(
    quick: ServerProcess, transport: str
) -> None:
    if transport == "polling":
        answer = ask(quick, "EIO=4&transport=polling")
        assert answer.status_code == 200
        packet = answer.text
    else:
        with opened(quick) as client:
            packet = str(client.next())
    handshake = json.loads(packet.removeprefix("0"))
    assert isinstance(handshake.pop("sid"), str)
    assert handshake == {
        "upgrades": ["websocket"] if transport == "polling" else [],
        "pingInterval": 1000 * PING_INTERVAL,
        "pingTimeout": 1000 * PING_TIMEOUT,
        "maxPayload": 1_000_000,
    }


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", "transport=polling"),
        ("GET", "EIO=abc&transport=polling"),
        ("GET", "EIO=4"),
        ("GET", "EIO=4&transport=abc"),
        ("POST", "EIO=4&transport=polling"),
        ("PUT", "EIO=4&transport=polling"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    calm: ServerProcess, method: str, query: str
) -> None:
    assert ask(calm, query, method).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
    ],
)
def test_a_websocket_that_makes_no_sense_does_not_stay(
    calm: ServerProcess, query: str
) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        Client(calm, query)


def test_pings_are_answered_by_polling(patient: ServerProcess) -> None:
    session = open_polling(patient)
    for _ in range(3):
        assert ask(patient, session).text == "2"
        assert ask(patient, session, "POST", "3").status_code == 200


def test_pings_are_answered_by_websocket(patient: ServerProcess) -> None:
    with opened(patient) as client:
        client.next()
        for _ in range(3):
            assert client.next() == "2"
            client.send("3")


def test_who_answers_no_ping_has_no_session(quick: ServerProcess) -> None:
    session = open_polling(quick)
    with opened(quick) as client:
        _opening, ping = client.wait_for_end()
        assert ping == "2"
    # It began before.
    time.sleep(PING_INTERVAL)
    assert ask(quick, session).status_code == 400


def test_a_session_is_closed_by_either_transport(calm: ServerProcess) -> None:
    session = open_polling(calm)
    assert ask(calm, session, "POST", "1").status_code == 200
    assert ask(calm, session).status_code == 400
    with opened(calm) as client:
        client.next()
        client.send("1")
        client.wait_for_end()


def test_a_session_moves_once(calm: ServerProcess) -> None:
    session = open_polling(calm)
    websocket_of = session.replace("polling", "websocket")
    with opened(calm, websocket_of) as client:
        client.send("2probe")
        assert client.next() == "3probe"
        client.send("5", "40")
        assert str(client.next()).startswith('40{"sid":')
        assert ask(calm, session).status_code == 400
        with opened(calm, websocket_of) as second:
            assert second.wait_for_end() == []
        client.send('421["echo"]')
        assert client.next() == "431[]"


# --- namespaces -----------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["", "/admin,"])
@pytest.mark.parametrize("auth", [None, {"token": "123"}])
def test_a_client_connects_to_a_namespace(
    calm: ServerProcess, namespace: str, auth: Any
) -> None:
    with opened(calm) as client:
        client.next()
        client.send(f"40{namespace}{json.dumps(auth) if auth else ''}")
        welcome = str(client.next())
        assert welcome.startswith(f"40{namespace}")
        handshake = json.loads(welcome.removeprefix(f"40{namespace}"))
        assert list(handshake) == ["sid"]
        assert isinstance(handshake["sid"], str)
        client.send(f'42{namespace}1["who"]')
        told = json.dumps([auth] if auth else [], separators=(",", ":"))
        assert client.next() == f"43{namespace}1{told}"


def test_a_namespace_that_is_none_is_refused(calm: ServerProcess) -> None:
    with opened(calm) as client:
        client.next()
        client.send("40/random")
        # The text is python-socketio's.
        assert client.next() == '44/random,"Unable to connect"'


def test_who_leaves_a_namespace_may_stay(patient: ServerProcess) -> None:
    with connected(patient) as client:
        client.send("41")
        assert client.next() == "2"


def test_who_leaves_one_namespace_is_still_in_the_other(calm: ServerProcess) -> None:
    with connected(calm) as client:
        client.send("40/admin")
        assert str(client.next()).startswith('40/admin,{"sid":')
        client.send("41/admin", '42["back","to the main one"]')
        assert client.next() == '42["back","to the main one"]'


def test_who_connects_to_no_namespace_has_to_go(patient: ServerProcess) -> None:
    begun = time.monotonic()
    with opened(patient) as client:
        client.next()
        assert set(client.wait_for_end(answers=True)) == {"2"}
    # It was not the heartbeat.
    assert time.monotonic() - begun > CONNECT_TIMEOUT - 0.1


def test_who_has_connected_in_time_stays(patient: ServerProcess) -> None:
    with connected(patient) as client:
        until = time.monotonic() + 1.5 * CONNECT_TIMEOUT
        while time.monotonic() < until:
            assert client.next() == "2"
            client.send("3")


# --- events ---------------------------------------------------------------------------


def test_an_event_of_text(calm: ServerProcess) -> None:
    with connected(calm) as client:
        client.send('42["back",1,"2",{"3":[true]}]')
        assert client.next() == '42["back",1,"2",{"3":[true]}]'


def test_an_acknowledgement_of_text(calm: ServerProcess) -> None:
    with connected(calm) as client:
        client.send('42456["echo",1,"2",{"3":[false]}]')
        assert client.next() == '43456[1,"2",{"3":[false]}]'


@pytest.mark.parametrize(
    ("asked", "answered", "event"),
    [("452-", "452-", ["back"]), ("452-789", "462-789", [])],
    ids=["event", "acknowledgement"],
)
def test_binary_comes_and_goes(
    calm: ServerProcess, asked: str, answered: str, event: list[str]
) -> None:
    def packet(begin: str, *values: Any) -> str:
        return begin + json.dumps(values, separators=(",", ":"))

    with connected(calm) as client:
        client.send(packet(asked, *(event or ["echo"]), *PLACEHOLDERS))
        client.send(*ATTACHMENTS)
        answer = packet(answered, *event, *PLACEHOLDERS)
        assert client.packets(3) == [answer, *ATTACHMENTS]


NO_PACKETS: dict[str, str | bytes] = {
    "of a type that is none": "4abc",
    "of a type that is not for servers": "44{}",
    "an event that is an object": "42{}",
    "an event without values": "42",
    "an event without a name": "42[]",
    "an event whose name is a number": "42[1]",
    "an acknowledgement that is no list": '431{"a":1}',
    "a number that is none": '42abc["echo",1]',
    "no JSON": '42["echo",',
    "an attachment without a packet": b"\x01",
    "attachments for a namespace that it is not in": '451-/admin,["echo"]',
    "a packet without its attachments": '450-["echo"]',
    "text in the place of an attachment": '451-["echo",{"_placeholder":true,"num":0}]',
}


@pytest.mark.parametrize("what", NO_PACKETS)
def test_what_is_no_packet_ends_the_session(calm: ServerProcess, what: str) -> None:
    with connected(calm) as client:
        client.send(NO_PACKETS[what])
        if what.startswith("text"):
            client.send('42["echo",1]')
        assert client.wait_for_end() == []
        assert departure(calm, client.sid) == "transport error"


def test_what_is_no_packet_ends_a_session_that_has_not_connected(
    calm: ServerProcess,
) -> None:
    with opened(calm) as client:
        client.next()
        client.send("4abc")
        assert client.wait_for_end() == []


# --- why a client is gone -------------------------------------------------------------


def departure(server: ServerProcess, sid: str) -> str:
    """Return why a client has left."""
    for _ in range(int(DEADLINE / 0.02)):
        reasons = requests.get(f"{server.url}/reasons", timeout=DEADLINE).json()
        if sid in reasons:
            return str(reasons[sid])
        time.sleep(0.02)
    pytest.fail("it has not left")


def _oversized(client: Client) -> None:
    client.send(b"x" * 1_000_001)
    client.wait_for_end()


WAYS: dict[str, tuple[str, Callable[[Client], object]]] = {
    "leaves the namespace": ("client disconnect", lambda client: client.send("41")),
    "says goodbye": ("client disconnect", lambda client: client.send("1")),
    "closes the WebSocket": ("transport close", Client.close),
    "is cut off": ("transport close", Client.cut),
    "is reset": ("transport close", Client.reset),
    "is kicked out": ("server disconnect", lambda client: client.send('42["kick"]')),
    "sends too much": ("transport error", _oversized),
    "sends no packet of Engine.IO": (
        "transport error",
        lambda client: client.send("x"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_reason_of_a_disconnect_by_websocket(calm: ServerProcess, way: str) -> None:
    reason, leave = WAYS[way]
    with connected(calm) as client:
        leave(client)
        assert departure(calm, client.sid) == reason


def test_who_answers_no_ping_is_gone_for_that_reason(quick: ServerProcess) -> None:
    with connected(quick) as client:
        assert departure(quick, client.sid) == "ping timeout"


POLLING_WAYS = {
    "leaves the namespace": ("client disconnect", "41"),
    "says goodbye": ("client disconnect", "1"),
    "is kicked out": ("server disconnect", '42["kick"]'),
    "sends no packet": ("transport error", "4abc"),
    "sends no packet of Engine.IO": ("transport error", "x"),
}


@pytest.mark.parametrize("way", POLLING_WAYS)
def test_the_reason_of_a_disconnect_by_polling(calm: ServerProcess, way: str) -> None:
    reason, body = POLLING_WAYS[way]
    session = open_polling(calm)
    ask(calm, session, "POST", "40")
    sid = sid_of(*ask(calm, session).text.split("\x1e"))
    ask(calm, session, "POST", body)
    assert departure(calm, sid) == reason


def test_who_polls_no_more_is_gone_for_that_reason(quick: ServerProcess) -> None:
    session = open_polling(quick)
    ask(quick, session, "POST", "40")
    sid = sid_of(*ask(quick, session).text.split("\x1e"))
    assert departure(quick, sid) == "ping timeout"
