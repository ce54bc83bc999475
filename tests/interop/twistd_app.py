"""The application of the tests for ``twistd engineio --app``.

Each session that has opened or ended leaves a line in the file that ``SESSIONS`` in the
environment names, if there is one: ``opened`` or ``ended``, and its id.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - the one that twistd has chosen
from twisted.python.failure import Failure
from typing_extensions import override

from tests.interop.application import Commands, CommandsFactory
from txengineio.application import factory_of

__all__ = ["APPLICATION", "COUNTED"]

APPLICATION = CommandsFactory(reactor)


class Counted(Commands):
    """Writes down when it begins and ends."""

    def __init__(self) -> None:
        super().__init__(reactor, {})

    @override
    def connectionMade(self) -> None:
        note("opened", self.session.id)
        super().connectionMade()

    @override
    def connectionLost(self, reason: Failure | None = None) -> None:
        note("ended", self.session.id)


def note(what: str, sid: Any) -> None:
    # One write: the lines of all workers stay whole.
    file = os.open(os.environ["SESSIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{what} {sid}\n".encode())
    os.close(file)


COUNTED = factory_of(Counted)
