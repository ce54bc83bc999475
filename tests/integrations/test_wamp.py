from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from autobahn.twisted.component import Component
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from tests.realm import RecordingWampSession, texts
from tests.wiring import Server
from txengineio.errors import InvalidOption
from txengineio.integrations.wamp import WampBridge

ROOM_FOR_FOUR = 1000
"""Bytes: four events of the shortest messages."""


class Realm:
    """A server whose bridge is, if a test wants it, connected to a realm."""

    def __init__(self, *, joined: bool = True, **options: Any) -> None:
        self.server = Server.new()
        self.bridge = WampBridge(self.server.engine, **{"prefix": "eio", **options})
        self.wamp = RecordingWampSession()
        if joined:
            self.join()

    def join(self, session: RecordingWampSession | None = None) -> Deferred[None]:
        self.wamp = session or RecordingWampSession()
        return Deferred.fromCoroutine(self.bridge.serve(None, self.wamp))

    def take(self) -> list[tuple[object, ...]]:
        """Take what was published."""
        taken = list(self.wamp.published)
        self.wamp.published.clear()
        return taken

    def connected(self) -> str:
        """Take the event of a connection; return the id in it."""
        ((topic, public_id, _details),) = self.take()
        assert topic == "eio.connected"
        assert isinstance(public_id, str)
        return public_id

    def call(self, name: str, *arguments: object, **more: object) -> Any:
        """Return a procedure's result, or raise its error."""
        results: list[Any] = []
        self.wamp.call(f"eio.{name}", *arguments, **more).addBoth(results.append)
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
        return result


# --- from Engine.IO to WAMP -----------------------------------------------------------


def test_session_that_opens_is_published_with_its_details() -> None:
    realm = Realm()

    realm.server.open_polling()

    ((topic, public_id, details),) = realm.take()
    assert topic == "eio.connected"
    assert details == {
        "id": public_id,
        "address": "192.0.2.1",
        "transport": "polling",
        "revision": 4,
    }


def test_describe_adds_to_the_details() -> None:
    realm = Realm(describe=lambda session: {"user": session.request.query["user"]})

    realm.server.open_polling(user="ada")

    ((_, _, details),) = realm.take()
    assert details["user"] == "ada"  # type: ignore[index]


def test_session_that_cannot_be_described_is_closed(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    realm = Realm(describe=lambda session: {"user": session.request.query["user"]})

    realm.server.request()

    assert realm.take() == []
    assert dict(realm.server.engine.sessions) == {}
    assert len(flush_logged_errors(KeyError)) == 1


def test_public_id_is_short_and_says_nothing_of_the_sid() -> None:
    realm = Realm()
    client = realm.server.open_polling()

    public_id = realm.connected()

    assert re.fullmatch(r"[\w-]{12}", public_id)
    assert public_id not in client.sid
    assert client.sid not in repr(realm.call("sessions"))


def test_messages_are_published_text_as_string_and_binary_as_bytes() -> None:
    realm = Realm()
    client = realm.server.open_websocket()
    public_id = realm.connected()

    client.send("4hello", b"\x00\x01")

    assert realm.take() == [
        ("eio.message", public_id, "hello"),
        ("eio.message", public_id, b"\x00\x01"),
    ]


def test_text_that_wamp_would_take_for_binary_is_published_as_bytes() -> None:
    realm = Realm()
    client = realm.server.open_websocket()
    public_id = realm.connected()

    client.send("4\0é", "4a\0")

    assert realm.take() == [
        ("eio.message", public_id, b"\x00\xc3\xa9"),
        ("eio.message", public_id, "a\0"),
    ]


def test_application_gets_the_messages_too() -> None:
    realm = Realm()
    client = realm.server.open_websocket()

    client.send("4hello")

    assert realm.server.application.only.messages == ["hello"]


def test_session_that_closes_is_published_with_the_reason() -> None:
    realm = Realm()
    client = realm.server.open_websocket()
    public_id = realm.connected()

    client.send("41", "1")

    assert realm.take() == [
        ("eio.message", public_id, "1"),
        ("eio.closed", public_id, "transport close"),
    ]
    assert realm.call("sessions") == []


def test_session_that_another_handler_has_closed_is_not_published() -> None:
    realm = Realm(joined=False)
    engine = realm.server.engine
    engine.off("connection")
    engine.on("connection", lambda session: session.close(discard=True))
    realm.bridge = WampBridge(engine, prefix="eio")
    realm.join()

    realm.server.request()

    assert realm.take() == []


# --- from WAMP to Engine.IO -----------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "packet"), [("hello", "4hello"), ("", "4"), (b"\x01", b"\x01")]
)
def test_send_reaches_the_session(message: str | bytes, packet: str | bytes) -> None:
    realm = Realm()
    client = realm.server.open_websocket()
    assert client.sid
    public_id = realm.connected()

    assert realm.call("send", public_id, message) is None

    assert client.packets() == [packet]


def test_send_that_waits_answers_when_the_message_has_been_handed_on() -> None:
    realm = Realm()
    client = realm.server.open_polling()
    public_id = realm.connected()

    answer = realm.wamp.call("eio.send", public_id, "hello", wait=True)

    assert not answer.called
    assert client.poll().answer.packets == ["4hello"]
    assert answer.called


def test_send_that_waits_fails_when_the_session_closes() -> None:
    realm = Realm()
    realm.server.open_polling()
    public_id = realm.connected()
    answer = realm.wamp.call("eio.send", public_id, "hello", wait=True)

    realm.call("close", public_id, discard=True)

    failures: list[Failure] = []
    answer.addErrback(failures.append)
    assert failures[0].value.error == "eio.error.no_such_session"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["send", "close"])
@pytest.mark.parametrize("public_id", ["nobody", None, 5, ["a"], {}])
def test_session_that_is_not_there_is_an_error(name: str, public_id: object) -> None:
    realm = Realm()
    arguments = ["hello"] if name == "send" else []

    with pytest.raises(ApplicationError) as caught:
        realm.call(name, public_id, *arguments)

    assert caught.value.error == "eio.error.no_such_session"


def test_sid_is_no_public_id() -> None:
    realm = Realm()
    client = realm.server.open_polling()

    with pytest.raises(ApplicationError, match="there is no session"):
        realm.call("send", client.sid, "hello")


def test_send_to_a_session_that_closes_is_an_error() -> None:
    realm = Realm()
    client = realm.server.open_polling()
    public_id = realm.connected()
    realm.call("send", public_id, "last words")
    realm.call("close", public_id)

    with pytest.raises(ApplicationError) as caught:
        realm.call("send", public_id, "more")

    assert caught.value.error == "eio.error.no_such_session"
    assert client.poll().answer.packets == ["4last words"]


@pytest.mark.parametrize("message", [None, 5, ["hello"], {"text": "hello"}])
@pytest.mark.parametrize("name", ["send", "broadcast"])
def test_what_is_no_message_is_an_error(name: str, message: object) -> None:
    realm = Realm()
    realm.server.open_polling()
    public_id = realm.connected()
    arguments = [public_id] if name == "send" else []

    with pytest.raises(ApplicationError) as caught:
        realm.call(name, *arguments, message)

    assert caught.value.error == ApplicationError.INVALID_ARGUMENT


def test_broadcast_reaches_everybody_and_says_how_many() -> None:
    realm = Realm()
    websocket = realm.server.open_websocket()
    assert websocket.sid
    polling = realm.server.open_polling()

    assert realm.call("broadcast", "hello") == 2

    assert websocket.packets() == ["4hello"]
    assert polling.poll().answer.packets == ["4hello"]


def test_close_ends_the_session() -> None:
    realm = Realm()
    client = realm.server.open_websocket()
    assert client.sid
    public_id = realm.connected()

    realm.call("close", public_id)

    assert realm.take() == [("eio.closed", public_id, "forced close")]
    assert dict(realm.server.engine.sessions) == {}


def test_sessions_lists_who_is_there_and_by_what() -> None:
    realm = Realm(describe=lambda _session: {"user": "ada"})
    client = realm.server.open_polling()
    ((_, public_id, _),) = realm.take()
    details = {"id": public_id, "address": "192.0.2.1", "revision": 4, "user": "ada"}
    assert realm.call("sessions") == [{**details, "transport": "polling"}]

    client.upgrade()

    assert realm.call("sessions") == [{**details, "transport": "websocket"}]


# --- a router that is away ------------------------------------------------------------


def test_events_wait_for_the_router() -> None:
    realm = Realm(joined=False)
    client = realm.server.open_websocket()
    client.send("4hello", "41", "1")
    assert realm.bridge.waiting == 4

    realm.join()

    topics = [topic for topic, *_ in realm.take()]
    assert topics == ["eio.connected", "eio.message", "eio.message", "eio.closed"]
    assert realm.bridge.waiting == 0


def test_bridge_goes_on_with_the_next_session() -> None:
    realm = Realm()
    client = realm.server.open_websocket()
    public_id = realm.connected()
    with capturedLogs() as events:
        realm.wamp.lose_transport()
    client.send("4meanwhile")
    before = realm.wamp

    realm.join()

    assert "the WAMP router is away" in texts(events)
    assert before.published == []
    assert realm.take() == [("eio.message", public_id, "meanwhile")]
    assert realm.call("send", public_id, "still there") is None
    client.packets()


def test_serving_ends_with_the_session_in_the_realm() -> None:
    realm = Realm(joined=False)
    serving = realm.join()
    assert not serving.called

    realm.wamp.lose_transport()

    assert serving.called


def test_procedures_are_there_before_the_first_event() -> None:
    realm = Realm(joined=False)
    realm.server.open_polling()
    offered: list[set[str]] = []

    class Watching(RecordingWampSession):
        @override
        def publish(self, topic: str, *arguments: object, **options: Any) -> Any:
            offered.append(set(self.procedures))
            return super().publish(topic, *arguments, **options)

    realm.join(Watching())

    assert offered == [{"eio.send", "eio.broadcast", "eio.close", "eio.sessions"}]


def test_refused_registration_is_said_and_fails() -> None:
    realm = Realm(joined=False)
    realm.server.open_polling()
    refusal = ApplicationError("wamp.error.procedure_already_exists", "taken")

    with capturedLogs() as events:
        serving = realm.join(RecordingWampSession(refused={"eio.close": refusal}))

    failures: list[Failure] = []
    serving.addErrback(failures.append)
    assert failures[0].value is refusal
    assert "cannot offer eio.*" in texts(events)
    # Nothing is published where nobody could answer.
    assert realm.take() == []
    assert realm.bridge.waiting == 1


def test_session_that_leaves_while_it_registers_is_no_failure() -> None:
    realm = Realm(joined=False)

    class Leaving(RecordingWampSession):
        @override
        def register(self, procedure: Callable[..., Any], uri: str) -> Any:
            self.lose_transport()
            raise ApplicationError("wamp.close.transport_lost")

    serving = realm.join(Leaving())

    assert serving.called
    assert serving.result is None


def test_session_that_sends_without_room_is_closed_and_that_is_said_once() -> None:
    realm = Realm(joined=False, queue_limit=ROOM_FOR_FOUR)
    clients = [realm.server.open_websocket() for _ in range(2)]
    with capturedLogs() as events:
        for client in clients:
            client.send("4a" * 3, "4b", "4c")

    realm.join()

    topics = [topic for topic, *_ in realm.take()]
    assert topics == ["eio.connected"] * 2 + ["eio.message"] * 2 + ["eio.closed"] * 2
    assert dict(realm.server.engine.sessions) == {}
    assert texts(events).count("there is room for no more (1000 bytes)") == 1


def test_session_that_opens_without_room_is_closed_and_never_mentioned() -> None:
    realm = Realm(joined=False, queue_limit=ROOM_FOR_FOUR)
    for _ in range(4):
        realm.server.open_websocket()
    realm.server.open_websocket()
    assert len(realm.server.engine.sessions) == 4

    with capturedLogs() as events:
        realm.join()

    assert [topic for topic, *_ in realm.take()] == ["eio.connected"] * 4
    assert len(realm.call("sessions")) == 4
    assert "1 sessions were closed because there was no room" in texts(events)


# --- options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix", ["", "a..b", "a b", ".a", "a.", "wamp", "wamp.eio", "a#", None, 5.5]
)
def test_prefix_that_wamp_does_not_allow_is_refused(prefix: Any) -> None:
    with pytest.raises(InvalidOption, match="prefix must be a WAMP URI"):
        WampBridge(Server.new().engine, prefix=prefix)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "9"])
def test_queue_limit_that_is_no_size_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidOption, match="queue_limit must be a number of bytes"):
        WampBridge(Server.new().engine, queue_limit=limit)


@pytest.mark.parametrize(
    "transports",
    [
        "ws://127.0.0.1:8080/ws",
        {"type": "websocket", "url": "ws://127.0.0.1:8080/ws"},
        ["ws://127.0.0.1:8080/ws", {"url": "ws://127.0.0.1:8081/ws"}],
    ],
)
def test_component_never_stops_trying(transports: Any) -> None:
    bridge = WampBridge(Server.new().engine)

    component = bridge.component(transports, "realm1")

    assert isinstance(component, Component)
    assert component._realm == "realm1"
    assert all(each.max_retries == -1 for each in component._transports)
    assert all(each.max_retry_delay == 10 for each in component._transports)


def test_component_can_be_told_otherwise() -> None:
    bridge = WampBridge(Server.new().engine)
    transport = {"url": "ws://127.0.0.1:8080/ws", "max_retries": 3}

    component = bridge.component(transport, "realm1")

    assert component._transports[0].max_retries == 3


def test_a_session_that_describe_closes_is_not_told_of() -> None:
    realm = Realm(describe=lambda session: {"closing": session.close().called})
    realm.server.open_websocket()
    assert realm.take() == []
    assert realm.call("sessions") == []
