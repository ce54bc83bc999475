"""The application of a soak with workers: it echoes, and writes down what happens.

``twistd engineio --app tests.soak.ledger:Bookkeeper``, with the name of the ledger in
the environment. Each line is in the file before anything is sent, so that it tells of a
process that was killed, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from tests.soak.history import Ledger, Received
from tests.soak.messages import parse_message
from txengineio import EngineIOProtocol, SessionClosed

__all__ = ["APPLICATION", "VARIABLE", "Bookkeeper", "read_ledgers"]

APPLICATION: Final = f"{__name__}:Bookkeeper"
VARIABLE: Final = "TXENGINEIO_LEDGER"

_OPENED: Final = "opened"
_GOT: Final = "got"
_ENDED: Final = "ended"

# All workers append to one file; each line is one write.
_descriptor = (
    os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    if VARIABLE in os.environ
    else -1
)


class Bookkeeper(EngineIOProtocol):
    """Echoes numbered messages."""

    @override
    def connectionMade(self) -> None:
        self._write(_OPENED)

    @override
    def messageReceived(self, message: str | bytes) -> None:
        received = parse_message(message)
        self._write(_GOT, received.client, str(received.number))
        self.session.send(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        closed = reason.value
        assert isinstance(closed, SessionClosed)
        self._write(_ENDED, closed.reason.value)

    def _write(self, *words: str) -> None:
        line = " ".join((self.session.id, *words)) + "\n"
        os.write(_descriptor, line.encode())


def read_ledgers(path: Path) -> dict[str, Ledger]:
    """Return what the application has seen of each session, by ids."""
    ledgers: dict[str, Ledger] = {}
    for line in path.read_text("utf-8").splitlines():
        sid, word, *details = line.split(" ")
        ledger = ledgers.setdefault(sid, Ledger())
        if word == _GOT:
            ledger.received.append(Received(details[0], int(details[1])))
        elif word == _ENDED:
            ledger.ends.append(" ".join(details))
    return ledgers
