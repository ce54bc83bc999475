"""What the proxy has passed on, by its log: by which nodes a session has gone.

Of a poll or POST that came to nothing it does not always say so: where it has used a
connection to the server again and that ends, it ends the client's, and logs nothing.
"""

from __future__ import annotations

import http
import re
from collections import defaultdict
from collections.abc import Iterable

__all__ = ["LOG_FORMAT", "LONG", "ProxyLog"]

LOG_FORMAT = '"%s %ST %Ta %HU"'
"""Of HAProxy: the server, the status, milliseconds, and the target."""

_LINE = re.compile(r"(\S+) (\d{3}) (\d+) \S*[?&]sid=([^&\s]+)")

LONG = 10.0
"""Seconds that no poll takes, as the server pings more often than that."""


class ProxyLog:
    """Such a log.

    Args:
        lines: Its lines, and perhaps others between them.

    Attributes:
        websockets: By the id of a session that was open before: the servers to which a
            WebSocket of it has gone.
        refusals: The same of the servers by which a request of it was refused.
        delays: The same of those by which one took more than `LONG`.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.websockets: defaultdict[str, set[str]] = defaultdict(set)
        self.refusals: defaultdict[str, set[str]] = defaultdict(set)
        self.delays: defaultdict[str, set[str]] = defaultdict(set)
        for line in lines:
            if found := _LINE.match(line):
                self._take(found[4], found[1], int(found[2]), int(found[3]) / 1000)

    def _take(self, sid: str, server: str, status: int, seconds: float) -> None:
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.websockets[sid].add(server)
            return
        if status >= http.HTTPStatus.BAD_REQUEST:
            self.refusals[sid].add(server)
        if seconds > LONG:
            self.delays[sid].add(server)
