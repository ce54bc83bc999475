"""The options that the engine shares with the reference, and their flags."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.conftest import FlushLoggedErrors
from tests.server.conftest import NewServer
from txengineio.application import EngineIOProtocol
from txengineio.errors import ErrorCode, InvalidOption
from txengineio.server.engine import Engine
from txengineio.server.options.compression import HttpCompression
from txengineio.server.options.cookies import CookieOptions
from txengineio.server.options.cors import CorsOptions
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.options.engine import EngineOptions
from txengineio.server.options.limits import Limits
from txengineio.server.requests.hook_timeout import HOOK_TIMEOUT
from txengineio.twistd.options import Options


def given(*arguments: str) -> dict[str, Any]:
    """The engine's options for a command line."""
    options = Options()
    options.parseOptions(list(arguments))
    found: dict[str, Any] = options["engine_options"]
    return found


# --- flags ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--allow-eio3"], {"allow_eio3": True}),
        (["--no-allow-upgrades"], {"allow_upgrades": False}),
        (["--no-http-compression"], {"http_compression": False}),
        (["--per-message-deflate"], {"per_message_deflate": True}),
        (["--initial-packet", "hi"], {"initial_packet": "hi"}),
        (["--cookie", "io"], {"cookie": {"name": "io"}}),
        (
            ["--cors-origin", "http://a", "--cors-origin", "http://b"],
            {"cors": {"origin": ["http://a", "http://b"], "credentials": False}},
        ),
        (
            ["--cors-origin", "http://a", "--cors-credentials"],
            {"cors": {"origin": ["http://a"], "credentials": True}},
        ),
        (["--cors-origin", "*"], {"cors": {"origin": "*", "credentials": False}}),
    ],
)
def test_flags(arguments: list[str], expected: dict[str, Any]) -> None:
    assert given(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--cors-credentials"], "--cors-origin"),
        (["--cors-origin", "*", "--cors-credentials"], "--cors-credentials"),
        (["--cookie", "a b"], "--cookie must be"),
        (["--ping-interval", "-1"], "--ping-interval"),
    ],
)
def test_bad_flags_are_refused_by_name(arguments: list[str], named: str) -> None:
    with pytest.raises(SystemExit, match=named):
        given(*arguments)


# --- values ---------------------------------------------------------------------------


def test_defaults_are_the_references() -> None:
    options = EngineOptions()
    # The limits are what the reference has not.
    names = {field.name for field in fields(options)} - {
        field.name for field in fields(Limits)
    }
    assert {name: getattr(options, name) for name in names} == {
        "ping_interval": 25.0,
        "ping_timeout": 20.0,
        "upgrade_timeout": 10.0,
        "max_http_buffer_size": 1_000_000,
        "transports": ("polling", "websocket"),
        "allow_upgrades": True,
        "allow_request": None,
        "initial_packet": None,
        "allow_eio3": False,
        "generate_id": None,
        "node_name": None,
        "cookie": None,
        "cors": None,
        "http_compression": HttpCompression(
            threshold=1024, level=6, encodings=("gzip", "deflate")
        ),
        "per_message_deflate": None,
    }


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("cookie", CookieOptions),
        ("cors", CorsOptions),
        ("http_compression", HttpCompression),
        ("per_message_deflate", DeflateOptions),
    ],
)
def test_groups_can_be_given_in_several_ways(name: str, group: Any) -> None:
    def kept(value: object) -> Any:
        return getattr(EngineOptions.from_mapping({name: value}), name)

    assert kept(True) == kept({}) == kept(group()) == group()
    assert kept(False) is kept(None) is None
    with pytest.raises(InvalidOption, match=name):
        EngineOptions.from_mapping({name: 5})
    with pytest.raises(InvalidOption, match=f"no option 'whatever' in {name}"):
        EngineOptions.from_mapping({name: {"whatever": 1}})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"alow_eio3": True}, "did you mean allow_eio3"),
        ({"allow_eio3": 1}, "allow_eio3"),
        ({"ping_interval": 0}, "ping_interval"),
        ({"ping_timeout": True}, "ping_timeout"),
        ({"upgrade_timeout": float("nan")}, "upgrade_timeout"),
        ({"max_http_buffer_size": 1e6}, "max_http_buffer_size"),
        ({"transports": "polling"}, "transports"),
        ({"transports": []}, "transports"),
        ({"transports": ["polling", "polling"]}, "transports"),
        ({"transports": ["webtransport"]}, "transports"),
        ({"transports": 5}, "transports"),
        ({"allow_request": "no"}, "allow_request"),
        ({"generate_id": "x"}, "generate_id"),
        ({"initial_packet": 5}, "initial_packet"),
    ],
)
def test_bad_values_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        Engine(EngineIOProtocol, reactor=Clock(), **options)


# --- revision 3 -----------------------------------------------------------------------


@pytest.mark.behaviour("B040")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_revision_3_is_refused_by_default(
    new_server: NewServer, transport: str
) -> None:
    server = new_server()
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    if transport == "polling":
        answer = server.request(EIO="3").answer
    else:
        answer = server.open_websocket(EIO="3").opening.answer
    assert answer.status == 400
    assert answer.json == {"code": 5, "message": "Unsupported protocol version"}
    assert events[0].code is ErrorCode.UNSUPPORTED_PROTOCOL_VERSION
    assert events[0].context == {"protocol": 3}


@pytest.mark.parametrize("revision", ["3", "", "5", "abc"])
def test_what_is_not_revision_4_is_served_as_3(
    new_server: NewServer, revision: str
) -> None:
    server = new_server(allow_eio3=True)
    answer = server.request(EIO=revision).answer
    length, _, packet = answer.text.partition(":")
    assert int(length) == len(packet)
    sid = json.loads(packet[1:])["sid"]
    assert server.session(sid).protocol_revision == 3


# --- hooks ----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["allow_request", "generate_id"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_hook_that_never_answers_is_given_up(
    new_server: NewServer, option: str, transport: str
) -> None:
    cancelled: list[Any] = []
    options: dict[str, Any] = {option: lambda request: Deferred(cancelled.append)}
    server = new_server(**options)
    if transport == "polling":
        exchange = server.request()
    else:
        exchange = server.open_websocket().opening
    server.advance(HOOK_TIMEOUT - 1)
    assert exchange.is_pending
    server.advance(1)
    assert exchange.answer.status == 503
    assert len(cancelled) == 1
    server.assert_nothing_left()


@pytest.mark.parametrize("option", ["allow_request", "generate_id"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_that_leaves_meanwhile_gets_no_session(
    new_server: NewServer, option: str, transport: str
) -> None:
    waiting: Deferred[Any] = Deferred()
    options: dict[str, Any] = {option: lambda request: waiting}
    server = new_server(**options)
    if transport == "polling":
        exchange = server.request()
    else:
        exchange = server.open_websocket().opening
    exchange.abort()
    assert waiting.called
    assert server.application.built == []
    server.assert_nothing_left()


def test_frames_that_come_before_the_session_wait_for_it(
    new_server: NewServer,
) -> None:
    waiting: Deferred[str] = Deferred()
    server = new_server(generate_id=lambda request: waiting)
    websocket = server.open_websocket()
    websocket.send("4early")
    waiting.callback("an-id")
    assert websocket.sid == "an-id"
    assert server.application.only.messages == ["early"]


@pytest.mark.behaviour("B004", "B005")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("Thou shall not pass", "Thou shall not pass"),
        (succeed("no"), "no"),
        (False, "Forbidden"),
        (None, "Forbidden"),
        ("", "Forbidden"),
        # Only a clear yes is one.
        (1, "Forbidden"),
    ],
)
def test_allow_request_refuses(
    new_server: NewServer, transport: str, result: Any, message: str
) -> None:
    server = new_server(
        allow_request=lambda request: (
            result if not isinstance(result, Deferred) else succeed(result.result)
        )
    )
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    if transport == "polling":
        answer = server.request().answer
    else:
        answer = server.open_websocket().opening.answer
    assert answer.status == 403
    assert answer.json == {"code": 4, "message": message}
    (event,) = events
    assert (event.code, event.message) == (ErrorCode.FORBIDDEN, "Forbidden")
    expected = {} if message == "Forbidden" else {"message": message}
    assert event.context == expected


@pytest.mark.parametrize(
    "hook", [lambda request: 1 / 0, lambda request: fail(ZeroDivisionError())]
)
def test_allow_request_that_fails_is_this_sides_fault(
    new_server: NewServer, hook: Any, flush_logged_errors: FlushLoggedErrors
) -> None:
    answer = new_server(allow_request=hook).request().answer
    assert (answer.status, answer.body) == (500, b"")
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


@pytest.mark.behaviour("B023", "B024")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(lambda request: fail(ZeroDivisionError()), id="rejects"),
        pytest.param(lambda request: 1 / 0, id="raises"),
        pytest.param(lambda request: "", id="empty"),
        pytest.param(lambda request: None, id="nothing"),
        pytest.param(lambda request: b"bytes", id="bytes"),
        pytest.param(lambda request: "taken", id="taken"),
    ],
)
def test_an_id_that_cannot_be_used_refuses(
    new_server: NewServer,
    transport: str,
    hook: Any,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def generate(request: Any) -> Any:
        return hook(request) if server.engine.sessions else "taken"

    server = new_server(generate_id=generate)
    taken = server.open_polling()
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    if transport == "polling":
        answer = server.request().answer
    else:
        answer = server.open_websocket().opening.answer
    assert answer.status == 400
    assert answer.json == {"code": 3, "message": "Bad request"}
    (event,) = events
    assert event.context["name"] == "ID_GENERATION_ERROR"
    assert event.context["error"]
    assert list(server.engine.sessions) == [taken.sid]
    flush_logged_errors(ZeroDivisionError)


@pytest.mark.behaviour("B021", "B022")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("wrap", [lambda sid: sid, succeed])
def test_generate_id_chooses_the_id(
    new_server: NewServer, transport: str, wrap: Any
) -> None:
    server = new_server(generate_id=lambda request: wrap("my-id"))
    if transport == "polling":
        assert server.open_polling().sid == "my-id"
    else:
        assert server.open_websocket().sid == "my-id"
    assert list(server.engine.sessions) == ["my-id"]
    assert server.session("my-id").id == "my-id"
