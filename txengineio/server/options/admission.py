"""What ``allow_request`` returns for a client that it lets in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Admit"]

UserT = TypeVar("UserT")


@dataclass(frozen=True, slots=True)
class Admit(Generic[UserT]):
    """Lets a client in, and says who it is: return it from ``allow_request``.

    A type of its own, as a ``str`` from ``allow_request`` refuses, and so does
    everything else that is neither this nor True: a check that returns something by
    mistake, such as an answer of an authentication service, lets nobody in.

    Attributes:
        user: Any value that describes the user: a name, a row of a table, an object. It
            becomes `Session.user`.
    """

    user: UserT
