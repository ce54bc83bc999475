"""The packets of clients, put together and checked: Socket.IO, revision 5."""

from __future__ import annotations

from typing import Any, Final

from socketio import packet

from txengineio.errors import PacketDecodeError

__all__ = ["EVENTS", "MAX_ATTACHMENTS", "next_packet"]

EVENTS: Final = (packet.EVENT, packet.BINARY_EVENT)
"""The types of the packets that are events once they are whole."""

MAX_ATTACHMENTS: Final = 10
"""Attachments that a packet may have, as of Node's servers: all are kept until the last
one is here, and each may be as large as a message."""

_RESERVED: Final = frozenset(
    (
        *("connect", "connect_error", "disconnect", "disconnecting"),
        *("newListener", "removeListener"),
        "*",
    )
)
"""Events that clients do not send: those of Node's servers, and the name under which
python-socketio finds the handler of all others. Its handlers of these are called with
what the server knows of a client, not with what a client says."""

_ACKS: Final = (packet.ACK, packet.BINARY_ACK)
_WITH_ATTACHMENTS: Final = (packet.BINARY_EVENT, packet.BINARY_ACK)
_WITHOUT_VALUES: Final = (packet.CONNECT, packet.DISCONNECT)


Incomplete = dict[str, packet.Packet]


def next_packet(
    server: Any, incomplete: Incomplete, eio_sid: str, message: str | bytes
) -> Any:
    """Take a message of a session: a packet, or an attachment of the one before.

    Args:
        server: Whose client it is.
        incomplete: The server's packets that lack attachments, by ids of sessions.
        eio_sid: The session's id.
        message: What has come.

    Returns:
        The packet that is whole now, with its attachments among its values; None while
        some are missing.

    Raises:
        PacketDecodeError: It is nothing that a client may send.
    """
    try:
        if eio_sid in incomplete:
            return _with_attachment(incomplete, eio_sid, message)
        received = server.packet_class(encoded_packet=message)
    except PacketDecodeError:
        raise
    except Exception as problem:
        # Whatever it is, it comes of what the client has sent.
        raise PacketDecodeError("no packet of Socket.IO") from problem
    if received.packet_type in _WITH_ATTACHMENTS:
        _check_attachments(server, eio_sid, received)
        incomplete[eio_sid] = received
        return None
    return _checked(received)


def _with_attachment(
    incomplete: Incomplete, eio_sid: str, message: str | bytes
) -> packet.Packet | None:
    if isinstance(message, str):
        raise PacketDecodeError("text in the place of an attachment")
    if not incomplete[eio_sid].add_attachment(message):
        return None
    return _checked(incomplete.pop(eio_sid))


def _check_attachments(server: Any, eio_sid: str, received: packet.Packet) -> None:
    if not received.attachment_count:
        raise PacketDecodeError("a binary packet has attachments")
    if received.attachment_count > server.max_attachments:
        raise PacketDecodeError(
            f"{received.attachment_count} attachments, of which a packet may have "
            f"{server.max_attachments} (max_attachments of the server)"
        )
    if not server.manager.sid_from_eio_sid(eio_sid, received.namespace or "/"):
        raise PacketDecodeError("attachments come after a connect")


def _checked(received: packet.Packet) -> packet.Packet:
    values, kind = received.data, received.packet_type
    if kind in EVENTS:
        if not isinstance(values, list) or not values or not isinstance(values[0], str):
            raise PacketDecodeError("an event is a list that begins with its name")
        if values[0] in _RESERVED:
            raise PacketDecodeError(f"clients send no event {values[0]!r}")
    elif kind in _ACKS:
        if not isinstance(values, list):
            raise PacketDecodeError("an acknowledgement is a list")
    elif kind not in _WITHOUT_VALUES:
        raise PacketDecodeError("clients send no such packet")
    return received
