"""The Crossbar.io resources, under their public name.

They live in `txengineio.integrations.crossbar`.
"""

from __future__ import annotations

from txengineio.integrations.crossbar import (
    STOP_TIMEOUT,
    EngineIOResource,
    EngineIORootResource,
)

__all__ = ["STOP_TIMEOUT", "EngineIOResource", "EngineIORootResource"]
