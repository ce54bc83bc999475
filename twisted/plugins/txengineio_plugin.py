"""Makes ``twistd engineio`` known to Twisted.

Twisted finds this file by its folder: ``twisted`` and ``twisted/plugins`` must never
get an ``__init__.py`` here.
"""

from twisted.application.service import ServiceMaker

__all__ = ["engineio"]

engineio = ServiceMaker(
    "engineio",
    "txengineio.service",
    "An Engine.IO server: HTTP long-polling, upgraded to WebSocket.",
    "engineio",
)
