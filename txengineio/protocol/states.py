"""The states of a session and of an upgrade, and what each packet does in them.

Rules:

1. Every transition and every decision about the type of a packet is an entry in one of
   the three tables of this module. The code that runs a session looks the answer up and
   acts; it never decides on its own whether a packet is allowed.
2. This module does not know how an answer is carried out: no data, no clock, no
   transport. Time-outs and lost connections come in as inputs.

Theory:

A *session* is born OPENING, is OPEN while it carries messages, CLOSING while what was
sent before ``close()`` still has to leave, and CLOSED for good. Packets count only
while it is OPEN, with one exception: the peer may say goodbye to a CLOSING session.

An OPEN session meets each packet with the action that ``PACKET_ACTIONS`` names for its
role and its protocol revision. The revisions differ in who sends heartbeats: the server
in revision 4, the client in revision 3. A ping from the other side, or a pong to a ping
that nobody may have sent, breaks the protocol and ends the session. Client and server
see the same heartbeat from its two ends, so each table is the mirror of another.

An *upgrade* tests a second transport while the first one goes on working. The client
sends ``2probe``, the server answers ``3probe``; now the client lets its pending poll
come to an end, so that no packet is caught between the transports, then sends ``5``,
and both sides switch. Anything else on the probed transport cancels the attempt: that
transport is closed, the session stays where it is, and another attempt may be made. A
server takes ``5`` without a probe as well, as the reference implementation does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from typing import Final

from txengineio.errors import LocalProtocolError
from txengineio.protocol.packets import PROBE, PacketData, PacketType

__all__ = [
    "PACKET_ACTIONS",
    "PROBE_ACTIONS",
    "READY_TRANSITIONS",
    "PacketAction",
    "ProbeAction",
    "ProbeInput",
    "ProbeState",
    "ReadyState",
    "Role",
    "SessionInput",
    "next_ready_state",
    "probe_input",
    "probe_step",
]


# Members of these enums are keys of tables. By default Python hashes their names, by a
# method that is not native.


@unique
class Role(Enum):
    """Which end of a session this is."""

    __hash__ = object.__hash__

    SERVER = "server"
    CLIENT = "client"


@unique
class ReadyState(Enum):
    """How far a session is; the value is Engine.IO's name."""

    __hash__ = object.__hash__

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


@unique
class SessionInput(Enum):
    """What moves a session from one state to the next."""

    __hash__ = object.__hash__

    OPENED = "opened"
    """The open packet was sent (server) or received (client)."""
    CLOSE_CALLED = "close called"
    """This side wants to end the session, but something is left to do before."""
    ENDED = "ended"
    """The session is over, for whatever reason."""


READY_TRANSITIONS: Final[Mapping[ReadyState, Mapping[SessionInput, ReadyState]]] = {
    ReadyState.OPENING: {
        SessionInput.OPENED: ReadyState.OPEN,
        SessionInput.CLOSE_CALLED: ReadyState.CLOSING,
        SessionInput.ENDED: ReadyState.CLOSED,
    },
    ReadyState.OPEN: {
        SessionInput.CLOSE_CALLED: ReadyState.CLOSING,
        SessionInput.ENDED: ReadyState.CLOSED,
    },
    ReadyState.CLOSING: {
        # Closing twice is allowed, and changes nothing.
        SessionInput.CLOSE_CALLED: ReadyState.CLOSING,
        SessionInput.ENDED: ReadyState.CLOSED,
    },
    ReadyState.CLOSED: {
        SessionInput.CLOSE_CALLED: ReadyState.CLOSED,
    },
}
"""state -> input -> next state; what is not listed must not happen."""


def next_ready_state(state: ReadyState, event: SessionInput) -> ReadyState:
    """Return the state that follows.

    Raises:
        LocalProtocolError: The input must not happen in this state.
    """
    try:
        return READY_TRANSITIONS[state][event]
    except KeyError:
        raise LocalProtocolError(
            f"a session that is {state.value} cannot take {event.value!r}"
        ) from None


@unique
class PacketAction(Enum):
    """What an open session does with a packet."""

    __hash__ = object.__hash__

    DELIVER = "deliver"
    """Hand the data to the application."""
    HEARTBEAT = "heartbeat"
    """The peer answered our ping: it is alive."""
    ANSWER_PING = "answer ping"
    """The peer pings: it is alive, and wants a pong."""
    PEER_CLOSED = "peer closed"
    """End the session; the peer has."""
    IGNORE = "ignore"
    """Do nothing; the packet was meant for the transport, or has no meaning here."""
    WRONG_DIRECTION = "wrong direction"
    """End the session; the peer sent a heartbeat that the other side must send."""


def _packet_actions(
    *, ping: PacketAction, pong: PacketAction
) -> Mapping[PacketType, PacketAction]:
    return {
        PacketType.OPEN: PacketAction.IGNORE,
        PacketType.CLOSE: PacketAction.PEER_CLOSED,
        PacketType.PING: ping,
        PacketType.PONG: pong,
        PacketType.MESSAGE: PacketAction.DELIVER,
        PacketType.UPGRADE: PacketAction.IGNORE,
        PacketType.NOOP: PacketAction.IGNORE,
    }


_SENDS_PINGS: Final = _packet_actions(
    ping=PacketAction.WRONG_DIRECTION, pong=PacketAction.HEARTBEAT
)
_ANSWERS_PINGS: Final = _packet_actions(
    ping=PacketAction.ANSWER_PING, pong=PacketAction.WRONG_DIRECTION
)

PACKET_ACTIONS: Final[Mapping[tuple[Role, int], Mapping[PacketType, PacketAction]]] = {
    (Role.SERVER, 4): _SENDS_PINGS,
    (Role.CLIENT, 4): _ANSWERS_PINGS,
    (Role.SERVER, 3): _ANSWERS_PINGS,
    (Role.CLIENT, 3): _SENDS_PINGS,
}
"""(role, protocol revision) -> type of packet -> what an open session does with it.

A session looks its own row up once, and keeps it.
"""


@unique
class ProbeState(Enum):
    """How far an upgrade is."""

    __hash__ = object.__hash__

    OPENED = "opened"
    """The second transport is there; a client has sent its probe."""
    PROBED = "probed"
    """The probe was answered; packets still use the first transport."""
    DONE = "done"
    """The session uses the second transport, and its packets are the session's."""
    FAILED = "failed"
    """The attempt is over, the session stays with its first transport."""


@unique
class ProbeInput(Enum):
    """What can happen during an upgrade."""

    __hash__ = object.__hash__

    PROBE_PING = "probe ping"
    PROBE_PONG = "probe pong"
    UPGRADE = "upgrade"
    OTHER_PACKET = "other packet"
    """Any other packet, and anything that is not a packet."""
    POLLING_PAUSED = "polling paused"
    """Client: no poll is pending any more, and no new one will start."""
    ABORTED = "aborted"
    """The time is over, the second transport was lost, or the session has ended."""


@unique
class ProbeAction(Enum):
    """What to do about an upgrade."""

    ANSWER_PROBE = "answer probe"
    """Server: send ``3probe`` and make sure that pending polls end."""
    PAUSE_POLLING = "pause polling"
    """Client: start no new poll; POLLING_PAUSED follows when none is pending."""
    COMPLETE = "complete"
    """Switch to the second transport; a client sends ``5`` there first."""
    CANCEL = "cancel"
    """Close the second transport; a client takes up polling again."""
    IGNORE = "ignore"
    """Do nothing; the packet was on its way when the attempt failed."""


_ProbeStep = tuple[ProbeAction, ProbeState]
_CANCELLED: Final[_ProbeStep] = (ProbeAction.CANCEL, ProbeState.FAILED)
_COMPLETED: Final[_ProbeStep] = (ProbeAction.COMPLETE, ProbeState.DONE)
_SERVER_ROW: Final[Mapping[ProbeInput, _ProbeStep]] = {
    ProbeInput.PROBE_PING: (ProbeAction.ANSWER_PROBE, ProbeState.PROBED),
    ProbeInput.UPGRADE: _COMPLETED,
}
_FAILED_ROW: Final[Mapping[ProbeInput, _ProbeStep]] = dict.fromkeys(
    ProbeInput, (ProbeAction.IGNORE, ProbeState.FAILED)
)

PROBE_ACTIONS: Final[
    Mapping[Role, Mapping[ProbeState, Mapping[ProbeInput, _ProbeStep]]]
] = {
    Role.SERVER: {
        ProbeState.OPENED: _SERVER_ROW,
        # A second probe is answered like the first.
        ProbeState.PROBED: _SERVER_ROW,
        ProbeState.FAILED: _FAILED_ROW,
    },
    Role.CLIENT: {
        ProbeState.OPENED: {
            ProbeInput.PROBE_PONG: (ProbeAction.PAUSE_POLLING, ProbeState.PROBED),
        },
        ProbeState.PROBED: {
            ProbeInput.POLLING_PAUSED: _COMPLETED,
        },
        ProbeState.FAILED: _FAILED_ROW,
    },
}
"""role -> state of the upgrade -> input -> what to do and the next state.

An input that a row does not list cancels the attempt. DONE has no row: from there on
all packets are the session's, and none may get here.
"""

_PROBE_INPUTS: Final[Mapping[tuple[PacketType, PacketData], ProbeInput]] = {
    (PacketType.PING, PROBE): ProbeInput.PROBE_PING,
    (PacketType.PONG, PROBE): ProbeInput.PROBE_PONG,
}


def probe_input(packet_type: PacketType, data: PacketData) -> ProbeInput:
    """Return what a packet on the second transport means for the upgrade."""
    if packet_type is PacketType.UPGRADE:
        return ProbeInput.UPGRADE
    return _PROBE_INPUTS.get((packet_type, data), ProbeInput.OTHER_PACKET)


def probe_step(role: Role, state: ProbeState, event: ProbeInput) -> _ProbeStep:
    """Return what to do about an input, and the state of the upgrade afterwards.

    Raises:
        LocalProtocolError: The upgrade is done; the session should have been asked.
    """
    row = PROBE_ACTIONS[role].get(state)
    if row is None:
        raise LocalProtocolError(
            f"an upgrade that is {state.value} cannot take {event.value!r}"
        )
    return row.get(event, _CANCELLED)
