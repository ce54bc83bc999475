"""What the proxy has passed on, by its log: by which nodes a session has gone.

Of a poll or POST that came to nothing it does not always say so: where it has used a
connection to the server again and that ends, it ends the client's, and logs nothing.
"""

from __future__ import annotations

import http
import re
from collections import defaultdict
from collections.abc import Iterable

__all__ = ["LOG_FORMAT", "ProxyLog"]

LOG_FORMAT = '"%s %ST %HU"'
"""Of HAProxy: the server, the status, and the target."""

_LINE = re.compile(r"(\S+) (\d{3}) \S*[?&]sid=([^&\s]+)")


class ProxyLog:
    """Such a log.

    Args:
        lines: Its lines, and perhaps others between them.

    Attributes:
        websockets: By the id of a session that was open before: the servers to which a
            WebSocket of it has gone.
        refusals: The same of the servers by which a request of it was refused.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.websockets: defaultdict[str, set[str]] = defaultdict(set)
        self.refusals: defaultdict[str, set[str]] = defaultdict(set)
        for line in lines:
            if found := _LINE.match(line):
                status = int(found[2])
                if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                    self.websockets[found[3]].add(found[1])
                elif status >= http.HTTPStatus.BAD_REQUEST:
                    self.refusals[found[3]].add(found[1])
