"""allow_request and generate_id: at once or later, and all that may go wrong there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from tests.conftest import FlushLoggedErrors
from tests.connection import Exchange
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio import Admit
from txengineio.errors import ErrorCode, InvalidOption
from txengineio.server.requests.hook_timeout import HOOK_TIMEOUT


def opening(server: Server, transport: str) -> Exchange:
    """Send the request that would open a session."""
    if transport == "polling":
        return server.request()
    return server.open_websocket().opening


def is_opened(exchange: Exchange) -> bool:
    return exchange.answer.status in (200, 101)


def listen_for_errors(server: Server) -> list[Any]:
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    return events


both = pytest.mark.parametrize("transport", ["polling", "websocket"])


async def coroutine(value: object) -> object:
    return value


# --- allow_request --------------------------------------------------------------------


@both
@pytest.mark.parametrize("say", [lambda value: value, succeed, coroutine])
def test_a_clear_yes_lets_the_client_in(
    say: Callable[[object], object], transport: str, new_server: NewServer
) -> None:
    requests: list[Any] = []

    def allow(request: Any) -> object:
        requests.append(request)
        return say(True)

    server = new_server(allow_request=allow)
    assert is_opened(opening(server, transport))
    (request,) = requests
    assert request.method == b"GET"
    assert len(server.engine.sessions) == 1


@both
@pytest.mark.behaviour("B005")
@pytest.mark.parametrize("say", [lambda value: value, succeed, coroutine])
@pytest.mark.parametrize("answer", [False, None, "", 0, 1, object()])
def test_anything_but_a_clear_yes_is_a_no(
    answer: object, say: Callable[[object], object], transport: str
) -> None:
    server = Server.new(allow_request=lambda _: say(answer))
    events = listen_for_errors(server)
    refused = opening(server, transport).answer
    assert refused.status == 403
    assert refused.body == b'{"code":4,"message":"Forbidden"}'
    assert events[0].context == {}
    server.assert_nothing_left()


@both
@pytest.mark.behaviour("B004")
def test_a_message_is_shown_to_the_client(
    transport: str, new_server: NewServer
) -> None:
    server = new_server(allow_request=lambda _: 'Thou "shall" not pass ✋')
    events = listen_for_errors(server)
    refused = opening(server, transport).answer
    assert refused.status == 403
    assert refused.json == {"code": 4, "message": 'Thou "shall" not pass ✋'}
    (event,) = events
    assert event.code is ErrorCode.FORBIDDEN
    assert event.message == "Forbidden"
    assert event.context == {"message": 'Thou "shall" not pass ✋'}


@both
@pytest.mark.parametrize("later", [False, True])
def test_an_exception_is_logged_and_lets_nobody_in(
    later: bool,
    transport: str,
    new_server: NewServer,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def allow(_request: object) -> object:
        if later:
            return fail(ZeroDivisionError())
        raise ZeroDivisionError

    server = new_server(allow_request=allow)
    refused = opening(server, transport).answer
    assert (refused.status, refused.body) == (500, b"")
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    server.assert_nothing_left()


@both
@pytest.mark.parametrize("answer", [True, False])
def test_the_answer_may_come_later(
    answer: bool, transport: str, new_server: NewServer
) -> None:
    decision: Deferred[bool] = Deferred()
    server = new_server(allow_request=lambda _: decision)
    exchange = opening(server, transport)
    assert exchange.is_pending
    assert dict(server.engine.sessions) == {}
    decision.callback(answer)
    assert is_opened(exchange) is answer
    assert len(server.engine.sessions) == answer


@both
def test_the_application_is_not_asked_once_the_engine_drains(
    transport: str, new_server: NewServer
) -> None:
    asked: list[Any] = []
    server = new_server(allow_request=asked.append, generate_id=asked.append)
    server.engine.drain(5.0)
    assert opening(server, transport).answer.status == 503
    assert asked == []


@both
def test_draining_while_the_application_is_asked_opens_no_session(
    transport: str, new_server: NewServer
) -> None:
    decision: Deferred[bool] = Deferred()
    server = new_server(allow_request=lambda _: decision)
    exchange = opening(server, transport)
    server.engine.drain(5.0)
    decision.callback(True)
    assert exchange.answer.status == 503
    server.assert_nothing_left()


@both
def test_nobody_waits_forever(transport: str, new_server: NewServer) -> None:
    decision: Deferred[bool] = Deferred()
    server = new_server(allow_request=lambda _: decision)
    exchange = opening(server, transport)
    server.advance(HOOK_TIMEOUT - 0.1)
    assert exchange.is_pending
    server.advance(0.2)
    assert exchange.answer.status == 503
    server.assert_nothing_left()


@both
@pytest.mark.parametrize("answer", [True, False, ZeroDivisionError()])
def test_a_client_that_has_gone_meanwhile_gets_no_session(
    answer: object,
    transport: str,
    new_server: NewServer,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    # The application may ignore that its Deferred is cancelled.
    decision: Deferred[object] = Deferred(lambda _: None)
    kept: list[Deferred[object]] = []

    def allow(_request: object) -> Deferred[object]:
        kept.append(decision)
        return decision

    server = new_server(allow_request=allow)
    exchange = opening(server, transport)
    exchange.abort()
    assert len(kept) == 1
    if not decision.called:
        decision.callback(Failure(answer) if isinstance(answer, Exception) else answer)
    flush_logged_errors(ZeroDivisionError)
    assert server.application.built == []
    server.assert_nothing_left()


def test_of_a_sessions_requests_only_the_upgrade_is_asked_about(
    new_server: NewServer,
) -> None:
    asked: list[object] = []

    def allow(request: object) -> bool:
        asked.append(request)
        return True

    client = new_server(allow_request=allow).open_polling()
    client.post("4a")
    assert len(asked) == 1
    client.upgrade()
    assert len(asked) == 2


@both
@pytest.mark.parametrize("say", [lambda value: value, succeed, coroutine])
@pytest.mark.parametrize("user", ["ada", 7, None, {"name": "ada"}])
def test_the_user_that_was_found_out_is_the_sessions(
    user: object,
    say: Callable[[object], object],
    transport: str,
    new_server: NewServer,
) -> None:
    server = new_server(allow_request=lambda _: say(Admit(user)))
    assert is_opened(opening(server, transport))
    (session,) = server.engine.sessions.values()
    assert session.user is user
    assert session.request.user is user


@both
def test_nobody_is_the_user_where_nobody_was_asked(
    transport: str, new_server: NewServer
) -> None:
    server = new_server()
    opening(server, transport)
    (session,) = server.engine.sessions.values()
    assert session.user is None


def test_an_upgrade_does_not_change_the_user(new_server: NewServer) -> None:
    users = iter(["ada", "grace"])
    client = new_server(allow_request=lambda _: Admit(next(users))).open_polling()
    client.upgrade()
    assert client.session.user == "ada"
    assert next(users, None) is None


@pytest.mark.parametrize("answer", [0, object(), b"yes", ("ada",)])
def test_an_answer_that_makes_no_sense_is_logged(
    answer: object, new_server: NewServer
) -> None:
    server = new_server(allow_request=lambda _: answer)
    with capturedLogs() as logs:
        assert server.request().answer.status == 403
    (line,) = [formatEvent(each) for each in logs if each["log_level"].name == "error"]
    assert line == (
        f"allow_request returned a value of type {type(answer).__name__}, which "
        "refuses the client: expected True or Admit(user) to let it in, or False, None "
        "or a str to refuse it"
    )


# --- generate_id ----------------------------------------------------------------------


@both
@pytest.mark.behaviour("B021", "B022")
@pytest.mark.parametrize("say", [lambda value: value, succeed, coroutine])
def test_the_id_may_be_the_applications(
    say: Callable[[object], object], transport: str, new_server: NewServer
) -> None:
    server = new_server(generate_id=lambda _: say("custom id"))
    exchange = opening(server, transport)
    assert is_opened(exchange)
    assert list(server.engine.sessions) == ["custom id"]
    assert server.session("custom id").id == "custom id"
    if transport == "polling":
        assert '"sid":"custom id"' in exchange.answer.text
        assert server.request(sid="custom+id").is_pending


@both
@pytest.mark.behaviour("B023", "B024")
@pytest.mark.parametrize("later", [False, True])
def test_a_failing_generator_refuses_the_client(
    later: bool,
    transport: str,
    new_server: NewServer,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def generate(_request: object) -> object:
        if later:
            return fail(ZeroDivisionError("no id"))
        raise ZeroDivisionError("no id")

    server = new_server(generate_id=generate)
    events = listen_for_errors(server)
    refused = opening(server, transport).answer
    assert (refused.status, refused.json["code"]) == (400, 3)
    assert b"no id" not in refused.body
    (event,) = events
    assert event.context["name"] == "ID_GENERATION_ERROR"
    assert isinstance(event.context["error"], ZeroDivisionError)
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    server.assert_nothing_left()


@both
@pytest.mark.parametrize("sid", ["", None, 7, b"bytes"])
def test_an_id_that_cannot_be_used_refuses_the_client(
    sid: object, transport: str
) -> None:
    server = Server.new(generate_id=lambda _: sid)
    events = listen_for_errors(server)
    refused = opening(server, transport).answer
    assert (refused.status, refused.json["code"]) == (400, 3)
    assert events[0].context["name"] == "ID_GENERATION_ERROR"
    server.assert_nothing_left()


@both
def test_an_id_of_the_application_names_the_node(transport: str) -> None:
    server = Server.new(generate_id=lambda _: "chosen", node_name="n1")
    assert is_opened(opening(server, transport))
    assert server.session("n1-chosen").id == "n1-chosen"
    # It is taken under the name that it has.
    refused = opening(server, transport).answer
    assert (refused.status, refused.json["code"]) == (400, 3)


@both
def test_an_id_names_the_node_and_is_as_random_as_ever(transport: str) -> None:
    server = Server.new(node_name="n1")
    assert is_opened(opening(server, transport))
    (sid,) = server.engine.sessions
    assert re.fullmatch(r"n1-[\w-]{20}", sid)
    assert server.request(sid="n2" + sid[2:]).answer.json["code"] == 1
    assert server.request(sid=sid[3:]).answer.json["code"] == 1


@pytest.mark.parametrize("name", ["", "a-b", "a" * 13, "ä", "a\n", 5, b"a"])
def test_names_of_nodes_are_letters_and_digits(name: Any) -> None:
    with pytest.raises(InvalidOption, match="node_name must be 1 to 12 ASCII"):
        Server.new(node_name=name)


@both
def test_the_id_of_an_open_session_is_refused_and_free_again_after_it(
    transport: str,
) -> None:
    server = Server.new(generate_id=lambda _: "same")
    assert is_opened(opening(server, transport))
    first = server.session("same")
    refused = opening(server, transport).answer
    assert (refused.status, refused.json["code"]) == (400, 3)
    assert server.session("same") is first
    first.close(discard=True)
    assert is_opened(opening(server, transport))


def test_of_two_that_wait_for_the_same_id_one_gets_it(new_server: NewServer) -> None:
    waiting: list[Deferred[str]] = []

    def generate(_request: object) -> Deferred[str]:
        waiting.append(Deferred())
        return waiting[-1]

    server = new_server(generate_id=generate)
    exchanges = [opening(server, "polling"), opening(server, "websocket")]
    for deferred in waiting:
        deferred.callback("same")
    assert [is_opened(exchange) for exchange in exchanges] == [True, False]
    assert len(server.engine.sessions) == 1


@both
def test_a_client_that_has_gone_while_its_id_was_made_gets_no_session(
    transport: str, new_server: NewServer
) -> None:
    waiting: Deferred[str] = Deferred(lambda _: None)
    server = new_server(generate_id=lambda _: waiting)
    opening(server, transport).abort()
    if not waiting.called:
        waiting.callback("late")
    assert server.application.built == []
    server.assert_nothing_left()


@both
def test_an_id_that_never_comes_is_not_waited_for(
    transport: str, new_server: NewServer
) -> None:
    server = new_server(generate_id=lambda _: Deferred())
    exchange = opening(server, transport)
    server.advance(HOOK_TIMEOUT + 0.1)
    assert exchange.answer.status == 503
    server.assert_nothing_left()


def test_ids_are_random_and_of_the_urls_alphabet() -> None:
    server = Server.new()
    sids = {server.open_polling().sid for _ in range(50)}
    assert len(sids) == 50
    assert all(len(sid) == 20 for sid in sids)
    assert all(set(sid) <= set("-_") | set(filter(str.isalnum, sid)) for sid in sids)
    # Nothing that a stranger could count on: the first characters differ, too.
    assert len({sid[:4] for sid in sids}) == 50


def test_a_hook_that_answers_the_request_itself_opens_no_session(
    new_server: NewServer,
) -> None:
    def answer(request: Any) -> bool:
        request.setResponseCode(402)
        request.finish()
        return True

    server = new_server(allow_request=answer)
    assert server.request().answer.status == 402
    assert server.application.built == []
    server.assert_nothing_left()
