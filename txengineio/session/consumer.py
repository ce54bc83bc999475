"""A session as an ``IConsumer``: producers fill it no faster than its peer reads."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IConsumer, IProducer
from typing_extensions import Buffer
from zope.interface import implementer

from txengineio.session.backlog import Flow
from txengineio.session.send_queue import Outgoing

__all__ = ["Consumer"]


@implementer(IConsumer)
class Consumer(Outgoing):
    """The part of a session that tells how fast it can be sent to."""

    __slots__ = ()

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires once the session is ``writable``, perhaps now.

        It fails with `SessionClosed` if the session closes before.
        """
        if self.closed is not None:
            return fail(self.closed)
        return succeed(None) if self.writable else self._flowing().wait()

    def write(self, data: str | Buffer) -> None:
        """Send a message, as ``send`` does; producers call this."""
        self.send(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let a producer produce as long as the session is ``writable``.

        Args:
            producer: Told to stop when the session ends.
            streaming: Whether it is an ``IPushProducer``, which is told to pause and to
                go on; an ``IPullProducer`` is asked again and again.

        Raises:
            RuntimeError: There is another producer.
        """
        if self.closed is None:
            self._flowing().register(producer, streaming)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        if self._flow is not None:
            self._flow.unregister()

    def _flowing(self) -> Flow:
        if self._flow is None:
            self._flow = Flow(lambda: self.writable, self.engine.clock)
        return self._flow
