"""How a session opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from tests.conformance.memory import Server
from tests.conformance.peers import (
    OPEN_PACKET_DELAY,
    PollingPeer,
    WebSocketPeer,
    open_websocket,
    server_for,
    split,
)
from tests.conftest import FlushLoggedErrors
from txengineio import ErrorCode, Session

COOKIES = [
    pytest.param(True, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="B011"),
    pytest.param({}, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="defaults"),
    pytest.param(
        {"name": "woot"}, "woot=SID; Path=/; HttpOnly; SameSite=Lax", id="B012"
    ),
    pytest.param(
        {"path": "/custom"}, "io=SID; Path=/custom; HttpOnly; SameSite=Lax", id="B013"
    ),
    pytest.param({"path": False}, "io=SID; HttpOnly; SameSite=Lax", id="B014"),
    pytest.param(
        {"http_only": True}, "io=SID; Path=/; HttpOnly; SameSite=Lax", id="B015"
    ),
    pytest.param(
        {"same_site": "strict"}, "io=SID; Path=/; HttpOnly; SameSite=Strict", id="B016"
    ),
    pytest.param({"http_only": False}, "io=SID; Path=/; SameSite=Lax", id="B017"),
    pytest.param(
        {"max_age": 60, "domain": "example.org", "secure": True, "same_site": "none"},
        "io=SID; Max-Age=60; Domain=example.org; Path=/; HttpOnly; Secure; "
        "SameSite=None",
        id="all",
    ),
]


@pytest.mark.behaviour("B011", "B012", "B013", "B014", "B015", "B016", "B017")
@pytest.mark.parametrize(("cookie", "expected"), COOKIES)
def test_the_cookie_of_a_polling_handshake(
    revision: int, cookie: Any, expected: str
) -> None:
    server = server_for(revision, cookie=cookie)
    peer = PollingPeer(server, revision, "&b64=1")
    value = peer.handshake.response.header("Set-Cookie")
    assert value == expected.replace("SID", peer.sid)
    assert peer.post("4a").response.header("Set-Cookie") is None


@pytest.mark.behaviour("B018")
def test_any_true_value_switches_http_only_on(revision: int) -> None:
    server = server_for(revision, cookie={"http_only": "no"})
    peer = PollingPeer(server, revision)
    value = peer.handshake.response.header("Set-Cookie")
    assert value == f"io={peer.sid}; Path=/; HttpOnly; SameSite=Lax"


@pytest.mark.behaviour("B011")
def test_the_cookie_of_an_unusual_id_is_encoded() -> None:
    server = Server(cookie=True, generate_id=lambda request: "a b/ü")
    cookie = server.get("?EIO=4&transport=polling").response.header("Set-Cookie")
    assert cookie is not None
    assert cookie.startswith("io=a%20b%2F%C3%BC; ")


@pytest.mark.behaviour("B019")
@pytest.mark.parametrize("options", [{}, {"cookie": False}])
def test_no_cookie_unless_asked_for(options: dict[str, Any]) -> None:
    peer = PollingPeer(server_for(3, **options), 3)
    assert peer.handshake.response.header("Set-Cookie") is None


@pytest.mark.behaviour("B019")
def test_no_cookie_on_a_websocket(revision: int) -> None:
    websocket = open_websocket(server_for(revision, cookie=True), revision)
    assert websocket.response.header("Set-Cookie") is None


@pytest.mark.behaviour("B020")
def test_the_sessions_of_an_engine(revision: int) -> None:
    server = server_for(revision)
    assert len(server.engine.sessions) == 0
    peer = PollingPeer(server, revision)
    assert list(server.engine.sessions) == [peer.sid]
    assert server.engine.sessions[peer.sid] is server.session


async def later(request: object) -> str:
    return "my-id"


@pytest.mark.behaviour("B021", "B022")
@pytest.mark.parametrize(
    "generate_id",
    [lambda request: "my-id", lambda request: succeed("my-id"), later],
    ids=["at once", "Deferred", "coroutine"],
)
def test_an_id_of_the_application(
    revision: int, generate_id: Callable[[Any], Any]
) -> None:
    server = server_for(revision, generate_id=generate_id)
    peer = PollingPeer(server, revision)
    assert peer.sid == "my-id"
    assert server.engine.sessions["my-id"].id == "my-id"


@pytest.mark.behaviour("B022")
def test_an_id_that_comes_later_finds_what_the_websocket_sent_meanwhile(
    revision: int,
) -> None:
    sid: Deferred[str] = Deferred()
    server = server_for(revision, echo=True, generate_id=lambda request: sid)
    target = f"?EIO={revision}&transport=websocket"
    websocket = WebSocketPeer(server, target)
    websocket.send("4early")
    assert not websocket.answered
    sid.callback("my-id")
    server.advance(OPEN_PACKET_DELAY)
    assert websocket.received()[1:] == ["4early"]


@pytest.mark.behaviour("B022")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_that_leaves_before_it_has_an_id_gets_no_session(
    revision: int, transport: str
) -> None:
    sid: Deferred[str] = Deferred()
    server = server_for(revision, generate_id=lambda request: sid)
    target = f"?EIO={revision}&transport={transport}"
    if transport == "polling":
        connection = server.get(target).connection
    else:
        connection = WebSocketPeer(server, target).connection
    connection.abort()
    sid.callback("my-id")
    assert server.sessions == []


def failing_id(request: object) -> Any:
    raise RuntimeError("no id")


@pytest.mark.behaviour("B023", "B024")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    "generate_id",
    [failing_id, lambda request: fail(RuntimeError("no id"))],
    ids=["at once", "later"],
)
def test_without_an_id_the_client_is_refused(
    revision: int,
    transport: str,
    generate_id: Callable[[Any], Any],
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = server_for(revision, generate_id=generate_id)
    target = f"?EIO={revision}&transport={transport}"
    if transport == "polling":
        response = server.get(target).response
    else:
        response = WebSocketPeer(server, target).response
    assert response.status == 400
    assert response.json() == {"code": 3, "message": "Bad request"}
    assert server.context["name"] == "ID_GENERATION_ERROR"
    assert isinstance(server.context["error"], RuntimeError)
    (error,) = server.errors
    assert error.code is ErrorCode.BAD_REQUEST
    assert error.message == "Bad request"
    assert flush_logged_errors(RuntimeError)


@pytest.mark.behaviour("B023")
@pytest.mark.parametrize("sid", ["", None, "taken", 7])
def test_an_id_that_cannot_be_used_is_refused(revision: int, sid: Any) -> None:
    ids = iter(["taken", sid])
    server = server_for(revision, generate_id=lambda request: next(ids))
    peer = PollingPeer(server, revision)
    response = server.get(f"?EIO={revision}&transport=polling").response
    assert response.status == 400
    assert server.context["name"] == "ID_GENERATION_ERROR"
    assert peer.is_alive()


@pytest.mark.behaviour("B025")
def test_the_open_packet(revision: int) -> None:
    opening = PollingPeer(server_for(revision), revision).opening
    assert isinstance(opening["sid"], str)
    assert opening["pingInterval"] == 25000
    assert opening["pingTimeout"] == 20000
    assert opening["upgrades"] == ["websocket"]
    assert opening["maxPayload"] == 1000000


@pytest.mark.behaviour("B025")
def test_ids_are_unlike_each_other_and_go_into_a_url(revision: int) -> None:
    server = server_for(revision)
    sids = {PollingPeer(server, revision).sid for _ in range(20)}
    assert len(sids) == 20
    assert all(len(sid) >= 20 and quote(sid, safe="") == sid for sid in sids)


@pytest.mark.behaviour("B026")
def test_durations_are_told_in_milliseconds(revision: int) -> None:
    server = server_for(revision, ping_timeout=0.123, ping_interval=1.5)
    opening = PollingPeer(server, revision).opening
    assert opening["pingTimeout"] == 123
    assert opening["pingInterval"] == 1500


@pytest.mark.behaviour("B027", "B028")
def test_the_connection_event_hands_over_a_polling_session(revision: int) -> None:
    seen: list[tuple[str, str, int]] = []

    def remember(session: Session) -> None:
        seen.append(
            (session.transport.name, session.ready_state.value, len(server.sessions))
        )

    server = server_for(revision, on_connection=remember)
    PollingPeer(server, revision)
    assert isinstance(server.session, Session)
    assert server.session.protocol_revision == revision
    assert seen == [("polling", "open", 1)]


@pytest.mark.behaviour("B029")
@pytest.mark.parametrize("transports", [("websocket",), ("polling", "websocket")])
def test_a_session_may_start_on_websocket(
    revision: int, transports: tuple[str, ...]
) -> None:
    server = server_for(revision, transports=transports)
    open_websocket(server, revision)
    assert server.session.transport.name == "websocket"


@pytest.mark.behaviour("B030", "B031", "B032", "B033")
@pytest.mark.parametrize(
    ("options", "upgrades"),
    [
        ({}, ["websocket"]),
        ({"transports": ("polling",)}, []),
        ({"allow_upgrades": False}, []),
    ],
    ids=["default", "polling only", "no upgrades"],
)
def test_the_upgrades_that_are_offered(
    revision: int, options: dict[str, Any], upgrades: list[str]
) -> None:
    peer = PollingPeer(server_for(revision, **options), revision)
    assert peer.opening["upgrades"] == upgrades


@pytest.mark.behaviour("B030")
def test_a_websocket_session_is_offered_no_upgrade(revision: int) -> None:
    assert open_websocket(server_for(revision), revision).opening["upgrades"] == []


@pytest.mark.behaviour("B031")
def test_a_disabled_websocket_is_unknown(revision: int) -> None:
    server = server_for(revision, transports=("polling",))
    websocket = WebSocketPeer(server, f"?EIO={revision}&transport=websocket")
    assert websocket.response.status == 400
    assert websocket.response.json()["code"] == 0


@pytest.mark.behaviour("B066")
def test_disabled_polling_is_unknown(revision: int) -> None:
    server = server_for(revision, transports=("websocket",))
    response = server.get(f"?EIO={revision}&transport=polling").response
    assert response.status == 400
    assert response.json()["code"] == 0


@pytest.mark.behaviour("B033")
def test_upgrades_that_are_not_allowed_are_refused(revision: int) -> None:
    server = server_for(revision, allow_upgrades=False, echo=True)
    peer = PollingPeer(server, revision)
    assert peer.websocket().response.status == 400
    peer.post("4a")
    assert peer.receive() == ["4a"]


@pytest.mark.behaviour("B034")
def test_a_plain_get_for_websocket_is_a_mismatch(revision: int) -> None:
    server = server_for(revision, echo=True, allow_upgrades=False)
    peer = PollingPeer(server, revision)
    target = f"?EIO={revision}&transport=websocket&sid={peer.sid}"
    response = server.get(target).response
    assert response.status == 400
    assert response.json() == {"code": 3, "message": "Bad request"}
    assert server.context == {
        "name": "TRANSPORT_MISMATCH",
        "transport": "websocket",
        "previousTransport": "polling",
    }
    peer.post("4still here")
    assert peer.receive() == ["4still here"]


@pytest.mark.behaviour("B034")
def test_a_plain_get_for_a_websocket_session_is_answered(revision: int) -> None:
    server = server_for(revision, echo=True)
    websocket = open_websocket(server, revision)
    target = f"?EIO={revision}&transport=websocket&sid={websocket.sid}"
    assert server.get(target).response.json()["code"] == 3
    websocket.send("4a")
    assert websocket.received() == ["4a"]


@pytest.mark.behaviour("B034")
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_for_a_session_is_not_allowed(
    revision: int, method: str
) -> None:
    server = server_for(revision)
    peer = PollingPeer(server, revision)
    response = server.request(method, peer.target).response
    assert response.status == 405
    assert response.header("Allow") == "GET, POST"
    assert peer.is_alive()


@pytest.mark.behaviour("B035", "B036")
def test_the_query_of_the_first_request(revision: int) -> None:
    server = server_for(revision)
    PollingPeer(server, revision, "&a=b&c=d&e=1&e=2%20+3")
    query = server.session.request.query
    assert query["a"] == "b"
    assert query["c"] == "d"
    assert query["e"] == "2  3"
    assert query["transport"] == "polling"
    assert query["EIO"] == str(revision)


@pytest.mark.behaviour("B037")
def test_a_plain_get_handshake_for_websocket_is_refused_with_cors_headers() -> None:
    server = server_for(3, cors={"origin": "http://engine.io", "credentials": True})
    headers = {"Origin": "http://engine.io"}
    response = server.get("?transport=websocket", headers).response
    assert response.status == 400
    assert response.json() == {"code": 3, "message": "Bad request"}
    assert response.header("Access-Control-Allow-Credentials") == "true"
    assert response.header("Access-Control-Allow-Origin") == "http://engine.io"
    assert server.context["name"] == "TRANSPORT_HANDSHAKE_ERROR"


@pytest.mark.behaviour("B038")
@pytest.mark.parametrize("origin", ["http://a\x01b", "http://a\x7f", "\x1b[0m"])
def test_an_origin_with_control_characters_is_refused(origin: str) -> None:
    server = server_for(3)
    response = server.get("?transport=websocket", {"Origin": origin}).response
    assert response.status == 400
    assert response.json() == {"code": 3, "message": "Bad request"}
    assert server.context == {"name": "INVALID_ORIGIN", "origin": origin}


@pytest.mark.behaviour("B038")
@pytest.mark.parametrize("origin", ["http://a\tb", "http://\xe4\xff.example", ""])
def test_an_unusual_origin_is_not_refused(origin: str) -> None:
    server = server_for(3, allowed_origins="*")
    exchange = server.get("?transport=polling", {"Origin": origin})
    assert exchange.status == 200


@pytest.mark.behaviour("B039")
def test_options_without_cors_is_a_bad_handshake() -> None:
    server = server_for(3)
    response = server.request("OPTIONS", "?transport=polling").response
    assert response.status == 400
    assert response.json() == {"code": 2, "message": "Bad handshake method"}
    assert server.context == {"method": "OPTIONS"}


@pytest.mark.behaviour("B040")
@pytest.mark.parametrize("query", ["&EIO=3", "", "&EIO=5"])
def test_revision_3_must_be_allowed(query: str) -> None:
    server = Server()
    response = server.get(f"?transport=polling{query}").response
    assert response.status == 400
    assert response.json() == {"code": 5, "message": "Unsupported protocol version"}
    assert server.context == {"protocol": 3}


@pytest.mark.behaviour("B041")
@pytest.mark.parametrize("packet", ["faster!", "€😀"])
def test_the_initial_packet_comes_with_the_handshake(
    revision: int, packet: str
) -> None:
    server = server_for(revision, initial_packet=packet)
    peer = PollingPeer(server, revision)
    assert split(revision, peer.handshake.text)[1:] == [f"4{packet}"]


@pytest.mark.behaviour("B041")
def test_a_binary_initial_packet() -> None:
    peer = PollingPeer(Server(initial_packet=b"\x01\x02"))
    assert split(4, peer.handshake.text)[1:] == ["bAQI="]
    peer = PollingPeer(server_for(3, initial_packet=b"\x01\x02"), 3)
    response = peer.handshake.response
    assert response.header("Content-Type") == "application/octet-stream"
    assert response.body.endswith(b"\x01\x03\xff\x04\x01\x02")
    peer = PollingPeer(server_for(3, initial_packet=b"\x01\x02"), 3, "&b64=1")
    assert split(3, peer.handshake.text)[1:] == ["b4AQI="]


@pytest.mark.behaviour("B041")
def test_the_initial_packet_is_the_second_frame_of_a_websocket(revision: int) -> None:
    server = server_for(revision, initial_packet="faster!")
    websocket = open_websocket(server, revision)
    assert websocket.received() == ["4faster!"]


@pytest.mark.behaviour("B042")
@pytest.mark.parametrize("path", ["", "/", "/foo/bar/", "/default/"])
@pytest.mark.parametrize("plain_site", [True, False])
def test_the_path_with_and_without_a_slash_and_below(
    plain_site: bool, path: str
) -> None:
    server = server_for(3, plain_site=plain_site)
    assert server.get(f"/engine.io{path}?transport=polling").status == 200


@pytest.mark.behaviour("B042")
@pytest.mark.parametrize("path", ["/engine.iofoo", "/ENGINE.IO/", "//engine.io/", "/"])
@pytest.mark.parametrize("plain_site", [True, False])
def test_other_paths_are_not_the_engines(plain_site: bool, path: str) -> None:
    server = server_for(3, plain_site=plain_site)
    status = server.get(f"{path}?transport=polling").status
    assert status == (404 if plain_site else 501)
    assert server.sessions == []
