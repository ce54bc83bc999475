"""The private or undocumented names of ``twisted.web``'s client that are used here.

Each name has a canary in ``tests/client/http/test_twisted_names.py``, which says what
stops working without it.

===============================  ==================================================
``twisted.web._newclient``       the class of its connections, in Twisted 26.10
``HTTP11ClientProtocol.state``   ``"QUIESCENT"`` while a connection has no request
what it calls on a request       ``persistent``, ``writeTo``, ``stopWriting``
===============================  ==================================================
"""

from __future__ import annotations

from twisted.web._newclient import HTTP11ClientProtocol

__all__ = ["TwistedConnection"]

_QUIESCENT = "QUIESCENT"


class TwistedConnection(HTTP11ClientProtocol):
    """Twisted's connection with a server; it carries one request at a time."""

    @property
    def is_quiescent(self) -> bool:
        """Whether no request is under way, and the connection is not lost."""
        return bool(self.state == _QUIESCENT)
