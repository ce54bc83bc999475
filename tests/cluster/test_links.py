"""What a link may deliver: packets of nodes, and anything else."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.cluster.nodes import LinkReactor, linked
from tests.conftest import FlushLoggedErrors
from txengineio.cluster.links import (
    Door,
    Receiver,
    Sender,
    new_socket,
    open_link,
)
from txengineio.cluster.packets import (
    MAX_MESSAGE,
    Connection,
    Hello,
    LostConnection,
    Packet,
    connection_packet,
    new_buffer,
    receive,
)
from txengineio.cluster.pieces import Message

PLACES = st.builds(
    lambda kind, size, offset, data: (
        b"m" + struct.pack("!cII", kind, size, offset) + data
    ),
    st.binary(min_size=1, max_size=1),
    st.integers(0, 20) | st.integers(0, 2**32 - 1),
    st.integers(0, 20) | st.integers(0, 2**32 - 1),
    st.binary(max_size=20),
)
PACKETS = st.one_of(
    PLACES,
    st.binary(min_size=1, max_size=40),
    st.sampled_from([b"h", b"c", b"m"]).flatmap(
        lambda tag: st.binary(max_size=40).map(tag.__add__)
    ),
)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def check(sent: list[tuple[bytes, int]]) -> None:
    received: list[Packet | Message] = []
    ended: list[Receiver] = []
    before = descriptors()
    with linked() as (sending, receiving), socket.socket() as client:
        receiver = Receiver(
            LinkReactor(),
            receiving,
            lambda _, packet: received.append(packet),
            ended.append,
        )
        for packet, sockets in sent:
            socket.send_fds(sending, [packet], [client.fileno()] * sockets)
            reason = receiver.doRead()
            if reason is not None:
                receiver.connectionLost(reason)
                break
        for each in received:
            assert isinstance(each, Message | Hello | Connection | LostConnection)
            if isinstance(each, Message):
                assert len(each.payload) <= MAX_MESSAGE
            if isinstance(each, Connection):
                each.socket.close()
        assert len(ended) <= 1
        receiver.close()
    # Sockets that belong to nothing are closed, too.
    assert descriptors() == before


def test_whatever_comes_is_taken_or_ends_the_link(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    given(st.lists(st.tuples(PACKETS, st.integers(0, 3)), max_size=12))(check)()
    # Those that ended one say so.
    assert flush_logged_errors(ValueError)


def test_programs_that_are_started_have_no_client() -> None:
    with linked() as (sending, receiving), socket.socket() as client:
        socket.send_fds(sending, [connection_packet(0, client, b"")], [client.fileno()])
        packet = receive(receiving, new_buffer())
    assert isinstance(packet, Connection)
    with packet.socket:
        assert not packet.socket.get_inheritable()


def test_a_connection_that_is_too_large_to_send_goes_alone() -> None:
    reactor = LinkReactor()
    ended: list[None] = []
    with linked() as (sending, receiving), socket.socket() as other:
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        sender = Sender(reactor, sending, lambda: ended.append(None))
        client = socket.socket()
        sender.send(connection_packet(0, client, b"x" * 131_000), client)
        sender.send(connection_packet(0, other, b"y"), other.dup())
        assert (ended, client.fileno()) == ([], -1)
        packet = receive(receiving, new_buffer())
        assert isinstance(packet, Connection)
        assert packet.received == b"y"
        packet.socket.close()
        sender.close()


def test_a_path_is_there_when_somebody_listens_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    class Slow(socket.socket):
        @override
        def listen(self, backlog: int = 0) -> None:
            # Meanwhile another node looks who is there.
            assert open_link(tmp_path / "w0a") is None
            seen.append([each.name for each in tmp_path.iterdir()])
            super().listen(backlog)

    monkeypatch.setattr(
        "txengineio.cluster.links.new_socket",
        lambda: Slow(socket.AF_UNIX, socket.SOCK_SEQPACKET),
    )
    door = Door(LinkReactor(), tmp_path / "w0a", lambda link: None)
    monkeypatch.undo()
    # No node has such a name.
    assert seen == [[".w0a"]]
    assert [each.name for each in tmp_path.iterdir()] == ["w0a"]
    link = open_link(tmp_path / "w0a")
    assert link is not None
    link.close()
    with pytest.raises(FileExistsError):
        Door(LinkReactor(), tmp_path / "w0a", lambda link: None)
    door.close()
    assert list(tmp_path.iterdir()) == []


def test_without_descriptors_there_is_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> socket.socket:
        raise OSError(errno.EMFILE, "none left")

    monkeypatch.setattr("txengineio.cluster.links.new_socket", none)
    assert open_link(Path("/nowhere")) is None


def test_without_descriptors_nobody_is_accepted_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_out = True

    class Exhausted(socket.socket):
        @override
        def accept(self) -> tuple[socket.socket, object]:
            if is_out:
                raise OSError(errno.EMFILE, "none left")
            return super().accept()

    monkeypatch.setattr(
        "txengineio.cluster.links.new_socket",
        lambda: Exhausted(socket.AF_UNIX, socket.SOCK_SEQPACKET),
    )
    opened: list[socket.socket] = []
    reactor = LinkReactor()
    door = Door(reactor, tmp_path / "a", opened.append)
    monkeypatch.undo()
    with new_socket() as link:
        link.connect(os.fspath(tmp_path / "a"))
        door.doRead()
        assert door not in reactor.readers
        is_out = False
        reactor.advance(1)
        assert door in reactor.readers
        door.doRead()
    (accepted,) = opened
    accepted.close()
    is_out = True
    door.doRead()
    door.close()
    assert reactor.getDelayedCalls() == []
    assert door not in reactor.readers
