"""What programs that are no nodes say: messages for all sessions, or for one.

They publish JSON on a channel of its own, which nodes hear only if they are told to:

=============  =========================================================================
``message``    text; or
``binary``     bytes, in base64
``sid``        the session that gets it; without: all sessions of all nodes
``compress``   as for `Session.send`; by default true
=============  =========================================================================

They know no secret of the cluster: Redis decides who may publish on that channel, by
its ACLs.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any, Final

from txengineio.cluster.joined_engine import SEND
from txengineio.cluster.messages import Kind, Order, Outgoing, Question
from txengineio.server.registry import node_of

__all__ = ["read_outside"]

_LONGEST_SID: Final = 0xFFFF
"""Characters of an id that an `Order` can carry."""

_NAMES: Final = {"binary", "compress", "message", "sid"}


def read_outside(node: str, data: bytes) -> tuple[bytes, bytes] | None:
    """Read what a program has published.

    Args:
        node: The name of this node.
        data: What it has published.

    Returns:
        The kind and the payload of a message as other nodes send them; None if it is
        for a session of another node.

    Raises:
        ValueError: It makes no sense.
    """
    try:
        order = json.loads(data)
    except RecursionError as error:
        raise ValueError("too many brackets") from error
    if not isinstance(order, dict) or not order.keys() <= _NAMES:
        raise ValueError(f"expected JSON: an object of {', '.join(sorted(_NAMES))}")
    sid, compress = order.get("sid"), order.get("compress", True)
    if not isinstance(compress, bool):
        raise ValueError("compress must be true or false")
    outgoing = Outgoing(_message(order), compress).encode()
    if sid is None:
        return Kind.BROADCAST.value, outgoing
    if not isinstance(sid, str) or not sid.isascii() or len(sid) > _LONGEST_SID:
        raise ValueError("sid must be the id of a session")
    if node_of(sid) != node:
        return None
    # Nobody is there to hear the answer.
    question = Question(0, SEND, Order(sid, outgoing).encode())
    return Kind.QUESTION.value, question.encode()


def _message(order: dict[str, Any]) -> str | bytes:
    text, binary = order.get("message"), order.get("binary")
    if isinstance(text, str) and binary is None:
        return text
    if isinstance(binary, str) and text is None:
        return b64decode(binary, validate=True)
    raise ValueError("either message or binary must be text")
