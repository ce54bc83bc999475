"""The log of packets: which sessions, what of them, and what it costs the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.testing.applications import Chat
from txengineio import EngineIOProtocol, InvalidOption, log_packets
from txengineio.observing.observers import OBSERVERS
from txengineio.observing.packet_log import PacketLog
from txengineio.testing import (
    MemoryEngine,
    RecordingClientSession,
    RecordingProtocol,
    RecordingSession,
)


@pytest.fixture(autouse=True)
def nobody_watches_afterwards() -> Iterator[None]:
    before = list(OBSERVERS)
    yield
    assert before == OBSERVERS


class Kept:
    """A log whose lines are kept."""

    def __init__(self, *chosen: str, **options: Any) -> None:
        self.lines: list[str] = []
        chosen = chosen or ("all",)
        self.log = PacketLog(chosen, write=self.lines.append, **options)

    def __enter__(self) -> Kept:
        self.log.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.log.stop()

    def of(self, session: Any) -> list[str]:
        """What is said of a session, without what each line begins with."""
        beginning = f"session {session.id[:6]}… on "
        return [
            line.removeprefix(beginning)
            for line in self.lines
            if line.startswith(beginning)
        ]


def test_what_is_said_of_a_servers_session() -> None:
    with Kept() as kept:
        session = RecordingSession.of(Chat)
        session.receive("hello", b"\x00\xff")
        session.advance(30)
        session.lose()
        assert kept.of(session) == [
            "websocket is open with 192.0.2.1, revision 4",
            "websocket -> message 'welcome'",
            "websocket <- message 'hello'",
            "websocket -> message 'hello'",
            r"websocket <- message b'\x00\xff'",
            r"websocket -> message b'\x00\xff'",
            "websocket -> ping",
            "websocket <- pong",
            "websocket is over: transport close",
        ]
        assert len(kept.lines) == 9


def test_what_is_said_of_a_clients_session() -> None:
    with Kept() as kept:
        session = RecordingClientSession.of(RecordingProtocol)
        session.receive("hello")
        session.send("")
        session.advance(30)
        session.fail(ConnectionResetError("the cat has bitten"))
        assert kept.of(session) == [
            "websocket is open with server.example, revision 4",
            "websocket <- message 'hello'",
            "websocket -> message ''",
            "websocket <- ping",
            "websocket -> pong",
            "websocket is over: transport error: the cat has bitten",
        ]


def test_an_upgrade_is_told_on_both_sides() -> None:
    with Kept() as kept, MemoryEngine(Chat) as memory:
        client = memory.connect()
        moves = ["polling is about to move", "websocket has moved"]
        lines = [line for line in kept.of(client.session) if "move" in line]
        # Each is told by both.
        assert sorted(lines) == sorted(moves * 2)


def test_lines_go_to_the_log() -> None:
    with capturedLogs() as events:
        log = log_packets()
        session = RecordingSession.of(Chat)
        log.stop()
    lines = [formatEvent(event) for event in events]
    sid = session.id[:6]
    assert lines == [
        f"session {sid}… on websocket is open with 192.0.2.1, revision 4",
        f"session {sid}… on websocket -> message 'welcome'",
    ]
    for event in events:
        assert event["log_level"] is LogLevel.info
        assert event["log_namespace"] == "txengineio.observing.packet_log.PacketLog"
        assert (event["session"], event["transport"]) == (sid, "websocket")
        # It is a credential.
        assert session.id not in str(formatEvent(event))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("12345", "'12345'"),
        ("123456", "'12345'… (6 characters)"),
        (b"123456", "b'12345'… (6 bytes)"),
        ("\x1b[2J\n", r"'\x1b[2J\n'"),
        ("żółw", r"'\u017c\xf3\u0142w'"),
    ],
)
def test_what_is_long_is_cut_and_nothing_reaches_a_terminal(
    message: str | bytes, shown: str
) -> None:
    with Kept(max_length=5) as kept:
        session = RecordingSession.of(EngineIOProtocol)
        session.receive(message)
        assert kept.of(session)[1:] == [f"websocket <- message {shown}"]


@pytest.mark.parametrize(
    ("chosen", "addresses"),
    [
        (["all"], {"192.0.2.1", "192.0.2.9", "2001:db8::1", "::ffff:192.0.2.1"}),
        (["192.0.2.1"], {"192.0.2.1", "::ffff:192.0.2.1"}),
        (["192.0.2.0/29"], {"192.0.2.1", "::ffff:192.0.2.1"}),
        (["2001:db8::/32", "192.0.2.9"], {"2001:db8::1", "192.0.2.9"}),
        (["id:no-such-id"], set()),
    ],
)
def test_sessions_are_chosen_by_address(chosen: list[str], addresses: set[str]) -> None:
    with Kept(*chosen) as kept:
        every = ["192.0.2.1", "192.0.2.9", "2001:db8::1", "::ffff:192.0.2.1"]
        sessions = [RecordingSession.of(Chat, address=each) for each in every]
        found = {each.remote_address for each in sessions if kept.of(each)}
        assert found == addresses


def test_sessions_are_chosen_by_what_their_ids_begin_with() -> None:
    with (
        Kept("id:left-") as kept,
        MemoryEngine(Chat, node_name="left") as left,
        MemoryEngine(Chat, node_name="right") as right,
    ):
        ours, theirs = left.connect(), right.connect()
        assert kept.of(ours.server_session)
        assert kept.of(ours.session)
        assert not kept.of(theirs.server_session)


def test_a_client_is_with_a_name_and_no_address() -> None:
    with Kept("0.0.0.0/0", "::/0") as kept:
        RecordingClientSession.of(Chat)
        RecordingClientSession.of(RecordingProtocol, host="192.0.2.4")
        assert len(kept.lines) == 1


def test_sessions_that_are_open_already() -> None:
    first, second = RecordingSession.of(Chat), RecordingSession.of(Chat)
    over = RecordingSession.of(Chat)
    over.lose()
    kept = Kept(f"id:{first.id[:8]}")
    kept.log.start([first, second, over])
    kept.log.follow(over)
    first.receive("1")
    second.receive("2")
    assert len(kept.of(first)) == 3
    assert not kept.of(second)
    kept.log.follow(second)
    kept.log.follow(second)
    second.receive("3")
    assert len(kept.of(second)) == 3
    assert not kept.of(over)
    kept.log.stop()
    kept.log.stop()
    second.receive("4")
    assert len(kept.of(second)) == 3


@pytest.mark.parametrize(
    "chosen", ["", "al", "id:", "203.0.113", "10.0.0.0/99", "chat.example", "a1B2c3"]
)
def test_what_chooses_nothing_is_refused(chosen: str) -> None:
    with pytest.raises(InvalidOption, match=r"the sessions .* 10\.0\.0\.0/8"):
        log_packets(chosen)
    with pytest.raises(InvalidOption, match="the sessions"):
        PacketLog(chosen)
    with pytest.raises(InvalidOption, match="the sessions"):
        PacketLog([])


@pytest.mark.parametrize("length", [0, -1, 1.5, "9", None])
def test_a_length_that_makes_no_sense_is_refused(length: Any) -> None:
    with pytest.raises(InvalidOption, match="max_length"):
        log_packets(max_length=length)


def is_asked_for(session: RecordingSession) -> bool:
    """Whether there is a handler, which is what each packet asks for, log or not."""
    return session.handlers is not None


def test_what_are_no_sessions_is_refused_before_anything_is_logged() -> None:
    session = RecordingSession.of(Chat)
    ids: Any = session.engine.sessions
    with pytest.raises(InvalidOption, match=r"such as engine\.sessions\.values\("):
        log_packets(sessions=ids)


def test_sessions_that_are_not_chosen_cost_nothing() -> None:
    with Kept("203.0.113.7"):
        session = RecordingSession.of(Chat)
        assert not is_asked_for(session)
    with Kept() as kept:
        session = RecordingSession.of(Chat)
        assert is_asked_for(session)
        kept.log.stop()
        assert not is_asked_for(session)
    with Kept():
        session = RecordingSession.of(Chat)
        session.lose()
        assert not is_asked_for(session)
