"""What a link may deliver: packets of nodes, and anything else."""

from __future__ import annotations

import os
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.nodes import LinkReactor, linked
from tests.conftest import FlushLoggedErrors
from txengineio.cluster.links import Receiver
from txengineio.cluster.packets import (
    MAX_MESSAGE,
    Connection,
    Hello,
    LostConnection,
    Packet,
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
