"""An application to look into: ``--app tests.interop.inspected:FACTORY``.

It sends nothing back unasked. ``flood N`` gets N messages in one go; ``seen`` gets all
that any session has sent, as JSON.
"""

from __future__ import annotations

import json

from twisted.internet.protocol import Factory
from typing_extensions import override

from txengineio import EngineIOProtocol

SEEN: list[str | bytes] = []


class Inspected(EngineIOProtocol):
    """One session."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        if message == "seen":
            self.session.send(json.dumps([str(each) for each in SEEN]))
        elif isinstance(message, str) and message.startswith("flood "):
            for number in range(1, int(message.removeprefix("flood ")) + 1):
                self.session.send(f"message {number}")
        else:
            SEEN.append(message)


FACTORY = Factory.forProtocol(Inspected)
