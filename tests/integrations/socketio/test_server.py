"""`Server` in memory: handlers in the reactor, Deferreds where something waits."""

from __future__ import annotations

import json
from typing import Any

import pytest
import socketio
from twisted.internet.defer import Deferred

from tests.conftest import FlushLoggedErrors
from tests.integrations.socketio.harness import connected, opened, wired
from txengineio.errors import InvalidOption
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.socketio import Server

_PLACEHOLDER = '{"_placeholder":true,"num":0}'


def test_an_event_is_acknowledged_with_what_its_handler_returns() -> None:
    sio, server = wired(Server)
    sio.on("one", lambda sid, data: data)
    sio.on("many", lambda sid: (1, "two"))
    sio.on("none", lambda sid: None)
    client = connected(server)

    client.send('421["one","x"]', '422["many"]', '423["none"]', '42["one",1]')
    server.settle()

    assert client.packets() == ['431["x"]', '432[1,"two"]', "433[]"]


def test_an_acknowledgement_waits_for_a_deferred() -> None:
    sio, server = wired(Server)
    answer: Deferred[str] = Deferred()

    @sio.event
    async def slow(sid: str) -> str:
        return await answer

    client = connected(server)
    client.send('421["slow"]')
    server.settle()
    assert client.packets() == []
    answer.callback("done")
    server.settle()
    assert client.packets() == ['431["done"]']


def test_binary_comes_and_goes() -> None:
    sio, server = wired(Server)
    sio.on("echo", lambda sid, data: data)
    client = connected(server)

    client.send(f'451-7["echo",{_PLACEHOLDER}]', b"\x00\x01")
    server.settle()

    assert client.packets() == [f"461-7[{_PLACEHOLDER}]", b"\x00\x01"]


def test_a_broadcast_reaches_a_room_but_not_who_is_skipped() -> None:
    sio, server = wired(Server)
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    clients = [connected(server) for _ in range(3)]
    for sid in sids[:2]:
        sio.enter_room(sid, "room")

    sio.emit("news", b"\x05", room="room", skip_sid=sids[0])
    sio.emit("all", (1, 2))
    server.settle()

    assert [each.packets() for each in clients] == [
        ['42["all",1,2]'],
        [f'451-["news",{_PLACEHOLDER}]', b"\x05", '42["all",1,2]'],
        ['42["all",1,2]'],
    ]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (False, {"message": "Connection rejected by server"}),
        (
            socketio.exceptions.ConnectionRefusedError("no", {"x": 1}),
            {"message": "no", "data": {"x": 1}},
        ),
        (ConnectionRefusedError(), {"message": "Connection refused by server"}),
    ],
)
def test_a_client_is_refused(outcome: Any, says: Any, late: bool) -> None:
    sio, server = wired(Server)
    waiting: Deferred[None] = Deferred()

    async def connect(sid: str, environ: Any, auth: Any) -> Any:
        if late:
            await waiting
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    sio.on("connect", connect)
    client = opened(server)
    client.send("40")
    server.settle()
    waiting.callback(None)
    server.settle()

    (packet,) = client.packets()
    assert isinstance(packet, str)
    assert packet[:2] == "44"
    assert json.loads(packet[2:]) == says
    assert sio.manager.rooms == {}


def test_a_handler_of_connect_that_fails_refuses(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    sio, server = wired(Server)
    sio.on("connect", lambda sid, environ: 1 / 0)
    client = opened(server)
    client.send("40")
    server.settle()

    (packet,) = client.packets()
    assert str(packet).startswith("44")
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_who_leaves_while_being_asked_about_leaves_nothing_behind() -> None:
    sio, server = wired(Server)
    waiting: Deferred[None] = Deferred()
    sio.on("connect", lambda sid, environ: waiting)
    client = opened(server)
    client.send("40")
    server.settle()
    client.connection.lose()
    server.settle()
    waiting.callback(None)
    server.settle()

    assert sio.manager.rooms == {}
    assert sio.environ == {}
    server.assert_nothing_left()


def test_two_namespaces_share_a_connection() -> None:
    _, server = wired(Server, namespaces=["/", "/admin"])
    client = connected(server)
    client.send("40/admin,")
    client.send("40/nowhere,")
    server.settle()

    first, second = client.packets()
    assert str(first).startswith('40/admin,{"sid":')
    assert second == '44/nowhere,"Unable to connect"'


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        ("41", "client disconnect"),
        ("1", "client disconnect"),
        ("close", "transport close"),
        ("silence", "ping timeout"),
        ("nonsense", "transport error"),
        ("kick", "server disconnect"),
    ],
)
def test_every_reason_of_a_disconnect(leave: str, reason: str) -> None:
    sio, server = wired(Server)
    left: list[str] = []
    sio.on("disconnect", lambda sid, why: left.append(why))
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    client = connected(server)

    if leave == "close":
        client.connection.lose()
    elif leave == "silence":
        for _ in range(10):
            server.advance(5)
    elif leave == "kick":
        sio.disconnect(sids[0])
    else:
        client.send("4nonsense" if leave == "nonsense" else leave)
    server.settle()

    assert left == [reason]


def test_the_server_asks() -> None:
    sio, server = wired(Server)
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    client = connected(server)
    answers: list[Any] = []

    sio.call("question", 5, to=sids[0]).addCallback(answers.append)
    server.settle()
    (question,) = client.packets()
    number = str(question)[2:].partition("[")[0]
    assert question == f'42{number}["question",5]'
    client.send(f"43{number}[6]")
    server.settle()

    assert answers == [6]


def test_a_question_without_an_answer_times_out() -> None:
    sio, server = wired(Server)
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    connected(server)
    failures: list[Any] = []

    sio.call("question", to=sids[0], timeout=2).addErrback(failures.append)
    server.advance(2)

    assert failures[0].check(socketio.exceptions.TimeoutError)


def test_sessions_are_kept_by_namespace() -> None:
    sio, server = wired(Server)
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    connected(server)

    with sio.session(sids[0]) as session:
        session["name"] = "Ada"

    assert sio.get_session(sids[0]) == {"name": "Ada"}


def test_who_connects_to_nothing_has_to_go() -> None:
    _, server = wired(Server, connect_timeout=5)
    client = opened(server)
    stays = connected(server)
    server.advance(6)

    assert client.close_frame() is not None
    assert stays.close_frame() is None


@pytest.mark.parametrize(
    "packet",
    [
        "4",
        "49",
        "4x",
        "42",
        '42{"a":1}',
        "42[]",
        "42[1]",
        '44{"x":1}',
        '450-["x"]',
        "43x",
        b"\x01",
    ],
)
def test_what_is_no_packet_ends_the_session(packet: str | bytes) -> None:
    _, server = wired(Server)
    client = connected(server)
    client.send(packet)
    server.settle()

    assert dict(server.engine.sessions) == {}


def test_classes_and_catch_all_handlers() -> None:
    class Admin(socketio.Namespace):  # type: ignore[misc]
        def on_ping_me(self, sid: str, data: Any) -> Any:
            return ["class", data]

    sio, server = wired(Server)
    sio.register_namespace(Admin("/admin"))
    sio.on("*", lambda event, sid, data: [event, data])
    client = connected(server)
    admin = connected(server, "/admin,")
    client.send('420["whatever",1]')
    admin.send('42/admin,1["ping_me",2]')
    server.settle()

    assert client.packets() == ['430[["whatever",1]]']
    assert admin.packets() == ['43/admin,1[["class",2]]']


def test_msgpack_packets() -> None:
    msgpack = pytest.importorskip("msgpack")
    sio, server = wired(Server, serializer="msgpack")
    sio.on("echo", lambda sid, data: data)
    client = opened(server)
    client.send(msgpack.dumps({"type": 0, "nsp": "/"}))
    server.settle()
    (welcome,) = client.packets()
    assert msgpack.loads(welcome)["type"] == 0
    client.send(
        msgpack.dumps({"type": 2, "nsp": "/", "id": 1, "data": ["echo", b"\x01"]})
    )
    server.settle()

    (answer,) = client.packets()
    assert msgpack.loads(answer)["data"] == [b"\x01"]


def test_a_handler_that_fails_harms_nobody(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    sio, server = wired(Server)
    sio.on("bad", lambda sid: 1 / 0)
    sio.on("good", lambda sid: "fine")
    client = connected(server)
    client.send('420["bad"]', '421["good"]')
    server.settle()

    assert client.packets() == ['431["fine"]']
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_a_manager_that_listens_in_a_thread_is_refused() -> None:
    expected = r"class Manager\(ReactorPubSubManager, PubSubManager\)"
    with pytest.raises(InvalidOption, match=expected):
        wired(Server, client_manager=socketio.PubSubManager())

    wired(Server, client_manager=socketio.PubSubManager(write_only=True))


def test_a_manager_for_asyncio_is_refused() -> None:
    with pytest.raises(InvalidOption, match="one that is not for asyncio"):
        wired(Server, client_manager=socketio.AsyncManager())


@pytest.mark.parametrize("seconds", ["3", 0, -1, None])
def test_a_connect_timeout_that_makes_no_sense_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidOption, match="connect_timeout must be"):
        wired(Server, connect_timeout=seconds)


@pytest.mark.parametrize("namespaces", ["/admin", ["admin"], ["*"], [1], 3, b"/"])
def test_namespaces_that_make_no_sense_are_refused(namespaces: Any) -> None:
    with pytest.raises(InvalidOption, match="namespaces must be a list of names"):
        wired(Server, namespaces=namespaces)


@pytest.mark.parametrize("namespaces", ["*", ["/", "/any"], ("/any",), {"/any"}])
def test_namespaces_are_served_without_handlers(namespaces: Any) -> None:
    _, server = wired(Server, namespaces=namespaces)
    assert connected(server, "/any,").packets() == []


def test_a_cluster_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidOption, match="cluster must be a cluster to join"):
        wired(Server, cluster=3)


def test_a_client_of_socketio_2_is_in_the_main_namespace_unasked() -> None:
    sio, server = wired(Server, allow_eio3=True)
    sio.on("connect", lambda sid, environ: None)
    sio.on("connect", lambda sid, environ: None, namespace="/admin")
    sio.on("echo", lambda sid, data: data)
    client = server.open_websocket(EIO="3")
    server.advance(OPEN_PACKET_DELAY)
    opening, welcome = client.packets()
    assert str(opening).startswith("0{")
    # No values, as in its revision of the protocol.
    assert welcome == "40"

    client.send("40/admin?token=1,", '421["echo","0{}"]')
    server.settle()

    assert client.packets() == ["40/admin,", '431["0{}"]']
    (sid,) = (sid for sid, _ in sio.manager.get_participants("/", None))
    assert sio.transport(sid) == "websocket"


def test_a_client_of_socketio_2_waits_for_those_who_decide() -> None:
    decided: Deferred[Any] = Deferred()
    sio, server = wired(Server, allow_eio3=True)
    sio.on("connect", lambda sid, environ: decided)
    client = server.open_websocket(EIO="3")
    server.advance(OPEN_PACKET_DELAY)
    assert len(client.packets()) == 1

    decided.callback(False)
    server.settle()

    assert client.packets() == ['44"Connection rejected by server"']


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ([], '"Connection rejected by server"'),
        (["not you"], '"not you"'),
        (["not you", {"code": 7}], '{"code": 7}'),
    ],
)
def test_a_client_of_socketio_2_is_told_why_as_by_node(
    said: list[Any], heard: str
) -> None:
    sio, server = wired(Server, allow_eio3=True)
    sio.on("connect", lambda sid, environ: None)

    def refuse(sid: str, environ: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError(*said)

    sio.on("connect", refuse, namespace="/admin")
    client = server.open_websocket(EIO="3")
    server.advance(OPEN_PACKET_DELAY)
    client.packets()
    client.send("40/admin,", "40/nowhere,")
    server.settle()

    assert client.packets() == [f"44/admin,{heard}", '44/nowhere,"Unable to connect"']


def test_an_answer_that_cannot_be_sent_does_not_hold_up_events_in_order(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    sio, server = wired(Server, async_handlers=False)
    first: Deferred[None] = Deferred()
    sio.on("slow", lambda sid: first)
    sio.on("bad", lambda sid: object())
    sio.on("good", lambda sid: "fine")
    client = connected(server)

    client.send('421["slow"]', '422["bad"]', '423["good"]')
    first.callback(None)
    server.settle()

    assert client.packets() == ["431[]", '433["fine"]']
    assert len(flush_logged_errors(TypeError)) == 1
