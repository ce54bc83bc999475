"""``python -m txengineio connect URL``: a session with a server, from a shell.

Lines of standard input are sent, messages are printed to standard output, progress goes
to standard error. The exit status tells how it went: 0 when the session was closed at
the end of the input, 1 when there was no session, 2 for a wrong command line, 3 when
the session ended before.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from txengineio.application import EngineIOProtocol
from txengineio.client.cli_options import ConnectOptions, Options
from txengineio.client.connect import connect
from txengineio.command_line import WrongCommandLine
from txengineio.errors import ConnectFailed
from txengineio.observing.packet_log import PacketLog

__all__ = ["run"]

_NO_SESSION: Final = 1
_BAD_USAGE: Final = 2
_SESSION_ENDED: Final = 3

_MAX_LINE: Final = 1 << 30


@implementer(IPushProducer)
class _Output:
    """What messages wait for: that standard output is there, and takes more."""

    def __init__(self) -> None:
        self._waiting: Deferred[None] | None = Deferred()

    def when_ready(self) -> Deferred[None] | None:
        """Return what the next message has to wait for; None for nothing."""
        return self._waiting

    def pauseProducing(self) -> None:
        """Let messages wait: whoever reads them takes no more for now."""
        if self._waiting is None:
            self._waiting = Deferred()

    def resumeProducing(self) -> None:
        """Let messages come."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        """Let messages come: nobody reads them any more."""
        self.resumeProducing()


@implementer(IHalfCloseableProtocol)
class _Terminal(LineReceiver):
    """Standard input and output.

    Attributes:
        output: What messages wait for before they are printed.
        finished: Fires at the end of the input.
    """

    delimiter = b"\n"
    MAX_LENGTH = _MAX_LINE

    def __init__(self, line_read: Callable[[bytes], Deferred[Any] | None]) -> None:
        self.output = _Output()
        self.finished: Deferred[None] = Deferred()
        self._closed: Deferred[None] = Deferred()
        self._line_read = line_read

    @override
    def connectionMade(self) -> None:
        self.transport.registerProducer(self.output, True)  # type: ignore[union-attr]
        self.output.resumeProducing()

    @override
    def lineReceived(self, line: bytes) -> None:
        waiting = self._line_read(line)
        if waiting is not None and not waiting.called:
            # The server takes less than the input has.
            self.pauseProducing()
            waiting.addBoth(self._go_on)

    def _go_on(self, _result: object) -> None:
        self.resumeProducing()

    def readConnectionLost(self) -> None:
        """Send a last line without its end; input is over."""
        rest = self.clearLineBuffer()
        if rest:
            self._line_read(rest)
        self.finish()

    def writeConnectionLost(self) -> None:
        """Finish: nobody reads what is printed."""
        self.output.stopProducing()
        self.finish()
        # Without its output, standard input and output never report their end.
        self._close()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.output.stopProducing()
        self.finish()
        self._close()

    def close(self) -> Deferred[None]:
        """Close input and output; fires when all output is written."""
        transport: Any = self.transport
        # Output that was full resumes its producer, in place of closing.
        transport.unregisterProducer()
        transport.loseConnection()
        return self._closed

    def _close(self) -> None:
        if not self._closed.called:
            self._closed.callback(None)

    def finish(self) -> None:
        """Consider the input over."""
        if not self.finished.called:
            self.finished.callback(None)


class _Session(EngineIOProtocol):
    """Prints messages.

    Attributes:
        over: Fires when the session has ended, and its last message is printed.
    """

    def __init__(self, show: Callable[[str | bytes], Deferred[None] | None]) -> None:
        self._show = show
        self.over: Deferred[None] = Deferred()

    @override
    def messageReceived(self, message: str | bytes) -> Deferred[None] | None:
        return self._show(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over.callback(None)


class _Sessions(Factory):
    """Builds the one session's protocol."""

    noisy = False

    def __init__(self, show: Callable[[str | bytes], Deferred[None] | None]) -> None:
        self._show = show

    @override
    def buildProtocol(self, addr: Any) -> Any:
        return _Session(self._show)


class _Command:
    """One run of ``connect``."""

    def __init__(
        self,
        reactor: IReactorTime,
        options: ConnectOptions,
        say: Callable[[str], object],
    ) -> None:
        self._reactor = reactor
        self._options = options
        self._say = say
        self._session: Any = None
        self._terminal = _Terminal(self._send)

    async def run(self, attach: Callable[[LineReceiver], object]) -> int:
        if not self._options["debug-packets"]:
            return await self._run(attach)
        packet_log = PacketLog(("all",), write=self._say)
        packet_log.start()
        try:
            return await self._run(attach)
        finally:
            packet_log.stop()

    async def _run(self, attach: Callable[[LineReceiver], object]) -> int:
        options = self._options
        try:
            protocol: Any = await connect(
                options["url"],
                _Sessions(self._show),
                reactor=self._reactor,
                **options.connect_options(),
            )
        except ConnectFailed as error:
            self._say(f"not connected: {error}")
            return _NO_SESSION
        self._session = session = protocol.session
        self._say(f"connected by {session.transport.name}, session {session.id[:6]}…")
        session.on("upgrade", self._upgraded)
        attach(self._terminal)
        status = await self._talk()
        await protocol.over
        await self._terminal.close()
        return status

    async def _talk(self) -> int:
        ended = self._session.when_closed()
        ended.addCallback(lambda _reason: self._terminal.finish())
        await self._terminal.finished
        if self._session.closed is None:
            await deferLater(self._reactor, self._options["linger"])
        by_itself = self._session.closed is not None
        await self._session.close()
        self._say(f"closed: {self._session.closed}")
        return _SESSION_ENDED if by_itself else 0

    def _upgraded(self, transport: Any) -> None:
        self._say(f"moved to {transport.name}")

    def _send(self, line: bytes) -> Deferred[Any] | None:
        try:
            message = line if self._options["binary"] else line.decode()
        except UnicodeDecodeError as error:
            self._say(f"not sent, this line is no text: {error}")
            return None
        if not self._session.send(message):
            return None
        flushed: Deferred[None] = self._session.when_flushed()
        return flushed.addErrback(lambda _failure: None)

    def _show(self, message: str | bytes) -> Deferred[None] | None:
        ready = self._terminal.output.when_ready()
        if ready is None:
            self._print(message)
            return None
        return ready.addCallback(lambda _: self._print(message))

    def _print(self, message: str | bytes) -> None:
        if isinstance(message, str):
            line = message.encode(errors="replace")
        elif self._options["binary"]:
            line = message
        else:
            line = b"b" + b64encode(message)
        self._terminal.sendLine(line)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(
    reactor: Any,
    arguments: list[str],
    *,
    say: Callable[[str], object] = _say,
    attach: Callable[[LineReceiver], object] | None = None,
) -> Deferred[int]:
    """Do what a command line asks for.

    Args:
        reactor: The reactor.
        arguments: The command line, without the program.
        say: Shows a line of progress, or what is wrong.
        attach: Connects a protocol to standard input and output.

    Returns:
        Fires with the exit status.
    """
    options = Options()
    try:
        options.parseOptions(arguments)
    except WrongCommandLine as error:
        say(str(error))
        return Deferred.fromCoroutine(_bad_usage())
    command = _Command(reactor, options.subOptions, say)
    if attach is None:

        def attach(protocol: LineReceiver) -> object:
            return StandardIO(protocol, reactor=reactor)

    return Deferred.fromCoroutine(command.run(attach))


async def _bad_usage() -> int:
    return _BAD_USAGE
