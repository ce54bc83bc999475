"""Telling the managers of the other processes, and doing what they tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from socketio import packet

from txengineio.integrations.socketio.managers import delivery, orders
from txengineio.integrations.socketio.managers.delivery import Audience, Part
from txengineio.server.cluster import Cluster

__all__ = ["ANSWER_TIMEOUT", "Nodes"]

ANSWER_TIMEOUT: Final = 3600.0
"""Seconds after which the answer of another process's client is waited for no more."""

_CHANNEL: Final = "engineio.socketio"


class Nodes:
    """The other processes of a cluster, from the view of one manager.

    A manager is made before its engine is one of several, and there may never be
    others: each time, the engine is asked.

    Args:
        manager: The manager; its server is one of ours.
        run: Calls what may have to be waited for, and logs its failure.
    """

    def __init__(self, manager: Any, run: Callable[..., object]) -> None:
        self._manager = manager
        self._run = run
        self._joined: Cluster | None = None
        self._leave: Callable[[], None] | None = None
        self._last_question = 0
        # With the time until which each is waited for; the oldest come first.
        self._questions: dict[int, tuple[float, Callable[..., Any]]] = {}

    def join(self) -> Cluster | None:
        """Return the cluster, if there is one, and listen to it from now on."""
        cluster: Cluster | None = self._manager.server.engine.cluster
        if cluster is not self._joined:
            if self._leave is not None:
                self._leave()
                self._leave = None
            self._joined = cluster
            if cluster is not None:
                self._leave = cluster.subscribe(_CHANNEL, self._told)
        return cluster

    def has(self, sid: Any, namespace: str) -> bool:
        """Say whether a client is one of this process."""
        return (
            isinstance(sid, str)
            and self._manager.eio_sid_from_sid(sid, namespace) is not None
        )

    def tell(self, order: orders.Order) -> None:
        """Have the other processes do something, if there are any."""
        cluster = self.join()
        if cluster is not None:
            cluster.publish(_CHANNEL, orders.encode(order))

    # --- events -----------------------------------------------------------------------

    def emit(
        self,
        event: str,
        data: Any,
        audience: Audience,
        callback: Callable[..., Any] | None,
        *,
        stays_here: bool,
    ) -> None:
        """Send an event to those who are in a room, in whatever process.

        Args:
            event: Its name.
            data: What goes with it; a tuple is several values.
            audience: Who is to get it.
            callback: Called with what the first client says that answers.
            stays_here: Whether the other processes are left out.

        Raises:
            ValueError: Everybody would have to acknowledge.
            TypeError: A room is neither text nor a number.
        """
        manager, namespace, room = self._manager, audience.namespace, audience.room
        if stays_here or self.join() is None or self.has(room, namespace):
            delivery.emit(manager, event, data, audience, callback)
            return
        if callback is not None and room is None:
            raise ValueError("a callback needs the client that is to answer: to=")
        order = orders.Emit(
            namespace,
            list(room) if isinstance(room, tuple) else room,
            [sid for sid in audience.skipped if sid is not None],
            None if callback is None else self._expect(callback),
            delivery.event_parts(manager, event, data, namespace),
        )
        self.tell(order)
        if order.question is None:
            delivery.send(manager, order.parts, audience)
        else:
            values = [event, *delivery.values_of(data)]
            answered = partial(self._answered, order.question)
            delivery.send_asking(manager, values, audience, answered)

    def _expect(self, callback: Callable[..., Any]) -> int:
        now = self._manager.server.engine.clock.seconds()
        while self._questions:
            oldest = next(iter(self._questions))
            if self._questions[oldest][0] > now:
                break
            del self._questions[oldest]
        self._last_question += 1
        self._questions[self._last_question] = (now + ANSWER_TIMEOUT, callback)
        return self._last_question

    def _answered(self, number: int | None, *values: Any) -> None:
        """Take an answer: only the first one counts."""
        _, callback = self._questions.pop(number or 0, (0.0, None))
        if callback is not None:
            self._run(callback, *values)

    # --- what other processes tell ----------------------------------------------------

    def _told(self, node: str, data: bytes) -> None:
        order = orders.decode(data)
        _ACTIONS[type(order)](self, node, order)

    def _told_to_emit(self, node: str, order: orders.Emit) -> None:
        manager = self._manager
        audience = Audience(order.namespace, order.rooms, order.skipped)
        if order.question is None:
            delivery.send(manager, order.parts, audience)
            return
        values = self._packet_of(order.parts).data
        answer = partial(self._answer, node, order.question)
        delivery.send_asking(manager, values, audience, answer)

    def _told_an_answer(self, _node: str, order: orders.Answer) -> None:
        if self._joined is not None and order.node == self._joined.node:
            answer = self._packet_of(order.parts)
            self._answered(answer.id, *answer.data)

    def _told_to_disconnect(self, _node: str, order: orders.Disconnect) -> None:
        if self.has(order.sid, order.namespace):
            disconnect = self._manager.server.disconnect
            self._run(disconnect, order.sid, order.namespace, True)

    # Rooms change at once, whatever the kind of manager: the next order may be an event
    # for those who are in them now.

    def _told_to_enter(self, _node: str, order: orders.Enter) -> None:
        if self.has(order.sid, order.namespace):
            self._manager.basic_enter_room(order.sid, order.namespace, order.room)

    def _told_to_leave(self, _node: str, order: orders.Leave) -> None:
        self._manager.basic_leave_room(order.sid, order.namespace, order.room)

    def _told_to_close(self, _node: str, order: orders.Close) -> None:
        self._manager.basic_close_room(order.room, order.namespace)

    def _answer(self, node: str, question: int, *values: Any) -> None:
        answer = self._manager.server.packet_class(
            packet.ACK, data=list(values), id=question
        )
        self.tell(orders.Answer(node, delivery.parts_of(answer)))

    def _packet_of(self, parts: Sequence[Part]) -> Any:
        """Put a packet together."""
        first, *attachments = parts
        received = self._manager.server.packet_class(encoded_packet=first)
        for each in attachments:
            received.add_attachment(each)
        return received


_ACTIONS: Final[Mapping[type[orders.Order], Callable[[Nodes, str, Any], None]]] = {
    orders.Emit: Nodes._told_to_emit,
    orders.Answer: Nodes._told_an_answer,
    orders.Disconnect: Nodes._told_to_disconnect,
    orders.Enter: Nodes._told_to_enter,
    orders.Leave: Nodes._told_to_leave,
    orders.Close: Nodes._told_to_close,
}
