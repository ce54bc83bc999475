"""Differences from the reference server that are meant: see docs/differences.md.

Each is a function that looks at what came of something on both servers, and says
whether that is the difference that it is about. Some end the scenario: from there on
the servers are not in the same state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.conformance.scenarios import LIMIT, Frames, Open, Send, Step

__all__ = ["RULES", "Difference", "Rule", "find_differences"]

Outcome = Mapping[str, Any]

_NOTHING: Outcome = {}
_OK = {"status": 200, "type": "text/html", "body": "ok"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What came of one thing.

    Attributes:
        started: The step that started it.
        now: The step that was just done.
        jsonp: Whether the session uses JSONP.
        got: What our server did.
        expected: What the reference did.
    """

    started: Step | None
    now: Step
    jsonp: bool
    got: Outcome
    expected: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A difference that is meant.

    Attributes:
        row: The first cell of its row in docs/differences.md.
        applies: Whether a case is one of it.
        ends_scenario: Whether the servers' states differ from here on.
    """

    row: str
    applies: Callable[[Case], bool]
    ends_scenario: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that came out differently.

    Attributes:
        rule: The rule that says that it is meant, or None.
        what: What came out differently.
        got: What our server did.
        expected: What the reference did.
    """

    rule: Rule | None
    what: str
    got: Outcome
    expected: Outcome


RULES: list[Rule] = []


def _rule(row: str, *, ends_scenario: bool = False) -> Callable[[Any], Any]:
    def add(applies: Callable[[Case], bool]) -> Callable[[Case], bool]:
        RULES.append(Rule(row=row, applies=applies, ends_scenario=ends_scenario))
        return applies

    return add


def find_differences(
    now: Step, started: Mapping[str, Step], got: Outcome, expected: Outcome
) -> Sequence[Difference]:
    """Return what came out differently after a step."""
    differences: list[Difference] = []
    first = started.get("request 0")
    jsonp = isinstance(first, Send) and "&j=" in first.query
    for what in sorted({*got, *expected}):
        case = Case(
            started=started.get(what),
            now=now,
            jsonp=jsonp,
            got=got.get(what, _NOTHING),
            expected=expected.get(what, _NOTHING),
        )
        if case.got != case.expected:
            rule = next((rule for rule in RULES if rule.applies(case)), None)
            differences.append(
                Difference(rule=rule, what=what, got=case.got, expected=case.expected)
            )
    return differences


def _is_post(step: Step | None) -> bool:
    return isinstance(step, Send) and step.method == "POST"


def _is_poll(step: Step | None) -> bool:
    return isinstance(step, Send) and step.method == "GET" and "sid=" in step.query


def _code(outcome: Outcome) -> int | None:
    try:
        code: int = json.loads(outcome["body"])["code"]
    except (KeyError, ValueError):
        return None
    return code


def _is_added(header: str) -> bool:
    return header.startswith(("access-control-", "set-cookie"))


def _core(outcome: Outcome) -> Outcome:
    """Leave out the headers that a middleware adds."""
    return {name: value for name, value in outcome.items() if not _is_added(name)}


def _added(outcome: Outcome) -> Outcome:
    return {name: value for name, value in outcome.items() if _is_added(name)}


def _same_added(case: Case) -> bool:
    return _added(case.got) == _added(case.expected)


def _packets(step: Step) -> list[bytes]:
    frames = step.frames if isinstance(step, Frames) else ()
    return [frame.payload for frame in frames]


@_rule("A POST that is not UTF-8; base64 that is none", ends_scenario=True)
def _bad_base64(case: Case) -> bool:
    bad = b"b!!!"
    if bad in _packets(case.now):
        return case.got.get("close", ...) is None
    bodies = [getattr(step, "body", None) or b"" for step in (case.started, case.now)]
    return any(bad in each for each in [*bodies, b"".join(bodies)])


@_rule("Revision 3: binary payloads", ends_scenario=True)
def _bad_binary_payload(case: Case) -> bool:
    now = case.now
    if not isinstance(now, Send) or "EIO=4" in now.query:
        return False
    if ("Content-Type", "application/octet-stream") not in now.headers:
        return False
    if case.started is now:
        return (case.got.get("status"), case.expected.get("status")) == (400, 200)
    # What the session's end does to other requests.
    return case.expected == _NOTHING


@_rule("A POST with an invalid payload")
def _post_refused(case: Case) -> bool:
    return (
        _is_post(case.started)
        and _core(case.got) == {"status": 400}
        and _core(case.expected) == _OK
        and _same_added(case)
    )


@_rule("Refusals of WebSockets")
def _websocket_refused_otherwise(case: Case) -> bool:
    status = case.got.get("status")
    if not isinstance(case.started, Open) or status in {None, 101}:
        return False
    if status != case.expected.get("status"):
        return False
    if _code(case.got) is None:
        # The headers of middlewares are on every answer.
        return _core(case.got) == case.expected
    message: str = json.loads(case.got["body"])["message"]
    return message == case.expected.get("body")


@_rule("An unsupported revision, `allow_request`, `generate_id` that fails")
def _refused_before_the_101(case: Case) -> bool:
    return (
        isinstance(case.started, Open)
        and _code(case.got) == 5
        and case.expected.get("status") == 101
    )


@_rule("An `Upgrade: websocket` with transport=polling")
def _upgrade_of_polling_refused(case: Case) -> bool:
    return (
        isinstance(case.started, Open)
        and "transport=polling" in case.started.query
        and _code(case.got) is not None
        and case.expected.get("status") == 101
        and "frames" not in case.expected
    )


@_rule("Methods other than GET and POST with a session's id")
def _method_not_allowed(case: Case) -> bool:
    return (
        _core(case.got) == {"status": 405}
        and _core(case.expected) == {"status": 500}
        and _same_added(case)
    )


@_rule("JSONP: the type of the script")
def _script(case: Case) -> bool:
    got = {**case.got, "type": "text/plain; charset=UTF-8"}
    script = str(case.got.get("type")).startswith("text/javascript")
    return script and got == case.expected


@_rule("JSONP: `<` in a string")
def _escaped_in_a_script(case: Case) -> bool:
    got = {**case.got, "type": "text/plain; charset=UTF-8"}
    body = str(case.got.get("body"))
    got["body"] = body.replace(r"\u003c", "<")
    return body.startswith("___eio") and got == case.expected


@_rule("A parked poll when the upgrade is completed (`5`)")
def _noop_at_the_switch(case: Case) -> bool:
    pairs = {"6": "1", "1:6": "1:1", '___eio[0]("6");': '___eio[0]("1");'}
    pairs['___eio[0]("1:6");'] = '___eio[0]("1:1");'
    body = str(case.got.get("body"))
    polled = _is_poll(case.started) and body in pairs
    return polled and pairs[body] == case.expected.get("body")


@_rule("A close packet on a WebSocket (`1`)", ends_scenario=True)
def _close_packet_on_websocket(case: Case) -> bool:
    packets = _packets(case.now)
    is_close = b"1" in packets or any(packet[:1] == b"\x01" for packet in packets)
    return is_close and "close" in case.got and "close" not in case.expected


@_rule("Revision 3: a packet of unknown type in binary or base64", ends_scenario=True)
def _bad_binary_type(case: Case) -> bool:
    bad = any(
        packet[:1] not in b"\0\1\2\3\4\5\6" or not packet
        for packet in _packets(case.now)
    )
    return bad and "close" in case.got and "close" not in case.expected


@_rule("A second WebSocket for a session that was born on one", ends_scenario=True)
def _second_websocket(case: Case) -> bool:
    return (
        isinstance(case.started, Open)
        and "sid=" in case.started.query
        and "close" in case.got
        and {**case.expected, "close": None} == case.got
    )


@_rule(
    "A plain request with `transport=websocket` and the id of a WebSocket session",
    ends_scenario=True,
)
def _answered_at_all(case: Case) -> bool:
    return (
        isinstance(case.started, Send)
        and "transport=websocket" in case.started.query
        and (_code(case.got) == 3 or case.started.method == "HEAD")
        and case.got.get("status") == 400
        and case.expected == _NOTHING
    )


@_rule("A body that is too large", ends_scenario=True)
def _refused_by_its_length(case: Case) -> bool:
    # The reference waits for the first byte too many.
    now = case.now
    if not isinstance(now, Send) or (now.announced or 0) <= LIMIT:
        return False
    return case.started is not now or case.got == {"status": 413}


@_rule("A body that is too large")
def _refused_for_its_size_alone(case: Case) -> bool:
    # Nobody has looked whether there is such a session, or whether it is a POST.
    now = case.now
    if not isinstance(now, Send) or len(now.body or b"") <= LIMIT:
        return False
    refused = case.expected.get("status") in {204, 400, 500}
    return refused and case.started is now and case.got == {"status": 413}


@_rule("A body that is too large")
def _refused_before_middlewares(case: Case) -> bool:
    same = case.got == _core(case.expected)
    return (
        _is_post(case.started)
        and same
        and case.got in ({"status": 408}, {"status": 413})
    )


@_rule("A POST that overlaps another")
def _refused_before_its_body(case: Case) -> bool:
    # No middleware has seen it.
    same = case.got == _core(case.expected) == {"status": 400}
    return _is_post(case.started) and same


@_rule(
    "A POST for which there is no session, or that fails another check",
    ends_scenario=True,
)
def _refused_when_complete(case: Case) -> bool:
    # On a busy machine the other answer may be seen only when this one is too late.
    so_far = _NOTHING if case.now is case.started else {"status": 408}
    return (
        isinstance(case.started, Send)
        and case.started.announced is not None
        and case.got == so_far
        and case.expected.get("status") in {204, 400, 500}
    )


@_rule("Messages sent while input is handled", ends_scenario=True)
def _answers_sent_together(case: Case) -> bool:
    got, expected = str(case.got.get("body")), str(case.expected.get("body"))
    if not _is_poll(case.started) or len(got) <= len(expected):
        return False
    if case.got.get("status") != case.expected.get("status"):
        return False
    if case.got["type"] == "application/octet-stream" != case.expected["type"]:
        # Revision 3, and one of the messages is binary.
        return expected.partition(":")[2] in got
    return got.replace(r"\u003c", "<").startswith(expected.removesuffix('");'))


@_rule("Messages sent while input is handled")
def _answers_not_lost(case: Case) -> bool:
    got, expected = case.got.get("frames", []), case.expected.get("frames", [])
    if {**case.got, "frames": ...} != {**case.expected, "frames": ...}:
        return False
    if len(got) > len(expected):
        return bool(got[: len(expected)] == expected)
    # The answer to a ping frame does not wait for other answers.
    return sorted(got) == sorted(expected)


@_rule("The `packet` event")
def _close_packet_in_the_log(case: Case) -> bool:
    logs = []
    for log in case.got.get("of all", ()):
        packets = [packet for packet in log["packets"] if packet[0] != 1]
        logs.append({**log, "packets": packets})
    return case.expected.get("of all") == logs


@_rule("JSONP: bytes in revision 3 without `b64`")
def _base64_in_a_script(case: Case) -> bool:
    return '({"type":"Buffer",' in str(case.expected.get("body"))


@_rule("JSONP: POSTs of any `Content-Type`", ends_scenario=True)
def _jsonp_of_any_type(case: Case) -> bool:
    octets = ("Content-Type", "application/octet-stream")
    now = case.now
    return case.jsonp and isinstance(now, Send) and octets in now.headers
