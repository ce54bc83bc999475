"""Sockets that the supervisor binds and workers accept from."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from tests.twistd.supervisor.bound import HOST, REACTOR, bind
from txengineio.twistd.supervisor.sockets import Binder

pytestmark = pytest.mark.socket


def test_each_slot_has_a_socket_and_all_share_the_port() -> None:
    binder, bound = bind(f"tcp:0:interface={HOST}", slots=3)
    (place,) = binder.descriptors()
    assert len(set(place)) == 3
    address: Any = bound.getHost()
    for each in place:
        with socket.socket(fileno=os.dup(each)) as made:
            assert made.getsockname() == (HOST, address.port)
    binder.close()


def test_a_port_of_somebody_else_is_taken_though_it_may_be_shared() -> None:
    binder, bound = bind(f"tcp:0:interface={HOST}")
    address: Any = bound.getHost()
    with pytest.raises(CannotListenError) as raised:
        bind(f"tcp:{address.port}:interface={HOST}")
    assert raised.value.socketError.errno == errno.EADDRINUSE
    binder.close()


def test_an_address_of_ipv6() -> None:
    try:
        binder, bound = bind(r"tcp6:0:interface=\:\:1")
    except CannotListenError as problem:
        pytest.skip(f"no IPv6 here: {problem.socketError}")
    address: Any = bound.getHost()
    assert (address.type, address.host) == ("TCP", "::1")
    (place,) = binder.descriptors()
    assert len(set(place)) == 2
    binder.close()


def test_an_address_that_is_not_here() -> None:
    with pytest.raises(CannotListenError):
        bind("tcp:0:interface=192.0.2.1")


def test_one_socket_for_all_where_ports_are_not_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    binder, _ = bind(f"tcp:0:interface={HOST}", slots=3)
    (place,) = binder.descriptors()
    assert len(place) == 1
    binder.close()


def test_one_socket_for_all_at_a_path(tmp_path: Path) -> None:
    binder, _ = bind(f"unix:{tmp_path / 'app.sock'}", slots=3)
    (place,) = binder.descriptors()
    assert len(place) == 1
    binder.close()


def test_a_socket_that_is_not_there() -> None:
    closed = os.dup(0)
    os.close(closed)
    with pytest.raises(CannotListenError):
        Binder(REACTOR, 1).adoptStreamPort(closed, socket.AF_INET, Factory())


def test_a_deferred_is_what_closing_returns() -> None:
    assert isinstance(Binder(REACTOR, 1).close(), Deferred)
