"""The whole server in memory, through random interleavings, against a simple model.

The model of a client knows what it has sent and what the server has acknowledged, and
what the application has sent and the client has received. Every message arrives once
and in order, or the session is told that it is over; afterwards nothing is left.

``TXENGINEIO_FUZZ_EXAMPLES`` sets how many runs there are, 300 unless told.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import Deferred
from typing_extensions import override

from tests.doubles import ended_with
from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, make_frame
from tests.fuzz.failures import no_failures
from tests.fuzz.model import LIMIT, Client
from tests.wiring import Server
from txengineio.testing import RecordingApplication, RecordingProtocol

EXAMPLES = int(os.environ.get("TXENGINEIO_FUZZ_EXAMPLES", "300"))
STEPS = 40

pytestmark = pytest.mark.timeout(60 + EXAMPLES)

CLIENTS = 3

PING_INTERVAL = 5.0
PING_TIMEOUT = 4.0

_TEXTS = st.sampled_from(["", "a", "hello", "€", "\U0001f600", "4", "b", "x" * 1500])
_MESSAGES = st.one_of(_TEXTS, _TEXTS, st.binary(max_size=5))
_TIMES = st.sampled_from([1, 1, 1, 5, 20])
_SOME = st.lists(_MESSAGES, min_size=1, max_size=4)

_BAD_FRAMES = (
    make_frame(3),
    make_frame(TEXT, b"4x", rsv=1),
    make_frame(TEXT, b"4\xff"),
    make_frame(TEXT, b"4x", mask=None),
    make_frame(TEXT, b"9"),
    make_frame(TEXT, b"2"),
    make_frame(CONTINUATION, b"x"),
    make_frame(PING, b"x" * 126),
    make_frame(BINARY, b"x" * (LIMIT + 1)),
    make_frame(CLOSE, b"x"),
    make_frame(CLOSE),
)
_BAD_BODIES = (b"", b"9", b"6\x1e", b"b!", b"\xff", b"2", b"6\x1e1", b"x" * LIMIT)


class ServerMachine(RuleBasedStateMachine):
    """Clients, an application and time do what they like."""

    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._stack.enter_context(no_failures())
        self._waiting: list[Deferred[None]] = []
        self._slow = False
        self._all: list[Client] = []

    @initialize(own_site=st.booleans(), short_path=st.booleans())
    def start(self, own_site: bool, short_path: bool) -> None:
        self.server = Server.new(
            RecordingApplication(on_message=self._message_received),
            own_site=own_site,
            short_path=short_path,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            max_http_buffer_size=LIMIT,
            max_pending_messages=2,
            max_buffered_bytes=100_000,
        )

    def _message_received(self, _protocol: RecordingProtocol, _message: Any) -> Any:
        if not self._slow:
            return None
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        return deferred

    # --- clients that come ------------------------------------------------------------

    def _client(self, sid: str) -> Client:
        protocol = self.server.application.built[-1]
        assert protocol.session.id == sid
        client = Client(server=self.server, sid=sid, protocol=protocol)
        self._all.append(client)
        return client

    @precondition(lambda self: len(self._all) < CLIENTS)
    @rule(target=clients)
    def open_polling(self) -> Client:
        return self._client(self.server.open_polling().sid)

    @precondition(lambda self: len(self._all) < CLIENTS)
    @rule(target=clients, early=st.lists(_TEXTS, max_size=2))
    def open_websocket(self, early: list[str]) -> Client:
        numbered = [f"{i} {text}" for i, text in enumerate(early)]
        frames = [make_frame(TEXT, f"4{text}".encode()) for text in numbered]
        websocket = self.server.open_websocket(early=b"".join(frames))
        client = self._client(websocket.sid)
        client.websocket = websocket
        client.sent += numbered
        return client

    # --- what good clients do ---------------------------------------------------------

    @rule(client=clients)
    def poll(self, client: Client) -> None:
        if client.is_polling and client.poll is None:
            client.poll = client.start_poll()

    @rule(client=clients, messages=_SOME, pieces=st.integers(1, 3))
    def send(self, client: Client, messages: list[str | bytes], pieces: int) -> None:
        if client.websocket is not None:
            client.send_frames(messages, pieces)
        elif client.upload is None and not client.posts:
            client.post(messages)

    @rule(client=clients, messages=_SOME, share=st.sampled_from([0.0, 0.5, 0.99]))
    def start_upload(
        self, client: Client, messages: list[str | bytes], share: float
    ) -> None:
        if client.is_polling and client.upload is None and not client.posts:
            client.start_upload(messages, share)

    @rule(client=clients)
    def finish_upload(self, client: Client) -> None:
        if client.upload is not None:
            client.finish_upload()

    @rule(client=clients)
    def answer_pings(self, client: Client) -> None:
        client.answer_pings()

    @rule(client=clients, repeat=st.integers(1, 2))
    def probe(self, client: Client, repeat: int) -> None:
        if client.is_polling and client.candidate is None and client.is_open:
            client.candidate = websocket = self.server.open_websocket(client.sid)
            websocket.send(*["2probe"] * repeat)

    @rule(client=clients, waiting=st.lists(_MESSAGES, max_size=5), messages=_SOME)
    def probe_and_upgrade(
        self,
        client: Client,
        waiting: list[str | bytes],
        messages: list[str | bytes],
    ) -> None:
        """Upgrade at once, while messages wait for the next poll."""
        self.probe(client, 1)
        for message in waiting:
            client.application_sends(message, False)
        self.upgrade(client, messages)

    @rule(client=clients, messages=st.lists(_MESSAGES, min_size=3, max_size=6))
    def hurry_a_slow_application(
        self, client: Client, messages: list[str | bytes]
    ) -> None:
        self._slow = True
        for message in messages:
            self.send(client, [message], 1)
        self._slow = False

    @rule(client=clients, messages=st.lists(_MESSAGES, max_size=3))
    def upgrade(self, client: Client, messages: list[str | bytes]) -> None:
        """Settle the upgrade, whatever else is under way."""
        websocket, client.candidate = client.candidate, None
        if websocket is None or not websocket.is_accepted:
            return
        answered = "3probe" in websocket.packets()
        if client.upload is not None:
            client.upload[0].abort()
            client.upload = None
        websocket.send("5")
        websocket.connection.read_responses()
        if answered and client.protocol.session.upgraded:
            client.read()
            client.websocket = websocket
            if messages:
                client.send_frames(messages, 1)

    @rule(client=clients)
    def leave(self, client: Client) -> None:
        if client.websocket is not None:
            client.websocket.close(1000)
            client.is_spoiled = True
        else:
            self.server.request("POST", sid=client.sid, body=b"1")

    # --- what others do ---------------------------------------------------------------

    @rule(client=clients, number=st.integers(0, 4))
    def vanish(self, client: Client, number: int) -> None:
        """Break one of the connections."""
        if number == 0 and client.poll is not None:
            client.poll.abort()
            client.poll = None
        elif number == 1 and client.upload is not None:
            client.upload[0].abort()
            client.upload = None
        elif number == 2 and client.posts:
            client.posts.pop().abort()
        elif number == 3 and client.candidate is not None:
            client.candidate.connection.lose()
            client.candidate = None
        elif number == 4 and client.websocket is not None:
            client.websocket.connection.lose()

    @rule(client=clients, bad=st.sampled_from(_BAD_FRAMES), candidate=st.booleans())
    def send_bad_frame(self, client: Client, bad: bytes, candidate: bool) -> None:
        websocket = client.candidate if candidate else client.websocket
        if websocket is not None:
            client.is_spoiled |= not candidate
            websocket.connection.send(bad)

    @rule(client=clients, body=st.sampled_from(_BAD_BODIES), twice=st.booleans())
    def misbehave(self, client: Client, body: bytes, twice: bool) -> None:
        if twice:
            self.poll(client)
            client.read()
            if client.poll is not None:
                client.start_poll()
        else:
            self.server.request("POST", sid=client.sid, body=body)

    @rule(client=clients, reads=st.booleans())
    def read_or_not(self, client: Client, reads: bool) -> None:
        if client.websocket is None:
            return
        transport = client.websocket.connection.transport
        if not reads:
            transport.stop_reading()
        elif not transport.peer_reads:
            transport.start_reading()

    @rule(client=clients, opcode=st.sampled_from([PING, PONG]))
    def control_frame(self, client: Client, opcode: int) -> None:
        if client.websocket is not None:
            client.websocket.send_frame(opcode, b"?")

    # --- the application --------------------------------------------------------------

    @rule(client=clients, messages=_SOME, volatile=st.booleans(), times=_TIMES)
    def application_sends(
        self, client: Client, messages: list[str | bytes], volatile: bool, times: int
    ) -> None:
        for message in messages * times:
            client.application_sends(message, volatile)

    @rule(client=clients, discard=st.booleans())
    def application_closes(self, client: Client, discard: bool) -> None:
        if client.is_open:
            client.closed_politely = not discard
        elif discard:
            client.closed_politely = False
        client.protocol.session.close(discard=discard)

    @rule(slow=st.booleans())
    def application_is_slow(self, slow: bool) -> None:
        self._slow = slow

    @rule(count=st.integers(1, 20))
    def application_is_done(self, count: int) -> None:
        for _ in range(count):
            if self._waiting:
                self._waiting.pop(0).callback(None)

    # --- time -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.05, 0.1, 0.5, 1.0, 3.0, 6.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.server.advance(seconds)

    @rule(seconds=st.integers(1, 8))
    def time_passes_and_all_go_on(self, seconds: int) -> None:
        for _ in range(seconds):
            self.server.advance(1.0)
            for client in self._all:
                client.read()
                client.answer_pings()
                self.poll(client)

    # --- what must hold ---------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        if not self._all:
            return
        self.server.settle()
        is_idle = not self._waiting
        for client in self._all:
            client.read()
            client.check(is_idle)

    @override
    def teardown(self) -> None:
        with self._stack:
            if hasattr(self, "server"):
                self._end()

    def _end(self) -> None:
        self._slow = False
        while self._waiting:
            self._waiting.pop(0).callback(None)
            self.server.settle()
        for client in self._all:
            self._catch_up(client)
        self.nothing_is_lost()
        for client in self._all[::2]:
            client.protocol.session.close()
        for _ in range(120):
            self.server.advance(1.0)
        for protocol in self.server.application.built:
            ended_with(protocol)
        assert self.server.engine.buffers.total == 0
        self.server.assert_nothing_left()

    def _catch_up(self, client: Client) -> None:
        """Let a client have all that waits for it."""
        self.read_or_not(client, True)
        self.server.settle()
        client.read()
        for _ in range(10):
            if not client.is_open or len(client.received) == len(client.expected):
                return
            self.poll(client)
            client.read()
        raise AssertionError("the session never gets all that was sent to it")


TestServer = ServerMachine.TestCase
TestServer.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
