"""The numbers of frames: what is lost on the way shows, and so does what comes again.

Each frame of a node has a greater serial number than all before it. Messages have a
second number: those for all are counted, and those for each other node by themselves.
The frames of the membership itself tell the number of the last message before them, so
that the loss of that one shows, too. Who hears a node for the first time cannot know
how many of its messages for all were before; but the first one for this node is
number 1.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from txengineio.cluster.broker.frames import INCARNATION, Frame, Seal

__all__ = ["MAX_REMEMBERED", "REMEMBERED", "Heard", "Said"]

REMEMBERED: Final = 3600
"""Seconds for which nodes that are no members any more are remembered."""

MAX_REMEMBERED: Final = 10_000
"""Nodes that are remembered without being members."""


class Said:
    """What this node says: it makes the frames, and numbers them.

    Args:
        seal: Proves who made them.
        name: The name of this node.

    Attributes:
        name: As given.
        incarnation: Which start of this node; empty until `begin`, and after `end`.
        to_all: The number of the last message for all.
    """

    def __init__(self, seal: Seal, name: str) -> None:
        self.name = name
        self.incarnation = b""
        self.to_all = 0
        self._seal = seal
        self._serial = 0
        # By the node: which start of it, and the last number.
        self._to_one: dict[str, tuple[bytes, int]] = {}

    def begin(self, incarnation: bytes) -> None:
        """Be another start of this node: the others know none of its messages."""
        self.incarnation = incarnation
        self.to_all = 0
        self._to_one.clear()

    def end(self) -> None:
        """Be no start of this node any more, as another one has the name."""
        self.incarnation = b""

    def encode(self, channel: bytes, kind: bytes, number: int, payload: bytes) -> bytes:
        """Return the next frame.

        Args:
            channel: What it is published on, or asked for by.
            kind: What it is.
            number: The number of the message, or of the last one before.
            payload: The rest.
        """
        self._serial += 1
        frame = Frame(
            kind=kind,
            sender=self.name,
            incarnation=self.incarnation or bytes(INCARNATION),
            serial=self._serial,
            number=number,
            payload=payload,
        )
        return self._seal.encode(channel, frame)

    def next_to_all(self) -> int:
        """Return the number of the next message for all."""
        self.to_all += 1
        return self.to_all

    def to_one(self, name: str, incarnation: bytes) -> int:
        """Return the number of the last message for one start of a node, or 0."""
        known, number = self._to_one.get(name, (incarnation, 0))
        return number if known == incarnation else 0

    def next_to_one(self, name: str, incarnation: bytes) -> int:
        """Return the number of the next message for one start of a node, from 1."""
        number = self.to_one(name, incarnation) + 1
        self._to_one[name] = incarnation, number
        return number

    def forget(self, name: str) -> None:
        """Forget what a node was told."""
        self._to_one.pop(name, None)


@dataclass(slots=True, eq=False)
class _Last:
    """The newest start of a node, and the last numbers that were heard of it."""

    incarnation: bytes
    serial: int
    to_all: int | None = None
    to_me: int = 0
    absent: int = 0


class Heard:
    """What was heard of each other node, so that nothing of it counts twice.

    What it has of a node stays when that is no member any more: perhaps the node has
    only been silent, and somebody may publish again what it has said.
    """

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}

    def is_new(self, frame: Frame) -> bool:
        """Note a frame; say whether it is newer than all that were heard before.

        One of an earlier start of its node never is: starts sort by their time.
        """
        last = self._last.get(frame.sender)
        if last is None or frame.incarnation > last.incarnation:
            self._last[frame.sender] = _Last(frame.incarnation, frame.serial)
            return True
        if frame.incarnation < last.incarnation or frame.serial <= last.serial:
            return False
        last.serial = frame.serial
        return True

    def lost_before(self, frame: Frame, is_for_all: bool) -> int | None:
        """Say how many messages of its sender were lost before a frame.

        Returns:
            Their number; None if the frame is not new.
        """
        if not self.is_new(frame):
            return None
        last = self._last[frame.sender]
        before = frame.number - (frame.own is None)
        if is_for_all:
            known = before if last.to_all is None else last.to_all
            last.to_all = frame.number
        else:
            known, last.to_me = last.to_me, frame.number
        return before - known

    def forget(self, members: Container[str], seconds: int) -> list[str]:
        """Forget those that have been no members for long.

        Args:
            members: The names of those that are members.
            seconds: The time since the last call.

        Returns:
            The names of the forgotten.
        """
        absent = []
        for name, last in self._last.items():
            last.absent = 0 if name in members else last.absent + seconds
            if last.absent:
                absent.append(name)
        absent.sort(key=lambda name: self._last[name].absent)
        kept = [each for each in absent if self._last[each].absent < REMEMBERED]
        gone = absent[len(kept[:MAX_REMEMBERED]) :]
        for name in gone:
            del self._last[name]
        return gone
