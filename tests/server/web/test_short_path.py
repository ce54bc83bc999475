"""The short path of reading requests does nothing that Twisted's would not do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.web.resource import Resource
from twisted.web.static import Data
from typing_extensions import override

from tests.connection import make_request
from tests.server.traffic import (
    BODIES,
    LIMIT,
    LINES,
    METHODS,
    POLLING,
    POSTED,
    SESSION,
    STEPS,
    TARGETS,
    VERSIONS,
    Arrival,
    Loss,
    Outgoing,
    Step,
    with_line,
    write_request,
)
from tests.wiring import Server
from txengineio.server.web.site import EngineIOSite
from txengineio.testing import RecordingApplication, RecordingProtocol


class Form(Resource):
    isLeaf = True

    @override
    def render(self, request: Any) -> bytes:
        return repr((request.args, request.content.read())).encode()


def answer(protocol: RecordingProtocol, message: str | bytes) -> None:
    """Echo, and end the session where the message says so."""
    protocol.session.send(message)
    if message == "close":
        protocol.session.close()
    elif message == "stop":
        protocol.session.close(discard=True)


def seen(request: Any) -> tuple[object, ...]:
    """Return what an application may ask of a request."""
    return (
        request.method,
        request.uri,
        request.path,
        request.clientproto,
        request.args,
        request.prepath,
        request.getHeader(b"Content-Length"),
        request.getHeader(b"Cookie"),
        request.received_cookies,
        request.getClientAddress(),
        request.getHost(),
        request.isSecure(),
        sorted(request.requestHeaders.getAllRawHeaders()),
        request.content.getvalue(),
    )


@dataclass(kw_only=True)
class Run:
    """A server, three connections to it, and all that both sides have seen."""

    server: Server
    requests: list[tuple[object, ...]]
    states: list[list[tuple[bytes, bool, bool]]]

    @classmethod
    def of(cls, steps: Sequence[Step], short_path: bool, curious: bool) -> Run:
        numbers = count()
        server = Server.new(
            RecordingApplication(on_message=answer),
            generate_id=lambda _request: f"S{next(numbers)}",
            max_http_buffer_size=LIMIT,
            allow_eio3=True,
            cookie=True,
            ping_interval=100.0,
            ping_timeout=50.0,
        )
        root = Resource()
        root.putChild(b"page", Data(b"a page", "text/plain"))
        root.putChild(b"form", Form())
        engines = {server.path: server.engine}
        server.site = site = EngineIOSite(root, engines, reactor=server.clock)
        site.short_path = short_path
        run = cls(server=server, requests=[], states=[])
        if curious:
            server.engine.use(run.look_at)
        for _ in range(3):
            server.open_polling()
        # A POST that overlaps another is refused before it is complete, if it comes in
        # pieces; then no middleware sees it.
        connections = [server.connect() for _ in range(1 if curious else 3)]
        for step in steps:
            step.happen(server, connections)
            run.states.append(
                [(each.peek(), each.is_closed, each.was_reset) for each in connections]
            )
        return run

    async def look_at(self, request: Any) -> None:
        self.requests.append(seen(request))
        request.setHeader("X-Seen", "yes")
        request.addCookie("seen", "yes")

    def outcome(self) -> list[object]:
        server = self.server
        server.settle()
        dates = re.compile(rb"(?i)\r\nDate:[^\r]*")
        return [
            self.requests,
            [
                [(dates.sub(b"", data), *rest) for data, *rest in states]
                for states in self.states
            ],
            [protocol.events for protocol in server.application.built],
            sorted(server.engine.sessions),
        ]


def assert_no_difference(steps: Sequence[Step], curious: bool) -> None:
    runs = [Run.of(steps, short_path, curious) for short_path in (True, False)]
    short, long = (run.outcome() for run in runs)
    assert short == long


@settings(max_examples=300)
@given(STEPS, st.booleans())
def test_any_requests_give_the_same_on_both_paths(
    steps: list[Step], curious: bool
) -> None:
    assert_no_difference(steps, curious)


def assert_answers_are_the_same(request: bytes, *behind: bytes) -> None:
    """Compare what becomes of a request, and of the connection that it came over."""
    session, other, usual = (
        Arrival(connection=0, session=0, data=data)
        for data in (request, make_request("GET", POLLING), POSTED)
    )
    cases: list[list[Step]] = [
        [session, other, usual],
        [Outgoing(number=0, size=1), session, Loss(connection=0), usual],
    ]
    cases.extend(
        [usual, replace(session, data=request + each), usual] for each in behind
    )
    for steps in cases:
        assert_no_difference(steps, curious=False)
        assert_no_difference(steps, curious=True)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "request_", [POSTED, make_request("GET", SESSION)], ids=["post", "get"]
)
def test_any_header_gives_the_same_on_both_paths(request_: bytes, line: str) -> None:
    assert_answers_are_the_same(with_line(request_, line), b"\r\n", b"P", request_)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("method", METHODS)
def test_any_body_gives_the_same_on_both_paths(method: str, body: bytes | None) -> None:
    assert_answers_are_the_same(write_request(method, SESSION, "HTTP/1.1", [], body))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", METHODS)
def test_any_target_gives_the_same_on_both_paths(method: str, target: str) -> None:
    assert_answers_are_the_same(write_request(method, target, "HTTP/1.1", [], b"4a"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("target", [SESSION, POLLING, "/page"])
def test_any_version_gives_the_same_on_both_paths(target: str, version: str) -> None:
    for method in METHODS:
        assert_answers_are_the_same(write_request(method, target, version, [], b"4a"))
