"""Who a request is from: what stands before it."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from txengineio.cluster.forwarding.preface import Client, hurry, preface, read_preface

V4 = IPv4Address("TCP", "192.0.2.1", 54321)
V6 = IPv6Address("TCP", "2001:db8::1", 443)
UNIX = UNIXAddress(None)


@pytest.mark.parametrize("peer", [V4, V6, UNIX])
@pytest.mark.parametrize("is_secure", [True, False])
def test_what_is_said_is_read(peer: IAddress, is_secure: bool) -> None:
    client = Client(peer, V4, is_secure)
    data = preface(client.encode(), 70_000) + b"GET"
    assert read_preface(data) == (client, 70_000, len(data) - 3)
    for size in range(len(data) - 3):
        assert read_preface(data[:size]) is None


def test_a_unix_socket_is_no_address_whatever_its_path() -> None:
    client = Client(UNIXAddress(b"/run/x"), UNIXAddress(b""), False)
    data = preface(client.encode(), 1)
    assert read_preface(data) == (Client(UNIX, UNIX, False), 1, len(data))


def test_a_wish_names_a_session_and_no_request() -> None:
    data = hurry("n1-abc") + b"more"
    assert read_preface(data) == ("n1-abc", 0, len(data) - 4)
    assert read_preface(data[:8]) is None
    with pytest.raises(ValueError):  # noqa: PT011 - by whoever found it
        read_preface(b"\0\0\0\0\0\1\xff")


@pytest.mark.parametrize("said", [b"", b"{}", b"[1]", b'["TCP9","x",1]', b"\xff", b"["])
def test_nonsense_is_told(said: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - by whoever found it
        read_preface(b"\0\0\0\1" + len(said).to_bytes(2, "big") + said)
