"""Where nodes listen for each other, and what is wrong with that."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import MemoryReactorClock

from txengineio.cluster.machines.addresses import (
    _Unchecked,
    address_of,
    check_advertised,
    check_listen,
    client_endpoint,
    is_loopback,
)
from txengineio.errors import InvalidOption

HERE = IPv4Address("TCP", "127.0.0.1", 7000)
INSIDE = IPv4Address("TCP", "10.0.0.1", 7000)
ANY = IPv4Address("TCP", "0.0.0.0", 7000)
ANY6 = IPv6Address("TCP", "::", 7000)
INSIDE6 = IPv6Address("TCP", "fd00::1", 7000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chat-1.internal", ("chat-1.internal", None)),
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("[fd00::1]", ("[fd00::1]", None)),
        ("[fd00::1]:7000", ("[fd00::1]", 7000)),
    ],
)
def test_what_is_advertised(text: str, expected: object) -> None:
    assert check_advertised(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":7000", "a b", "fd00::1", "a:", "a:0", "a:65536", "a:http", "tcp:a:1", "é"],
)
def test_nonsense_is_not_advertised(text: str) -> None:
    with pytest.raises(InvalidOption, match="HOST or HOST:PORT"):
        check_advertised(text)


@pytest.mark.parametrize("text", ["0.0.0.0", "[::]:7000"])
def test_all_addresses_are_none(text: str) -> None:
    with pytest.raises(InvalidOption, match="not all addresses"):
        check_advertised(text)


@pytest.mark.parametrize(
    ("host", "advertise", "expected"),
    [
        (INSIDE, None, "10.0.0.1:7000"),
        (INSIDE6, None, "[fd00::1]:7000"),
        (ANY, "chat-1", "chat-1:7000"),
        (ANY6, "[fd00::1]:80", "[fd00::1]:80"),
        (HERE, "chat-1:7001", "chat-1:7001"),
    ],
)
def test_the_address_of_a_node(host: Any, advertise: str | None, expected: str) -> None:
    assert address_of(host, advertise, False, True) == expected
    assert address_of(host, advertise, True, True) == f"tls:{expected}"


@pytest.mark.parametrize(
    ("host", "has_secret", "why"),
    [
        (ANY, True, "advertise must be given, as this node listens on all addresses"),
        (ANY6, True, "advertise must be given"),
        (INSIDE, False, "secret must be given, as other machines can connect"),
        (UNIXAddress("/x"), True, "listen must be a TCP or TLS endpoint"),
    ],
)
def test_an_address_that_is_none(host: Any, has_secret: bool, why: str) -> None:
    with pytest.raises(InvalidOption, match=why):
        address_of(host, None, False, has_secret)


@pytest.mark.parametrize(
    ("listen", "advertise", "has_secret", "why"),
    [
        ("unix:/run/x", None, True, "listen must be a TCP or TLS endpoint"),
        ("haproxy:tcp:7000", "a", True, "listen must be a TCP or TLS endpoint"),
        ("tcp:7000", None, True, "advertise must be given"),
        ("ssl:7000:privateKey=k", None, True, "advertise must be given"),
        (r"tcp6:7000:interface=\:\:", None, True, "advertise must be given"),
        ("tcp:7000:interface=10.0.0.1", None, False, "secret must be given"),
        ("tcp:7000", "a", False, "secret must be given"),
    ],
)
def test_a_description_that_is_of_no_use(
    listen: str, advertise: str | None, has_secret: bool, why: str
) -> None:
    with pytest.raises(InvalidOption, match=why):
        check_listen(listen, advertise, has_secret)


@pytest.mark.parametrize(
    ("listen", "advertise", "has_secret"),
    [
        ("tcp:7000:interface=127.0.0.1", None, False),
        (r"tcp6:7000:interface=\:\:1", None, False),
        ("tcp:7000:interface=10.0.0.1", None, True),
        ("tcp:7000", "chat-1", True),
        ("systemd:domain=INET:index=0", None, False),
    ],
)
def test_a_description_that_is(
    listen: str, advertise: str | None, has_secret: bool
) -> None:
    check_listen(listen, advertise, has_secret)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("[fd00::1]:7000", ("fd00::1", 7000)),
        ("tls:10.0.0.1:7000", ("10.0.0.1", 7000)),
    ],
)
def test_where_others_connect_to(address: str, expected: tuple[str, int]) -> None:
    reactor: Any = MemoryReactorClock()
    client_endpoint(reactor, address).connect(object())  # type: ignore[arg-type]
    assert reactor.tcpClients[0][:2] == expected


@pytest.mark.parametrize("address", ["", "10.0.0.1", "tls:", "a/b:1"])
def test_no_address_of_another_node(address: str) -> None:
    with pytest.raises(InvalidOption):
        client_endpoint(object(), address)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.2", True), ("::1", True), ("localhost", True), ("chat-1", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_connections_with_tls_share_what_is_costly() -> None:
    contexts = {
        _Unchecked(host).clientConnectionForTLS(None).get_context()
        for host in ("10.0.0.1", "chat-2.internal")
    }
    assert len(contexts) == 1
