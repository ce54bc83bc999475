"""How two nodes prove to each other that they know the secret, before anything else.

It does no I/O: each side is fed with what comes, and says what to send. The caller is
the side that has connected.

==========  ====================================================================
from        what
==========  ====================================================================
caller      the protocol's name (8 bytes), a nonce (32); lengths (1) and names of
            itself and of the node that it wants
answerer    one byte of `Verdict`; then, unless that refuses, a nonce (32) and
            its proof (32)
caller      its proof (32), and behind it what the connection is for
==========  ====================================================================

A proof is the HMAC-SHA256, by the secret, of the side that proves, the cluster's name,
both names, both nonces, and the *binding*: the fingerprint of the answerer's
certificate where the connection is one of TLS. So neither a proof of another connection
is of use, nor one that somebody in between passes on: the caller has seen another
certificate then.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, unique
from hashlib import sha256
from secrets import token_bytes
from typing import Final

__all__ = [
    "MAX_HELLO",
    "Answerer",
    "Caller",
    "Credentials",
    "NotProven",
    "Verdict",
]

_PROTOCOL: Final = b"EIOlink1"
_NONCE: Final = 32
_PROOF: Final = sha256().digest_size
_NAMES_AT: Final = len(_PROTOCOL) + _NONCE
_MAX_NAME: Final = 12

MAX_HELLO: Final = _NAMES_AT + 2 * (1 + _MAX_NAME)
"""Bytes that a caller may send before it has got an answer."""


class NotProven(Exception):
    """The other side is no node of this cluster; the text says why."""


@unique
class Verdict(Enum):
    """What the answerer says to a caller."""

    WELCOME = b"+"
    UNKNOWN = b"?"
    """There is no such node here, or no more."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What both sides know.

    Attributes:
        cluster: The name of the cluster.
        secret: The secret; empty where no other machine can connect.
    """

    cluster: str
    secret: bytes = field(repr=False)

    def proof(self, side: bytes, *said: bytes) -> bytes:
        """Return the proof of a side that it has heard the same as the other one."""
        parts = (side, self.cluster.encode(), *said)
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self.secret, text, sha256)


_CALLER: Final = b"caller"
_ANSWERER: Final = b"answerer"


class _Side:
    """What both sides have in common."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._nonce = token_bytes(_NONCE)
        self._kept = b""
        self._expected = b""

    def _prove(self, *said: bytes) -> tuple[bytes, bytes]:
        """Return the proofs of the caller and of the answerer."""
        proof = self._credentials.proof
        return proof(_CALLER, *said), proof(_ANSWERER, *said)

    def _check(self, proof: bytes) -> None:
        if not hmac.compare_digest(proof, self._expected):
            raise NotProven("it does not know the secret of this cluster")


class Caller(_Side):
    """The side that has connected.

    Args:
        credentials: What both sides know.
        own: The name of this node.
        wanted: The name of the node that it wants.
    """

    def __init__(self, credentials: Credentials, own: str, wanted: str) -> None:
        super().__init__(credentials)
        self._own = own.encode("ascii")
        self._wanted = wanted.encode("ascii")

    def hello(self) -> bytes:
        """Return what is sent first."""
        names = b"".join(
            len(name).to_bytes(1, "big") + name for name in (self._own, self._wanted)
        )
        return _PROTOCOL + self._nonce + names

    def receive(self, data: bytes, binding: bytes) -> bytes | Verdict | None:
        """Take what the answerer has sent.

        Args:
            data: What has come.
            binding: The fingerprint of the certificate that the answerer has shown.

        Returns:
            The proof to send, after which all is said; the verdict if it refuses; None
            if more has to come.

        Raises:
            NotProven: The other side is no node of this cluster.
        """
        self._kept += data
        if self._kept[:1] == Verdict.UNKNOWN.value:
            return Verdict.UNKNOWN
        if self._kept[:1] not in (b"", Verdict.WELCOME.value):
            raise NotProven("it does not answer as a node does")
        if len(self._kept) < 1 + _NONCE + _PROOF:
            return None
        if len(self._kept) > 1 + _NONCE + _PROOF:
            raise NotProven("it has answered more than a node does")
        nonce, proof = self._kept[1 : 1 + _NONCE], self._kept[1 + _NONCE :]
        own, self._expected = self._prove(
            self._own, self._wanted, self._nonce, nonce, binding
        )
        self._check(proof)
        return own


class Answerer(_Side):
    """The side that was connected to.

    Args:
        credentials: What both sides know.
        is_here: Tells whether a node can be reached here, by its name.

    Attributes:
        caller: The name of the other node; believed when `receive` has returned True.
        wanted: The name of the node that it wants.
    """

    def __init__(
        self, credentials: Credentials, is_here: Callable[[str], bool]
    ) -> None:
        super().__init__(credentials)
        self.caller = ""
        self.wanted = ""
        self._is_here = is_here
        self._has_answered = False

    @property
    def rest(self) -> bytes:
        """What came after the proof."""
        return self._kept

    def receive(self, data: bytes, binding: bytes) -> bytes | Verdict | bool:
        """Take what the caller has sent.

        Args:
            data: What has come.
            binding: The fingerprint of the certificate that this side has shown.

        Returns:
            What to send, if that is not empty; a verdict to send, and nothing after it;
            True once the caller has proven what it is, False while it has not.

        Raises:
            NotProven: The other side is no node of this cluster.
        """
        self._kept += data
        if self._has_answered:
            if len(self._kept) < _PROOF:
                return False
            proof, self._kept = self._kept[:_PROOF], self._kept[_PROOF:]
            self._check(proof)
            return True
        if not _PROTOCOL.startswith(self._kept[: len(_PROTOCOL)]):
            raise NotProven("it does not greet as a node does")
        names = _names_in(self._kept)
        if names is None:
            return False
        self.caller, self.wanted = (name.decode("ascii") for name in names)
        if not self._is_here(self.wanted):
            return Verdict.UNKNOWN
        nonce = self._kept[len(_PROTOCOL) : _NAMES_AT]
        self._kept, self._has_answered = b"", True
        self._expected, own = self._prove(*names, nonce, self._nonce, binding)
        return Verdict.WELCOME.value + self._nonce + own


def _names_in(hello: bytes) -> list[bytes] | None:
    """Return both names of a greeting; None if it is not complete.

    Raises:
        NotProven: These are no names.
    """
    names: list[bytes] = []
    at = _NAMES_AT
    for _ in range(2):
        if len(hello) <= at:
            return None
        length = hello[at]
        if not 0 < length <= _MAX_NAME:
            raise NotProven(f"it has a name of {length} bytes")
        name = hello[at + 1 : at + 1 + length]
        if len(name) < length:
            return None
        if not (name.isalnum() and name.isascii()):
            raise NotProven("it has a name that no node has")
        names.append(name)
        at += 1 + length
    if len(hello) > at:
        raise NotProven("it has said more before it got an answer")
    return names
