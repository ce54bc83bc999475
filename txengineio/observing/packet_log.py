"""A log of the packets of chosen sessions, to find out what goes wrong.

It listens to the events of these sessions. Other sessions cost nothing extra; without a
log, none do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from twisted.logger import Logger

from txengineio.application import AnySession
from txengineio.checks import check_whole_number
from txengineio.errors import CloseReason, InvalidOption
from txengineio.observing.observers import observe_sessions
from txengineio.protocol.packets import PacketData, PacketType

__all__ = ["MAX_LENGTH", "PacketLog", "check_chosen", "log_packets"]

MAX_LENGTH: Final = 200
"""Characters, or bytes, of a packet that are shown."""

_EVERY: Final = "all"
_ID: Final = "id:"

_EXPECTED: Final = (
    f"{_EVERY!r}, an address, a network such as 10.0.0.0/8, "
    f"or {_ID!r} and the first characters of a session's id"
)

Choice = Callable[[AnySession], bool]


class PacketLog:
    """Logs the packets of chosen sessions, of servers and clients, at the level info.

    Each line has the first six characters of the session's id, which is a credential,
    after the name of its node if that has one, and ``<-`` for what was received or
    ``->`` for what is sent.

    Args:
        chosen: Which sessions: ``all``; an address or a network, of the client for a
            server's session, and of the server for a client's; ``id:`` and the first
            characters of their ids. Several add up.
        max_length: Characters, or bytes, of a packet that are shown.
        write: Takes each line, in place of the log.

    Raises:
        InvalidOption: One of these makes no sense.
    """

    _log = Logger()

    def __init__(
        self,
        chosen: Sequence[str],
        *,
        max_length: int = MAX_LENGTH,
        write: Callable[[str], object] | None = None,
    ) -> None:
        self._choices = [_choice(each) for each in check_chosen(chosen)]
        self._write = write
        self._max_length = check_whole_number("max_length", max_length, 1)
        self._stop: Callable[[], None] | None = None
        self._followed: dict[AnySession, dict[str, Callable[..., None]]] = {}

    def start(self, sessions: Iterable[AnySession] = ()) -> None:
        """Log the packets of chosen sessions from now on.

        Args:
            sessions: Sessions that are open already, of which some may be chosen, too:
                ``engine.sessions.values()``.

        Raises:
            InvalidOption: Some of these are no sessions.
        """
        sessions = tuple(sessions)
        for each in sessions:
            if not callable(getattr(each, "when_closed", None)):
                expected = "sessions, such as engine.sessions.values()"
                raise InvalidOption("sessions", expected, each)
        if self._stop is None:
            self._stop = observe_sessions(self._look_at)
        for session in sessions:
            self._look_at(session)

    def stop(self) -> None:
        """Stop logging."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        for session in tuple(self._followed):
            self._let_go(session)

    def follow(self, session: AnySession) -> None:
        """Log the packets of a session, whether it is among the chosen ones or not."""
        if session in self._followed or session.closed is not None:
            return
        handlers = self._handlers(session)
        self._followed[session] = handlers
        for event, handler in handlers.items():
            session.on(event, handler)
        self._say(
            session,
            f"is open with {session.remote_address or 'a Unix socket'}, "
            f"revision {session.protocol_revision}",
        )

    def _look_at(self, session: AnySession) -> None:
        if any(chooses(session) for chooses in self._choices):
            self.follow(session)

    def _let_go(self, session: AnySession) -> None:
        for event, handler in self._followed.pop(session, {}).items():
            session.off(event, handler)

    def _handlers(self, session: AnySession) -> dict[str, Callable[..., None]]:
        def received(packet_type: PacketType, data: PacketData) -> None:
            self._say(session, f"<- {self._shown(packet_type, data)}")

        def sent(packet_type: PacketType, data: PacketData) -> None:
            self._say(session, f"-> {self._shown(packet_type, data)}")

        def upgrading(_websocket: object) -> None:
            self._say(session, "is about to move")

        def upgraded(_transport: object) -> None:
            self._say(session, "has moved")

        def closed(reason: CloseReason, description: Exception | None) -> None:
            problem = "" if description is None else f": {description}"
            self._say(session, f"is over: {reason.value}{problem}")
            self._let_go(session)

        return {
            "packet": received,
            "packet_create": sent,
            "upgrading": upgrading,
            "upgrade": upgraded,
            "close": closed,
        }

    def _say(self, session: AnySession, happened: str) -> None:
        sid, transport = session.short_id, session.transport.name
        if self._write is not None:
            self._write(f"session {sid}… on {transport} {happened}")
            return
        self._log.info(
            "session {session}… on {transport} {happened}",
            session=sid,
            transport=transport,
            happened=happened,
        )

    def _shown(self, packet_type: PacketType, data: PacketData) -> str:
        name = packet_type.name.lower()
        if not data:
            return name if data is None else f"{name} {data!r}"
        # In Python's notation, which contains no control characters for a terminal.
        shown = ascii(data[: self._max_length])
        if len(data) <= self._max_length:
            return f"{name} {shown}"
        unit = "characters" if isinstance(data, str) else "bytes"
        return f"{name} {shown}… ({len(data)} {unit})"


def log_packets(
    *chosen: str, sessions: Iterable[AnySession] = (), max_length: int = MAX_LENGTH
) -> PacketLog:
    """Log the packets of chosen sessions of this process from now on.

    Args:
        chosen: As for `PacketLog`; all sessions if there is nothing.
        sessions: Sessions that are open already, of which some may be chosen, too.
        max_length: Characters, or bytes, of a packet that are shown.

    Returns:
        The log, which `PacketLog.stop` ends.

    Raises:
        InvalidOption: An argument makes no sense.
    """
    log = PacketLog(chosen or (_EVERY,), max_length=max_length)
    log.start(sessions)
    return log


def check_chosen(chosen: Sequence[str]) -> Sequence[str]:
    """Check the values that sessions are chosen by, and return them.

    Raises:
        InvalidOption: One of them makes no sense.
    """
    if isinstance(chosen, str) or not chosen:
        raise InvalidOption("the sessions", f"a sequence of {_EXPECTED}", chosen)
    for each in chosen:
        _choice(each)
    return chosen


def _choice(text: str) -> Choice:
    if text == _EVERY:
        return lambda _session: True
    if str(text).startswith(_ID) and text != _ID:
        beginning = text.removeprefix(_ID)
        return lambda session: session.id.startswith(beginning)
    try:
        network = ip_network(str(text), strict=False)
    except ValueError as error:
        raise InvalidOption("the sessions", _EXPECTED, text) from error
    return lambda session: _is_with(session, network)


def _is_with(session: AnySession, network: IPv4Network | IPv6Network) -> bool:
    try:
        address = ip_address(session.remote_address or "")
    except ValueError:
        # A server's name, or a Unix socket.
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address) in network
