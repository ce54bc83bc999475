"""Asking the application: who may come in, and under which id."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from txengineio.errors import ErrorCode, RequestRejected
from txengineio.server.options.admission import Admit
from txengineio.server.options.engine import EngineOptions
from txengineio.server.registry import SessionRegistry
from txengineio.server.requests.checks import bad_request
from txengineio.server.requests.hook_timeout import RequestGone, TookTooLong, ask
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["ask_for_permission", "choose_sid"]

_log = Logger()


async def ask_for_permission(
    request: IncomingRequest, options: EngineOptions, clock: IReactorTime
) -> Any:
    """Ask ``allow_request`` about a request that would open a session.

    Returns:
        The user, if it says who that is.

    Raises:
        RequestRejected: It says no.
        TookTooLong: It says nothing.
        RequestGone: The client has gone away meanwhile.
    """
    if options.allow_request is None:
        return None
    answer = await ask(options.allow_request, request, clock)
    if answer is True:
        return None
    if isinstance(answer, Admit):
        return answer.user
    # Anything but a clear yes is a no.
    if answer is not None and answer is not False and not isinstance(answer, str):
        _log.error(
            "allow_request returned a value of type {type}, which refuses the client: "
            "expected True or Admit(user) to let it in, or False, None or a str to "
            "refuse it",
            type=type(answer).__qualname__,
        )
    message = answer if isinstance(answer, str) and answer else None
    raise RequestRejected(
        ErrorCode.FORBIDDEN,
        message=message,
        context={} if message is None else {"message": message},
        hint="allow_request said no",
    )


async def choose_sid(
    request: IncomingRequest,
    options: EngineOptions,
    registry: SessionRegistry,
    clock: IReactorTime,
) -> str:
    """Return the id of a new session.

    Raises:
        RequestRejected: ``generate_id`` failed, or gave an id that cannot be used.
        TookTooLong: It gave none.
        RequestGone: The client has gone away meanwhile.
    """
    if options.generate_id is None:
        return registry.new_sid()
    try:
        sid = await ask(options.generate_id, request, clock)
    except (RequestGone, TookTooLong):
        raise
    except Exception as error:
        _log.failure("generate_id failed")
        raise bad_request("ID_GENERATION_ERROR", error=error) from error
    if not isinstance(sid, str) or not sid:
        problem = f"generate_id must give a str that is not empty, not {type(sid)}"
    elif not registry.is_free(registry.own_sid(sid)):
        problem = "generate_id gave the id of a session that is still open"
    else:
        return registry.own_sid(sid)
    _log.error("{problem}", problem=problem)
    raise bad_request("ID_GENERATION_ERROR", error=problem)
