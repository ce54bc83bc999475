"""Who a request is from: proxies that are trusted, and clients that lie."""

from __future__ import annotations

from typing import Any

import pytest

from txengineio.errors import InvalidOption
from txengineio.server.options.proxies import (
    TrustedProxies,
    check_networks,
    parse_address,
)

OURS = TrustedProxies(check_networks("x", ["10.0.0.0/8", "2001:db8::/32", "unix"]))


@pytest.mark.parametrize(
    ("host", "forwarded", "client"),
    [
        # Whoever is no proxy of ours may say what it likes.
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # The client has made up the first one; its own address was appended.
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [",,"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db9::1]:4711"], "2001:db9::1"),
        ("2001:db8::1", ["2001:db9::0:1"], "2001:db9::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        (None, ["203.0.113.9"], "203.0.113.9"),
    ],
)
def test_the_last_address_that_is_no_proxys_is_the_clients(
    host: str | None, forwarded: list[str], client: str
) -> None:
    assert OURS.client_of(host, forwarded) == client


def test_without_proxies_nothing_is_believed() -> None:
    nobody = TrustedProxies([])
    assert nobody.client_of("10.0.0.1", ["203.0.113.9"]) == "10.0.0.1"
    assert nobody.client_of(None, ["203.0.113.9"]) is None
    assert not nobody.trusts("10.0.0.1")
    assert not OURS.trusts("nonsense")


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1:2:3", None, "1.2.3.4.5"])
def test_what_is_no_address(text: str | None) -> None:
    assert parse_address(text) is None


def test_networks_are_normalised() -> None:
    assert check_networks("x", ["10.1.2.3/8", "::1", "unix"]) == (
        "10.0.0.0/8",
        "::1/128",
        "unix",
    )


@pytest.mark.parametrize("value", ["10.0.0.0/8", 5, ["10.0.0.0/33"], [None], ["host"]])
def test_other_things_are_no_networks(value: Any) -> None:
    with pytest.raises(InvalidOption, match="trusted_proxies"):
        check_networks("trusted_proxies", value)
