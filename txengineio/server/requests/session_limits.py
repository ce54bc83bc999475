"""How many clients there may be, from one address and in all, and how fast they come.

Refusing a client costs nothing: it happens before the application is asked or anything
is built.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, IPv6Network
from math import ceil
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from txengineio.errors import Refusal
from txengineio.server.interfaces import ISlot
from txengineio.server.options.limits import Limits
from txengineio.server.options.proxies import parse_address

__all__ = ["LimitExceeded", "SessionLimits", "Slot", "TokenBuckets", "neighbourhood"]

_UNAVAILABLE: Final = 503
_TOO_MANY: Final = 429

_FULL_RETRY: Final = 30
"""Seconds after which to try again where only the end of sessions makes room."""

_LOG_INTERVAL: Final = 10.0
"""Seconds between two lines in the log: a flood must not fill that either."""

_MIN_BUCKETS: Final = 1024

_IPV6_PREFIX: Final = 64


def neighbourhood(host: str | None) -> str | None:
    """Return what counts as one address; None for what has none.

    A host that has one IPv6 address usually has a whole /64.
    """
    address = parse_address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False))
    return host if address is None else str(address)


class LimitExceeded(Refusal):
    """There is no slot for another session.

    Args:
        status: The HTTP status of the answer.
        retry_after: Seconds after which it makes sense to try again.
        problem: Which limit this is about.
    """

    # `SessionLimits` writes the lines in the log, as many as it makes sense to write.
    severity = ""

    def __init__(self, status: int, retry_after: int, problem: str) -> None:
        headers = {"Retry-After": str(retry_after)}
        super().__init__(problem, status=status, headers=headers)


class TokenBuckets:
    """One bucket of tokens for each key; a key without tokens has to wait.

    Args:
        rate: Tokens that come into each bucket in a second.
        burst: Tokens that a bucket has at most.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}
        self._sweep_at = _MIN_BUCKETS

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take a token; return 0, or how long to wait for the next one."""
        tokens = self._tokens(key, now)
        if tokens < 1:
            return (1 - tokens) / self._rate
        self._buckets[key] = tokens - 1, now
        if len(self._buckets) >= self._sweep_at:
            self._sweep(now)
        return 0.0

    def _tokens(self, key: str, now: float) -> float:
        tokens, since = self._buckets.get(key, (self._burst, now))
        # A clock that is set back must not take tokens away.
        return min(tokens + max(now - since, 0) * self._rate, self._burst)

    def _sweep(self, now: float) -> None:
        """Forget the keys whose buckets are full again."""
        for key in [key for key in self._buckets if self._is_full(key, now)]:
            del self._buckets[key]
        self._sweep_at = max(2 * len(self._buckets), _MIN_BUCKETS)

    def _is_full(self, key: str, now: float) -> bool:
        return self._tokens(key, now) >= self._burst


@implementer(ISlot)
class Slot:
    """A slot that one session has, from its handshake to its end.

    Attributes:
        client: The client's address, as far as known.
        sid: The session's id; set when it is known.
        taken: Whether there is a session in it.
    """

    __slots__ = ("_key", "_session_limits", "client", "sid", "taken")

    def __init__(
        self, limits: SessionLimits, client: str | None, key: str | None
    ) -> None:
        self.client = client
        self.sid = ""
        self.taken = False
        self._key = key
        self._session_limits: SessionLimits | None = limits

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *_failure: object) -> None:
        """Make room, unless the slot is taken."""
        if not self.taken:
            self.leave()

    def leave(self) -> None:
        """Make room; once is enough."""
        limits, self._session_limits = self._session_limits, None
        if limits is not None:
            limits.left(self._key)


class SessionLimits:
    """The clients that have a session, or are about to get one.

    Args:
        limits: What is allowed.
        clock: Where time comes from.

    Attributes:
        size: How many they are.
    """

    _log = Logger()

    def __init__(self, limits: Limits, clock: IReactorTime) -> None:
        self.size = 0
        self._limits = limits
        self._clock = clock
        self._by_key: Counter[str] = Counter()
        self._buckets: TokenBuckets | None = None
        if limits.handshakes_per_second is not None:
            self._buckets = TokenBuckets(
                limits.handshakes_per_second, limits.handshake_burst
            )
        # Addresses are counted only where a limit needs them.
        self._knows_addresses = (
            self._buckets is not None or limits.max_sessions_per_address is not None
        )
        self._log_at = 0.0
        self._unlogged = 0

    def enter(self, client: str | None) -> Slot:
        """Give a slot to a client from an address.

        Raises:
            LimitExceeded: There is none.
        """
        limits = self._limits
        if limits.max_sessions is not None and self.size >= limits.max_sessions:
            self._refuse(_UNAVAILABLE, _FULL_RETRY, "max_sessions")
        key = neighbourhood(client) if self._knows_addresses else None
        if key is not None:
            self._check(key)
            self._by_key[key] += 1
        self.size += 1
        return Slot(self, client, key)

    def _check(self, key: str) -> None:
        limit = self._limits.max_sessions_per_address
        if limit is not None and self._by_key[key] >= limit:
            self._refuse(_TOO_MANY, _FULL_RETRY, "max_sessions_per_address", key)
        if self._buckets is not None:
            wait = self._buckets.take(key, self._clock.seconds())
            if wait:
                self._refuse(_TOO_MANY, ceil(wait), "handshakes_per_second", key)

    def left(self, key: str | None) -> None:
        """Count a slot as free again; only the slot calls this."""
        self.size -= 1
        if key is not None:
            self._by_key[key] -= 1
            if not self._by_key[key]:
                del self._by_key[key]

    def _refuse(
        self, status: int, retry_after: int, option: str, key: str | None = None
    ) -> None:
        where = "" if key is None else f" from {key}"
        problem = f"no session{where}: {option}={getattr(self._limits, option)}"
        now = self._clock.seconds()
        if now >= self._log_at or now < self._log_at - _LOG_INTERVAL:
            self._log.warn(
                "{problem} ({others} more were refused since the last such line)",
                problem=problem,
                others=self._unlogged,
            )
            self._log_at, self._unlogged = now + _LOG_INTERVAL, 0
        else:
            self._unlogged += 1
        raise LimitExceeded(status, retry_after, problem)
