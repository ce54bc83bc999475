"""Stream protocols over sessions; see `txengineio.integrations.streams`."""

from __future__ import annotations

from txengineio.integrations.streams.endpoints import (
    EngineIOClientEndpoint,
    EngineIOServerEndpoint,
)
from txengineio.integrations.streams.factory import StreamFactory

__all__ = ["EngineIOClientEndpoint", "EngineIOServerEndpoint", "StreamFactory"]
