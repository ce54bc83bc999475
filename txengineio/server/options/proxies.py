"""The client's address, when a request comes through reverse proxies.

A proxy's headers about a client count only if the proxy is known: any client can send
such headers. Each proxy appends the address that it sees, so that the last one that is
not a proxy of ours is the client's; the client may have made up those before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from txengineio.errors import InvalidOption

__all__ = ["UNIX", "TrustedProxies", "check_networks", "parse_address"]

UNIX: Final = "unix"
"""Stands among the networks for proxies that connect over a Unix socket."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def check_networks(name: str, value: object) -> tuple[str, ...]:
    """Return networks, in their normal form.

    Raises:
        InvalidOption: One is none.
    """
    expected = "a sequence of networks such as '10.0.0.0/8', of addresses, or 'unix'"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidOption(name, expected, value)
    try:
        return tuple(
            each if each == UNIX else str(ip_network(each, strict=False))
            for each in value
        )
    except (TypeError, ValueError) as exc:
        raise InvalidOption(name, expected, value) from exc


def parse_address(text: str | None) -> Address | None:
    """Read an address, perhaps with a port; None if it is none."""
    if text is None:
        return None
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class TrustedProxies:
    """The proxies whose headers about clients are believed.

    Args:
        networks: Where they are, as `check_networks` returns it.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        names = tuple(networks)
        self._trusts_unix = UNIX in names
        self._networks: list[Network] = [
            ip_network(name) for name in names if name != UNIX
        ]

    def trusts(self, host: str | None) -> bool:
        """Whether what comes from here is believed; None is a Unix socket."""
        if host is None:
            return self._trusts_unix
        if not self._networks:
            return False
        address = parse_address(host)
        return address is not None and self._contains(address)

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def client_of(self, host: str | None, forwarded: Iterable[str]) -> str | None:
        """Return the address of the client of a request.

        Args:
            host: Where the connection comes from; None for a Unix socket.
            forwarded: The values of its ``X-Forwarded-For`` headers.
        """
        if not self.trusts(host):
            return host
        client = host
        for text in reversed(",".join(forwarded).split(",")):
            address = parse_address(text)
            if address is None:
                # A proxy of ours does not write that: everything before it is made up.
                break
            client = str(address)
            if not self._contains(address):
                break
        return client
