"""The numbers of messages: what is lost on the way shows as a gap.

Messages for all are numbered, and those for each other node by themselves. The frames
of the membership itself tell the number of the last message before them, so that the
loss of that one shows, too. Who hears a node for the first time cannot know how many of
its messages for all were before; but the first one for this node is number 1.
"""

from __future__ import annotations

from txengineio.cluster.redis.frames import Frame

__all__ = ["Numbers"]


class Numbers:
    """The numbers of the messages that this node sends, and of those that it hears.

    What it has of a node that has died stays: perhaps it has only been silent.

    Attributes:
        to_all: The number of the last message for all.
    """

    def __init__(self) -> None:
        self.to_all = 0
        # By the node: which start of it, and the last number.
        self._to_one: dict[str, tuple[bytes, int]] = {}
        # By the sender, and whether it was for all.
        self._heard: dict[tuple[str, bool], tuple[bytes, int]] = {}

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

    def lost_before(self, frame: Frame, is_for_all: bool) -> int | None:
        """Say how many messages of its sender were lost before a frame.

        Returns:
            Their number; None if the frame, or a later one, was heard before.
        """
        before = frame.number - (frame.own is None)
        key = frame.sender, is_for_all
        first = before if is_for_all else 0
        incarnation, number = self._heard.get(key, (frame.incarnation, first))
        if incarnation != frame.incarnation:
            number = first
        if before < number:
            return None
        self._heard[key] = frame.incarnation, frame.number
        return before - number

    def forget(self, name: str) -> None:
        """Forget a node that has left."""
        self._to_one.pop(name, None)
        for is_for_all in (True, False):
            self._heard.pop((name, is_for_all), None)
