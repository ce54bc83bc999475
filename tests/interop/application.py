"""The application of the servers under test: an echo that obeys a few commands.

Everything that a client sends comes back, except text that begins with a command:

======================  ==========================================================
``!close``              the server closes the session
``!count N``            N numbered messages at once: ``n0``, ``n1`` …
``!stream N [upgrade]`` N numbered messages, ``s0`` …, half of them at once and the
                        rest in small groups; with ``upgrade`` the last tenth only
                        after the session was upgraded
``!big N``              a text of N characters; ``!binary N``: N bytes
``!views``              a few buffer views as binary messages
``!transport``          the name of the transport; ``!request``: that of the first
                        request, from its query
``!address``            where the client is, as far as the server knows
``!upgrades``           the upgrade events that the session has emitted
``!heartbeats N``       how many heartbeats were answered, when they are N or more
``!reason SID``         why that other session ended, when it has
``!shutdown``           the server process ends, in good order
``!broadcast N``        N numbered messages to the sessions of all nodes, ``b0`` …
``!send SID TEXT``      a message to a session of any node; and whether it took it
``!close_other SID``    a session of any node is closed; and whether there was one
``!flood SECONDS``      the session is closed, and then 200 MB/s are broadcast
======================  ==========================================================

A session whose first request has a query parameter ``greeting=a,b,c`` is sent these as
it opens, and with ``then=close`` it is closed right after. `node/reference.mjs` does
all this with the reference server.
"""

from __future__ import annotations

from array import array
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio import EngineIOProtocol, SessionClosed
from txengineio.server.session import Session

__all__ = ["CommandsFactory"]

STREAM_PERIOD = 0.005
STREAM_GROUP = 10
FLOOD = 1_000_000


class Commands(EngineIOProtocol[Session]):
    """Echoes messages and obeys commands.

    Args:
        reactor: What paces the streams, and is stopped on demand.
        endings: Why sessions ended, by their ids; shared by all protocols.
    """

    def __init__(self, reactor: Any, endings: dict[str, str]) -> None:
        self._reactor = reactor
        self._endings = endings
        self._events: list[str] = []
        self._heartbeats = 0
        self._wanted_heartbeats: int | None = None

    @override
    def connectionMade(self) -> None:
        self.session.on("heartbeat", self._heartbeat)
        self.session.on("upgrading", self._upgrading)
        self.session.on("upgrade", self._upgraded)
        query = self.session.request.query
        for message in filter(None, query.get("greeting", "").split(",")):
            self.session.send(message)
        if query.get("then") == "close":
            self.session.close()

    @override
    def messageReceived(self, message: str | bytes) -> Any:
        if isinstance(message, str):
            command, *arguments = message.split(" ")
            handler = getattr(self, f"do_{command[1:]}", None)
            if command.startswith("!") and handler is not None:
                return handler(*arguments)
        return self.session.send(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert isinstance(reason.value, SessionClosed)
        self._endings[self.session.id] = reason.value.reason.value

    def _upgrading(self, transport: Any) -> None:
        self._events.append(f"upgrading:{transport.name}")

    def _upgraded(self, transport: Any) -> None:
        current = self.session.transport.name
        self._events.append(f"upgrade:{transport.name}:{current}")

    def _heartbeat(self) -> None:
        self._heartbeats += 1
        self._report_heartbeats()

    def _report_heartbeats(self) -> None:
        wanted = self._wanted_heartbeats
        if wanted is not None and self._heartbeats >= wanted:
            self._wanted_heartbeats = None
            self.session.send(str(self._heartbeats))

    # --- commands -------------------------------------------------------------------

    def do_close(self) -> None:
        self.session.close()

    def do_count(self, count: str) -> None:
        for number in range(int(count)):
            self.session.send(f"n{number}")

    def do_big(self, size: str) -> None:
        self.session.send("0123456789" * (int(size) // 10))

    def do_binary(self, size: str) -> None:
        self.session.send((bytes(range(256)) * (int(size) // 256 + 1))[: int(size)])

    def do_views(self) -> None:
        numbers = array("i", [(i + 100) * 9823 for i in range(5)])
        self.session.send(array("b", range(5)))
        self.session.send(memoryview(numbers))
        self.session.send(numbers.tobytes())
        self.session.send(bytearray(range(5)))

    def do_transport(self) -> None:
        self.session.send(self.session.transport.name)

    def do_request(self) -> None:
        self.session.send(self.session.request.query["transport"])

    def do_address(self) -> None:
        self.session.send(str(self.session.remote_address))

    def do_upgrades(self) -> None:
        self.session.send(" ".join(self._events) or "none")

    def do_heartbeats(self, wanted: str) -> None:
        self._wanted_heartbeats = int(wanted)
        self._report_heartbeats()

    def do_reason(self, sid: str) -> None:
        ending = self._endings.get(sid)
        if ending is not None:
            self.session.send(ending)
            return
        closed = self.session.engine.sessions[sid].when_closed()
        closed.addCallback(lambda reason: self.session.send(reason.value))

    def do_shutdown(self) -> None:
        self._reactor.callLater(0, self._reactor.stop)

    def do_broadcast(self, count: str) -> None:
        for number in range(int(count)):
            self.session.engine.broadcast(f"b{number}")

    async def do_send(self, sid: str, text: str) -> None:
        self.session.send(f"sent {await self.session.engine.send(sid, text)}")

    async def do_close_other(self, sid: str) -> None:
        closed = await self.session.engine.close_session(sid)
        self.session.send(f"closed {closed}")

    def do_flood(self, seconds: str) -> None:
        engine, message = self.session.engine, "x" * FLOOD
        self.session.close(discard=True)
        call = LoopingCall(engine.broadcast, message)
        call.clock = self._reactor
        call.start(FLOOD / 200e6)
        self._reactor.callLater(float(seconds), call.stop)

    def do_stream(self, count: str, condition: str | None = None) -> None:
        _Stream(self.session, int(count), condition).start(self._reactor)


class _Stream:
    """Numbered messages over some time."""

    def __init__(self, session: Any, count: int, condition: str | None) -> None:
        self._session = session
        self._count = count
        self._condition = condition
        self._sent = 0
        self._call = LoopingCall(self._send_group)

    def start(self, clock: IReactorTime) -> None:
        self._send_until(self._count // 2)
        self._call.clock = clock
        done = self._call.start(STREAM_PERIOD, now=False)
        done.addErrback(lambda failure: failure.printTraceback())

    def _send_until(self, ceiling: int) -> None:
        while self._sent < ceiling:
            self._session.send(f"s{self._sent}")
            self._sent += 1

    def _send_group(self) -> None:
        held_back = self._condition == "upgrade" and not self._session.upgraded
        ceiling = self._count * 9 // 10 if held_back else self._count
        self._send_until(min(self._sent + STREAM_GROUP, ceiling))
        if self._sent == self._count or self._session.ready_state.value == "closed":
            self._call.stop()


class CommandsFactory(Factory):
    """Builds the application's protocols, and remembers why sessions ended.

    Args:
        reactor: What paces the streams, and is stopped on demand.
    """

    noisy = False

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._endings: dict[str, str] = {}

    @override
    def buildProtocol(self, addr: IAddress | None) -> Commands:
        protocol = Commands(self._reactor, self._endings)
        protocol.factory = self
        return protocol
