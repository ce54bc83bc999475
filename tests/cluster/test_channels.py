"""Who listens to what other nodes say, and who answers."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from tests.conftest import FlushLoggedErrors
from tests.doubles import has_fired
from txengineio.cluster.channels import Channels


def outcome(deferred: Deferred[bytes | None]) -> bytes | None:
    found: list[bytes | None] = []
    deferred.addCallback(found.append)
    (only,) = found
    return only


def test_all_who_listen_hear_until_they_stop(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    channels = Channels()
    heard: list[tuple[str, bytes]] = []

    def hear(node: str, data: bytes) -> None:
        heard.append((node, data))

    def fail(_node: str, _data: bytes) -> None:
        raise KeyError

    channels.subscribe("c", fail)
    ends = [channels.subscribe("c", hear) for _ in range(2)]
    channels.published("n1", "c", b"one")
    channels.published("n1", "other", b"not heard")
    assert heard == [("n1", b"one")] * 2
    assert len(flush_logged_errors(KeyError)) == 1
    for end in ends:
        end()
        end()
    channels.published("n1", "c", b"two")
    assert len(heard) == 2
    assert len(flush_logged_errors(KeyError)) == 1


def test_one_answers_now_or_later() -> None:
    channels = Channels()
    assert outcome(channels.asked("n1", "c", b"?")) is None
    end = channels.answer("c", lambda node, data: f"{node} {data!r}".encode())
    assert outcome(channels.asked("n1", "c", b"?")) == b"n1 b'?'"
    with pytest.raises(ValueError, match="the channel 'c' has a function that answers"):
        channels.answer("c", lambda _node, data: data)
    end()
    later: Deferred[bytes] = Deferred()

    async def answer(_node: str, data: bytes) -> bytes:
        return data + await later

    channels.answer("c", answer)
    end()
    answered = channels.asked("n1", "c", b"not ")
    assert not has_fired(answered)
    later.callback(b"yet")
    assert outcome(answered) == b"not yet"


def test_an_answer_that_fails_is_none(flush_logged_errors: FlushLoggedErrors) -> None:
    channels = Channels()

    def fail(_node: str, _data: bytes) -> bytes:
        raise KeyError

    channels.answer("c", fail)
    assert outcome(channels.asked("n1", "c", b"")) is None
    assert len(flush_logged_errors(KeyError)) == 1
