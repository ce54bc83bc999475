"""Writing HTTP answers: each request is answered once, whole, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.web.http import Request

from txengineio.errors import RequestRejected
from txengineio.server.web.request import EngineIORequest

__all__ = ["OK", "is_gone", "refuse", "respond", "respond_nothing", "when_lost"]

OK = 200


def respond(
    request: Request, status: int, headers: Mapping[str, Any], body: bytes
) -> None:
    """Answer a request, and be done with it.

    Args:
        request: The request; if its connection is gone nothing happens.
        status: The HTTP status.
        headers: Names and values; a list of values makes as many lines.
        body: The whole body.
    """
    if is_gone(request):
        return
    if isinstance(request, EngineIORequest) and request.answer(status, headers, body):
        return
    if request.cookies:
        # Twisted would replace with them what the header has otherwise.
        for cookie in request.cookies:
            request.responseHeaders.addRawHeader(b"Set-Cookie", cookie)
        request.cookies = []
    request.setResponseCode(status)
    response_headers = request.responseHeaders
    for name, value in headers.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        response_headers.setRawHeaders(name, [str(each) for each in values])
    response_headers.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
    request.write(body)
    request.finish()


def respond_nothing(request: Request, status: int, **headers: str) -> None:
    """Answer a request with a status and an empty body."""
    respond(request, status, headers, b"")


def refuse(request: Request, rejection: RequestRejected) -> None:
    """Answer a request with the error that refuses it.

    Nothing of the request is repeated in the answer.
    """
    body = {
        "code": rejection.code.value,
        "message": rejection.message or rejection.code.message,
    }
    respond(
        request,
        rejection.code.status,
        {"Content-Type": "application/json"},
        json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
    )


def is_gone(request: Request) -> bool:
    """Whether a request's connection is lost, or its answer already complete."""
    if request.finished:
        return True
    # Twisted's annotation does not know that a lost connection takes the channel away.
    channel: object = request.channel
    return channel is None


def when_lost(request: Request, act: Callable[[Request], None]) -> None:
    """Call ``act`` with a request when its connection is lost before the answer."""
    if isinstance(request, EngineIORequest):
        request.lost = act
    else:
        request.notifyFinish().addErrback(lambda _failure: act(request))
