"""URLs of routers: what they say, and what is said of those that make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor  # noqa: TID251 - only endpoints are made of it

from txengineio.cluster.broker.urls import BadBrokerURL
from txengineio.cluster.membership import IMembership, MembershipState
from txengineio.cluster.wamp.maker import make_membership
from txengineio.cluster.wamp.urls import BadWampURL, WampURL, parse_wamp_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "wamp:ws://host:8080/ws@realm1",
            WampURL(host="host", port=8080, path="/ws", realm="realm1"),
        ),
        (
            "wamp:ws://host@com.example.chat",
            WampURL(host="host", port=80, path="/", realm="com.example.chat"),
        ),
        (
            "wamp:wss://[::1]:8443/a/b@r?ca=/ca.pem",
            WampURL(
                host="::1", port=8443, path="/a/b", realm="r", tls=True, ca="/ca.pem"
            ),
        ),
        (
            "wamp:wss://nodes:p%40%2F@host/ws@r?auth=ticket",
            WampURL(
                host="host",
                port=443,
                path="/ws",
                realm="r",
                tls=True,
                username="nodes",
                password="p@/",
                method="ticket",
            ),
        ),
    ],
)
def test_what_a_url_says(url: str, expected: WampURL) -> None:
    found = parse_wamp_url(url)
    assert found == expected
    assert "p@/" not in f"{found} {found!r}"


def test_what_is_shown_of_it() -> None:
    shown = str(parse_wamp_url("wamp:wss://nodes:hunter2@[::1]:8443/ws@realm1"))
    assert shown == "wss://[::1]:8443/ws@realm1"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("wamp:", "a URL of a router of WAMP is wamp:ws://HOST:PORT/PATH@REALM"),
        ("wamp:ws://host:1/ws", "a URL of a router"),
        ("wamp:http://host/ws@realm", "a URL of a router"),
        ("wamp:ws://u:hunter2/x@host/ws@realm", "a URL of a router"),
        ("wamp:ws://host:0/ws@realm", "a port in it is from 1 to 65535"),
        ("wamp:ws://host:65536/ws@realm", "a port in it is from 1 to 65535"),
        ("wamp:ws://hunter2@host/ws@realm", "stands USER:PASSWORD"),
        ("wamp:ws://u:@host/ws@realm", "stands USER:PASSWORD"),
        ("wamp:ws://host/ws@realm?ca=/x", "after ? in a ws: URL comes auth, not 'ca'"),
        ("wamp:wss://host/ws@realm?x=1", "comes auth and ca, not 'x'"),
        ("wamp:ws://u:hunter2@host/ws@realm?auth=none", "wampcra or ticket"),
        ("wamp:ws://host/ws@realm?auth=ticket", "goes with USER:PASSWORD@"),
    ],
)
def test_what_makes_no_sense_is_told_without_what_is_secret(
    url: str, problem: str
) -> None:
    with pytest.raises(BadWampURL) as raised:
        parse_wamp_url(url)
    assert problem in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_membership_is_made_of_it(tmp_path: Path) -> None:
    where: Any = reactor
    made = make_membership("wamp:wss://host/ws@realm1", "chat", None, where)
    assert IMembership.providedBy(made)
    assert made.state is MembershipState.JOINING
    url = f"wamp:wss://host/ws@realm1?ca={tmp_path / 'none'}"
    with pytest.raises(BadBrokerURL, match=r"\?ca= names a file of certificates"):
        make_membership(url, "chat", None, where)
