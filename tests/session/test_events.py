"""Named events: who is called, in which order, and what an exception does."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail

from tests.conftest import FlushLoggedErrors
from txengineio.errors import LocalProtocolError
from txengineio.session.events import EventEmitter


class Bell(EventEmitter):
    EVENTS = frozenset({"ring", "break"})
    FREQUENT = frozenset({"ring"})


def test_handlers_are_called_in_order_with_the_arguments() -> None:
    bell = Bell()
    calls: list[object] = []
    bell.on("ring", lambda *arguments: calls.append(("first", *arguments)))
    bell.on("ring", lambda *arguments: calls.append(("second", *arguments)))
    bell.emit("ring", 1, "a")
    assert calls == [("first", 1, "a"), ("second", 1, "a")]


def test_on_returns_the_handler_so_that_it_can_be_taken_off() -> None:
    bell = Bell()
    calls: list[str] = []
    handler = bell.on("ring", lambda: calls.append("ring"))
    other = bell.on("ring", lambda: calls.append("other"))
    bell.off("ring", handler)
    bell.emit("ring")
    assert calls == ["other"]
    bell.off("ring", other)
    bell.emit("ring")
    assert calls == ["other"]


def test_off_without_a_handler_takes_all_of_that_event() -> None:
    bell = Bell()
    calls: list[str] = []
    bell.on("ring", lambda: calls.append("ring"))
    bell.on("ring", lambda: calls.append("ring"))
    bell.on("break", lambda: calls.append("break"))
    bell.off("ring")
    bell.emit("ring")
    bell.emit("break")
    assert calls == ["break"]


def test_a_bound_method_can_be_taken_off() -> None:
    bell = Bell()
    calls: list[int] = []
    bell.on("ring", calls.append)
    bell.off("ring", calls.append)
    bell.emit("ring", 1)
    assert calls == []


def test_off_ignores_a_handler_that_was_never_added() -> None:
    bell = Bell()
    bell.off("ring", print)
    bell.on("ring", handler := lambda: None)
    bell.off("ring", print)
    assert bell.handlers == {"ring": [handler]}


def test_nothing_is_kept_while_nobody_listens() -> None:
    bell = Bell()
    assert bell.handlers is None
    bell.emit("ring")
    handler = bell.on("ring", lambda: None)
    bell.off("ring", handler)
    assert bell.handlers is None


def test_an_event_that_has_no_handler_beside_one_that_has() -> None:
    bell = Bell()
    bell.on("ring", lambda: None)
    bell.emit("break")


@pytest.mark.parametrize("method", ["on", "off"])
def test_an_unknown_event_is_refused_with_the_names_of_those_there_are(
    method: str,
) -> None:
    with pytest.raises(LocalProtocolError, match=r"'rign'.*break, ring"):
        getattr(Bell(), method)("rign", print)


def test_a_handler_may_take_itself_off_while_it_is_called() -> None:
    bell = Bell()
    calls: list[str] = []

    def once() -> None:
        bell.off("ring", once)
        calls.append("once")

    bell.on("ring", once)
    bell.on("ring", lambda: calls.append("always"))
    bell.emit("ring")
    bell.emit("ring")
    assert calls == ["once", "always", "always"]


def test_an_exception_in_one_handler_is_logged_and_the_next_is_called(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    bell = Bell()
    calls: list[str] = []

    def faulty() -> None:
        raise ZeroDivisionError

    bell.on("ring", faulty)
    bell.on("ring", lambda: calls.append("next"))
    bell.emit("ring")
    assert calls == ["next"]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_a_failing_deferred_and_a_failing_coroutine_are_logged(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    bell = Bell()
    waiting: Deferred[None] = Deferred()

    async def coroutine() -> None:
        await waiting
        raise KeyError

    bell.on("ring", lambda: fail(ZeroDivisionError()))
    bell.on("ring", coroutine)
    bell.emit("ring")
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    waiting.callback(None)
    assert len(flush_logged_errors(KeyError)) == 1


def test_a_handler_of_a_rare_event_makes_no_frequent_one_slower() -> None:
    bell = Bell()
    calls: list[str] = []
    bell.on("break", calls.append)
    assert bell.handlers is None
    bell.emit("break", "broken")
    assert calls == ["broken"]
    bell.off("break")
    bell.emit("break", "again")
    assert calls == ["broken"]
