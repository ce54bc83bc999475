"""The service of an engine, for ``.tac`` files and plugins; and ``twistd engineio``.

It lives in `txengineio.twistd`.
"""

from __future__ import annotations

from txengineio.twistd.options import EchoProtocol, Options, makeService
from txengineio.twistd.service import EngineIOService

__all__ = ["EchoProtocol", "EngineIOService", "Options", "makeService"]
