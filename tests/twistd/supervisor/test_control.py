"""Lines between the supervisor and its workers."""

from __future__ import annotations

import json

from txengineio.twistd.supervisor.control import (
    Assignment,
    Lines,
    Order,
    Report,
    WorkerSettings,
    line_of,
    message_in,
)


def test_a_line_is_a_word_and_its_value() -> None:
    assert line_of(Report.READY) == b"ready\n"
    assert line_of(Order.RESTARTS, [0, 2]) == b"restarts [0, 2]\n"
    assert message_in(b"ready") == ("ready", "")
    assert message_in(b"restarts [0, 2]") == ("restarts", "[0, 2]")


def test_a_value_never_breaks_a_line() -> None:
    line = line_of(Report.FAILED, "one\ntwo \N{SNOWMAN}")
    assert line.count(b"\n") == 1
    word, value = message_in(line.removesuffix(b"\n"))
    assert (word, json.loads(value)) == ("failed", "one\ntwo \N{SNOWMAN}")


def test_lines_come_in_pieces() -> None:
    lines = Lines()
    assert list(lines.received(b"rea")) == []
    assert list(lines.received(b"dy\nalive\n\nal")) == [b"ready", b"alive", b""]
    assert lines.rest() == b"al"
    assert list(lines.received(b"ive\n")) == [b"alive"]
    assert lines.rest() == b""


def test_an_assignment_is_the_same_on_the_other_side() -> None:
    assignment = Assignment(
        settings=WorkerSettings(
            slot=1, workers=3, node="w1a", directory="/run/nodes", restarts=[0, 4, 0]
        ),
        command="txengineio.twistd.options:Options",
        arguments=["--app", "chat:Chat"],
        sockets=[[5, 6], [7]],
        reactor="twisted.internet.epollreactor",
        path=["", "/srv"],
        folder="/srv",
        timeout=10.0,
    )
    _, value = message_in(line_of(Order.ASSIGNMENT, assignment.to_value())[:-1])
    assert Assignment.from_value(json.loads(value)) == assignment
