"""The messages between the supervisor and its workers, in lines.

A line is a word, followed by a value in JSON if the word has one. The supervisor sends
orders, a worker sends reports; each has a pipe of its own, whose end means that the
other side is gone.

==============  ===========================  ===========================================
order           value                        meaning
==============  ===========================  ===========================================
``assignment``  fields of `Assignment`       the first line: what the worker is
``restarts``    starts again, by slot        they have changed
``stand_in``    numbers of slots             accept for them, and for no other slots
                                             beside your own
``retire``      name of the successor        its listening socket is that one's now;
                                             drain, then end
``stop``        none                         drain while it listens; say so; wait for
                                             the end of the orders, and end
``abort``       none                         drop everything and end
==============  ===========================  ===========================================

At the end of its orders a worker drains, if it has not done so, and ends.

==============  ===========================  ===========================================
report          value                        meaning
==============  ===========================  ===========================================
``ready``       none                         it listens, and knows the others
``failed``      text                         it cannot start, and why
``alive``       none                         its reactor turns
``drained``     none                         its sessions have ended, after ``stop``
``log``         event, as Twisted writes it  something for the log
==============  ===========================  ===========================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "ORDERS",
    "REPORTS",
    "Assignment",
    "Lines",
    "Order",
    "Report",
    "WorkerSettings",
    "line_of",
    "message_in",
]

REPORTS: Final = 3
"""The descriptor that a worker reports by."""

ORDERS: Final = 4
"""The descriptor that a worker hears orders from."""


class Order(StrEnum):
    """What the supervisor tells a worker."""

    ASSIGNMENT = "assignment"
    RESTARTS = "restarts"
    STAND_IN = "stand_in"
    RETIRE = "retire"
    STOP = "stop"
    ABORT = "abort"


class Report(StrEnum):
    """What a worker tells the supervisor."""

    READY = "ready"
    FAILED = "failed"
    ALIVE = "alive"
    DRAINED = "drained"
    LOG = "log"


@dataclass(slots=True, kw_only=True)
class WorkerSettings:
    """What a worker is among the workers of one supervisor.

    Attributes:
        slot: Its place, from 0; the process that takes its place has the same.
        workers: How many slots there are.
        node: The name that the ids of its sessions begin with. No two processes of one
            supervisor have the same, whichever slot they have.
        directory: Where the nodes find each other (``--node-directory``).
        restarts: How often each slot has got another process because one had ended by
            itself, by slot. The supervisor keeps it up to date.
    """

    slot: int
    workers: int
    node: str
    directory: str
    restarts: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Assignment:
    """The first order that a worker gets.

    Attributes:
        settings: What it is among the others.
        command: The class of the command line, as ``module:name``.
        arguments: The command line, without what is before the command.
        sockets: The descriptors of the listening sockets that it inherits: for each
            place, in the order in which its endpoints listen, those of all slots, or
            the one that all have.
        reactor: The module of the reactor, which has an ``install``.
        path: Where modules are looked for, as in the supervisor.
        folder: The current directory, once everything is loaded.
        timeout: Seconds without a report after which the supervisor ends it.
    """

    settings: WorkerSettings
    command: str
    arguments: list[str]
    sockets: list[list[int]]
    reactor: str
    path: list[str]
    folder: str
    timeout: float

    def to_value(self) -> dict[str, Any]:
        """Return a value from which `from_value` makes an equal object."""
        return asdict(self)

    @classmethod
    def from_value(cls, value: dict[str, Any]) -> Assignment:
        """Make one from the value of an order."""
        settings = WorkerSettings(**value["settings"])
        return cls(**{**value, "settings": settings})


def line_of(word: Order | Report, value: Any = None) -> bytes:
    """Return the line of a word and its value."""
    rest = "" if value is None else f" {json.dumps(value)}"
    return f"{word}{rest}\n".encode()


def message_in(line: bytes) -> tuple[str, str]:
    """Return the word of a line, and the JSON behind it."""
    word, _, value = line.decode().partition(" ")
    return word, value


class Lines:
    """Puts lines together from the bytes that are read from a pipe."""

    def __init__(self) -> None:
        self._begun = b""

    def received(self, data: bytes) -> Iterator[bytes]:
        """Yield each line that is whole now, without its end."""
        *whole, self._begun = (self._begun + data).split(b"\n")
        yield from whole

    def rest(self) -> bytes:
        """Return the line that was begun and has not been ended."""
        return self._begun
