"""Doing a scenario to a server over real sockets, and seeing what comes of it."""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from typing_extensions import override

from tests.conformance.exchanges import Response, parse_response, write_request
from tests.conformance.frames import CLOSE, PING, PONG, TEXT, Frame, parse_frames
from tests.conformance.peers import WEBSOCKET_HEADERS
from tests.conformance.scenarios import (
    Abort,
    Drop,
    Frames,
    Open,
    Rest,
    Send,
    Step,
    Wait,
)

__all__ = ["Agent", "Outcome", "Ports", "merged", "running"]

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
START_DEADLINE = 90.0
DEADLINE = 60.0
SYNCS = 4
"""Questions after which a server has handled, and answered, all that was sent before.

One turn of its event loop accepts a connection, the next one reads from it, another one
writes; each question and its answer take at least one turn.
"""
NOOP_DEADLINE = 1.0
"""Seconds in which a parked poll is answered with a noop while an upgrade is probed."""

Ports = dict[str, int]
Outcome = dict[str, Any]
"""What has become of something that a step started: a request, or a WebSocket."""


@contextmanager
def running(command: Sequence[str], options: dict[str, Any]) -> Iterator[Ports]:
    """Run a server process; give its ports."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                assert selector.select(START_DEADLINE), "the server did not start"
            line = process.stdout.readline()
            assert line, _read(log)
            yield json.loads(line)
        finally:
            # It ends when its standard input does.
            process.communicate(timeout=DEADLINE)
            text = _read(log)
        assert "Traceback" not in text, text[-4000:]
        assert "Unhandled" not in text, text[-4000:]


def _read(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")


class Thing:
    """A connection that a step made."""

    kind = ""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.ended = False
        self.abandoned = False

    def send(self, data: bytes) -> None:
        # What was cut off cannot be written to; that it was is seen when reading.
        with suppress(OSError):
            self.socket.settimeout(DEADLINE)
            self.socket.sendall(data)
            self.socket.setblocking(False)

    def read(self) -> None:
        """Take what has come."""
        while not self.ended and not self.abandoned:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.received += data
            if not data:
                # The other end waits for this to know that all has arrived.
                self.ended = True
                self.socket.close()

    def abandon(self) -> None:
        """Be gone."""
        self.abandoned = True
        self.socket.close()

    def outcome(self) -> Outcome | None:
        """Return what is new, or None."""
        raise NotImplementedError


class Request(Thing):
    """A plain request."""

    kind = "request"

    def __init__(self, port: int, step: Send, query: str) -> None:
        super().__init__(port)
        self.step = step
        self.response: Response | None = None
        self.done = False
        body, headers = step.body, list(step.headers)
        if step.announced is not None:
            headers.append(("Content-Length", str(step.announced)))
        target = f"/engine.io/?{query}"
        self.send(write_request(step.method, target, headers, body))

    @property
    def pending(self) -> bool:
        return not self.done and not self.abandoned

    @override
    def outcome(self) -> Outcome | None:
        if self.done or self.abandoned:
            return None
        to_head = self.step.method == "HEAD"
        response, _ = parse_response(self.received, to_head=to_head)
        if response is None and not self.ended:
            return None
        self.done = True
        self.response = response
        self.socket.close()
        if response is None:
            return {"cut off": True}
        outcome: Outcome = {"status": response.status, **_notable(response)}
        if response.body:
            outcome["type"] = response.header("Content-Type")
            outcome["body"] = _decompressed(response).decode("latin-1")
        return outcome


def _notable(response: Response) -> Outcome:
    """Return the headers that matter beside those of the body."""
    return {
        name.lower(): value
        for name, value in response.headers
        if name.lower().startswith(
            ("access-control-", "set-cookie", "x-xss", "content-enc")
        )
    }


def _decompressed(response: Response) -> bytes:
    if response.header("Content-Encoding") is None:
        return response.body
    return zlib.decompress(response.body, wbits=zlib.MAX_WBITS | 32)


class WebSocket(Thing):
    """A WebSocket, or what was meant to become one."""

    kind = "websocket"

    def __init__(self, port: int, step: Open, query: str) -> None:
        super().__init__(port)
        self.step = step
        self.status: int | None = None
        self.closed = False
        self.probed = False
        headers = {**WEBSOCKET_HEADERS, **dict(step.headers)}
        given = {name: value for name, value in headers.items() if value}
        self.send(write_request(step.method, f"/engine.io/?{query}", given))

    @property
    def usable(self) -> bool:
        return self.status == 101 and not self.closed and not self.abandoned

    @override
    def outcome(self) -> Outcome | None:
        if self.closed or self.abandoned:
            return None
        outcome: Outcome = {}
        if self.status is None:
            outcome = self._read_response()
        if self.status == 101:
            self._read_frames(outcome)
        if self.ended and not self.closed:
            self.closed = True
            outcome["cut off"] = True
        return outcome or None

    def _read_response(self) -> Outcome:
        response, left = parse_response(self.received)
        if response is None:
            return {}
        self.received = left
        self.status = response.status
        outcome: Outcome = {"status": response.status, **_notable(response)}
        if response.status == 101:
            outcome["subprotocol"] = response.header("Sec-WebSocket-Protocol")
            outcome["extensions"] = response.header("Sec-WebSocket-Extensions")
        else:
            outcome["body"] = response.body.decode("latin-1")
            self.closed = True
        return outcome

    def _read_frames(self, outcome: Outcome) -> None:
        try:
            frames, self.received = parse_frames(self.received)
        except AssertionError:
            outcome["garbage"] = True
            self.closed = True
            return
        for frame in frames:
            if frame.opcode == CLOSE:
                self.closed = True
                code = frame.payload[:2]
                outcome["close"] = int.from_bytes(code) if code else None
                self.send(frame.to_bytes())
                return
            if frame.opcode == PING:
                self.send(Frame(opcode=PONG, payload=frame.payload).to_bytes())
            text = frame.payload.decode("latin-1")
            kind = "text" if frame.opcode == TEXT else f"opcode {frame.opcode}"
            outcome.setdefault("frames", []).append([kind, text])


def merged(
    earlier: Mapping[str, Outcome], later: Mapping[str, Outcome]
) -> dict[str, Outcome]:
    """Return what has come in two steps."""
    result = dict(earlier)
    for what, outcome in later.items():
        before = result.get(what, {})
        result[what] = {**before, **outcome}
        if "frames" in before and "frames" in outcome:
            result[what]["frames"] = before["frames"] + outcome["frames"]
    return result


class Agent:
    """Does a scenario to one server.

    Attributes:
        things: What the steps have started, in order.
        sids: The sessions that were opened, in order.
    """

    def __init__(self, ports: Ports) -> None:
        self._port = ports["port"]
        self._control = socket.create_connection((LOOPBACK, ports["control"]), DEADLINE)
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._control.makefile("rb")
        self.things: list[Request | WebSocket] = []
        self.sids: list[str] = []

    def close(self) -> None:
        for thing in self.things:
            thing.socket.close()
        self._lines.close()
        self._control.close()

    # --- steps ------------------------------------------------------------------------

    def start(self, step: Step) -> None:
        """Do a step, as far as there is something to do it to."""
        match step:
            case Send():
                query = self._query(step.query)
                self.things.append(Request(self._port, step, query))
            case Open():
                query = self._query(step.query)
                self.things.append(WebSocket(self._port, step, query))
            case Rest() | Abort():
                self._on_request(step)
            case Frames() | Drop():
                self._on_websocket(step)
            case Wait():
                time.sleep(step.seconds)

    def _query(self, query: str) -> str:
        return query.replace("SID", self.sids[-1] if self.sids else "SID")

    def _last_request(self, method: str, announced: bool) -> Request | None:
        for thing in reversed(self.things):
            if (
                isinstance(thing, Request)
                and thing.pending
                and thing.step.method == method
                and (not announced or thing.step.announced is not None)
            ):
                return thing
        return None

    def _on_request(self, step: Rest | Abort) -> None:
        if isinstance(step, Rest):
            request = self._last_request("POST", announced=True)
            if request is not None:
                request.send(step.body)
        else:
            request = self._last_request(step.method, announced=False)
            if request is not None:
                request.abandon()

    def _on_websocket(self, step: Frames | Drop) -> None:
        for thing in reversed(self.things):
            if isinstance(thing, WebSocket) and thing.usable:
                if isinstance(step, Drop):
                    thing.abandon()
                else:
                    packets = [frame.payload for frame in step.frames]
                    thing.probed = packets[-1:] == [b"2probe"]
                    frames = step.frames
                    thing.send(
                        b"".join(each.to_bytes(masked=step.masked) for each in frames)
                    )
                return

    def started(self) -> dict[str, Step]:
        """Return the step that started each thing."""
        return {
            f"{thing.kind} {number}": thing.step
            for number, thing in enumerate(self.things)
        }

    # --- what comes of them -----------------------------------------------------------

    def settle(self) -> dict[str, Outcome]:
        """Wait until the server has done what it does; return what has come of it."""
        outcomes = self._collect_all()
        deadline = time.monotonic() + NOOP_DEADLINE
        while self._noop_is_due() and time.monotonic() < deadline:
            time.sleep(0.01)
            outcomes = merged(outcomes, self._collect_all())
        return outcomes

    def _collect_all(self) -> dict[str, Outcome]:
        """Return what has come, also in answer to what was done about it."""
        outcomes: dict[str, Outcome] = {}
        while True:
            self._sync()
            new = self._collect()
            if not new:
                return outcomes
            outcomes = merged(outcomes, new)

    def _noop_is_due(self) -> bool:
        probing = any(
            isinstance(thing, WebSocket) and thing.usable and thing.probed
            for thing in self.things
        )
        return probing and self._last_request("GET", announced=False) is not None

    def _collect(self) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for number, thing in enumerate(self.things):
            thing.read()
            outcome = thing.outcome()
            if outcome is not None:
                self._find_sid(outcome)
                outcomes[f"{thing.kind} {number}"] = self._without_sids(outcome)
        return outcomes

    def _find_sid(self, outcome: Outcome) -> None:
        match = re.search(r'\\*"sid\\*":\\*"([^"\\]+)\\*"', str(outcome))
        if match is not None:
            self.sids.append(match[1])

    def _without_sids(self, outcome: Outcome) -> Outcome:
        text = json.dumps(outcome)
        for number, sid in enumerate(self.sids):
            text = text.replace(sid, f"<session {number}>")
        stripped: Outcome = json.loads(text)
        return stripped

    def _sync(self) -> None:
        for _ in range(SYNCS):
            self._ask("sync")

    def logs(self) -> Any:
        """Return what the sessions received, and why they ended."""
        return self._ask(" ".join(["log", *self.sids])) if self.sids else []

    def _ask(self, question: str) -> Any:
        self._control.sendall(question.encode() + b"\n")
        return json.loads(self._lines.readline())
