"""The end of a node that has requests for others' sessions: these come to theirs first.

A session does not end with a node that is not its own. Its parked poll is answered with
nothing, and the client told to come by another connection, which leads elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from txengineio.cluster.forwarding.forwarder import Forwarder

__all__ = ["RELEASE_TIMEOUT", "release"]

RELEASE_TIMEOUT: Final = 2.0
"""Seconds that a node which leaves gives others to answer what it has forwarded."""

_LOOK_AGAIN: Final = 0.05


async def release(forwarders: Sequence[Forwarder], clock: IReactorTime) -> None:
    """Let requests for others' sessions come to their end, and clients go elsewhere.

    It takes as long as the nodes of the sessions do, up to `RELEASE_TIMEOUT`.

    Args:
        forwarders: What has forwarded them.
        clock: Where time comes from.
    """
    for each in forwarders:
        each.release()
    began = clock.seconds()
    while any(each.is_busy() for each in forwarders):
        if not 0 <= clock.seconds() - began < RELEASE_TIMEOUT:
            return
        await deferLater(clock, _LOOK_AGAIN)
