"""A handshake as the dict that handlers of ``connect`` get."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.wiring import Server
from txengineio.integrations.socketio.environ import environ_of
from txengineio.server.web.resource import EngineIOResource
from txengineio.testing import RecordingApplication


def environ(headers: dict[str, str], **query: Any) -> dict[str, Any]:
    server = Server.new(RecordingApplication())
    server.request(headers=headers, **query)
    (session,) = server.engine.sessions.values()
    found = environ_of(session)
    assert found["txengineio.session"] is session
    return found


def test_a_request_has_the_names_of_pep_3333() -> None:
    found = environ({"Host": "example.org:8080", "X-Two-Words": "1"}, token="a%2Fb")
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/engine.io/",
        "QUERY_STRING": "EIO=4&transport=polling&token=a%2Fb",
        "RAW_URI": "/engine.io/?EIO=4&transport=polling&token=a%2Fb",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "8080",
        "HTTP_HOST": "example.org:8080",
        "HTTP_X_TWO_WORDS": "1",
        "wsgi.url_scheme": "http",
    }
    assert {name: found[name] for name in expected} == expected
    assert found["REMOTE_ADDR"]
    assert found["REMOTE_PORT"].isdigit()


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("example.org", "example.org", ""),
        ("example.org:80", "example.org", "80"),
        ("[::1]:8080", "[::1]", "8080"),
        ("[::1]", "[::1]", ""),
    ],
)
def test_the_name_and_port_of_a_server(host: str, name: str, port: str) -> None:
    found = environ({"Host": host})
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == (name, port)


def test_headers_are_text_of_latin_1_and_some_have_no_prefix() -> None:
    found = environ({"Host": "x", "Content-Type": "text/plain", "Cookie": "a=é"})
    assert found["CONTENT_TYPE"] == "text/plain"
    assert "HTTP_CONTENT_TYPE" not in found
    assert found["HTTP_COOKIE"] == "a=é"


def test_a_path_is_decoded_as_wsgi_wants_it() -> None:
    server = Server.new(RecordingApplication())
    root = Resource()
    root.putChild("é".encode(), EngineIOResource(server.engine))
    server.site, server.path = Site(root, reactor=server.clock), "/%C3%A9/"
    server.open_polling()
    (session,) = server.engine.sessions.values()
    assert environ_of(session)["PATH_INFO"].encode("latin-1").decode() == "/é/"


def test_a_header_cannot_pass_for_another_one() -> None:
    """Proxies set and remove ``X-Real-IP``, and let ``X_Real_IP`` pass."""
    found = environ({"Host": "x", "X-Real-IP": "192.0.2.1", "X_Real_IP": "192.0.2.9"})
    assert found["HTTP_X_REAL_IP"] == "192.0.2.1"
