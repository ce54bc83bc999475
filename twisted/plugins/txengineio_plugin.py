"""Makes ``twistd engineio`` and ``twistd socketio`` known to Twisted.

Twisted finds this file by its folder: ``twisted`` and ``twisted/plugins`` must never
get an ``__init__.py`` here.
"""

import gc
import sys
from typing import Any

from twisted.application.service import ServiceMaker
from typing_extensions import override

__all__ = ["engineio", "socketio"]


class _EngineIOMaker(ServiceMaker):
    """Loads its modules while the garbage collector rests.

    Modules stay for good, and next to nothing of what loads them is garbage. To look
    through all that is there for each few that come would take a sixth of the start.
    """

    @property
    @override
    def options(self) -> Any:
        if self.module in sys.modules or not gc.isenabled():
            return super().options
        gc.disable()
        try:
            return super().options
        finally:
            # Else all of it would be looked at now. PyPy has another collector.
            if hasattr(gc, "freeze"):
                gc.freeze()
            gc.enable()


engineio = _EngineIOMaker(
    "engineio",
    "txengineio.service",
    "An Engine.IO server: HTTP long-polling, upgraded to WebSocket.",
    "engineio",
)

socketio = _EngineIOMaker(
    "socketio",
    "txengineio.twistd.socketio_options",
    "A Socket.IO server, by python-socketio: rooms, acknowledgements, namespaces.",
    "socketio",
)
