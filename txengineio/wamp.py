"""The bridge to WAMP, under its public name; see `txengineio.integrations.wamp`."""

from __future__ import annotations

from txengineio.integrations.wamp import (
    DEFAULT_PREFIX,
    DEFAULT_QUEUE_LIMIT,
    WampBridge,
)

__all__ = ["DEFAULT_PREFIX", "DEFAULT_QUEUE_LIMIT", "WampBridge"]
