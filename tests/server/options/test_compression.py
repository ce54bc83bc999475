from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from tests.connection import Response
from tests.server.conftest import NewServer
from tests.wiring import PollingClient, Server
from txengineio.errors import InvalidOption
from txengineio.server.options.compression import HttpCompression


def poll(client: PollingClient, accept: str | None) -> Response:
    headers = {} if accept is None else {"Accept-Encoding": accept}
    return client.poll(headers=headers).answer


def poll_bytes(
    accept: str, size: int, compress: bool = True, **options: Any
) -> Response:
    """What a client of revision 3 gets that polls for a binary message."""
    server = Server.new(transports=["polling"], allow_eio3=True, **options)
    answer = server.request(EIO="3").answer
    assert answer.status == 200
    (session,) = server.engine.sessions.values()
    session.send(bytes(size), compress=compress)
    headers = {"Accept-Encoding": accept}
    answer = server.request(EIO="3", sid=session.id, headers=headers).answer
    assert answer.header("Content-Type") == "application/octet-stream"
    return answer


def plain(size: int) -> bytes:
    """The payload with a message of so many zeros."""
    digits = bytes(int(digit) for digit in str(size + 1))
    return b"\x01" + digits + b"\xff\x04" + bytes(size)


@pytest.mark.behaviour("B130")
def test_gzip_is_used() -> None:
    answer = poll_bytes("gzip, deflate", 1024)
    assert answer.header("Content-Encoding") == "gzip"
    assert gzip.decompress(answer.body) == plain(1024)
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Vary") == "Accept-Encoding"


@pytest.mark.behaviour("B131")
def test_deflate_is_used() -> None:
    answer = poll_bytes("deflate", 1024)
    assert answer.header("Content-Encoding") == "deflate"
    assert zlib.decompress(answer.body) == plain(1024)


@pytest.mark.behaviour("B132")
def test_the_threshold_can_be_lowered() -> None:
    answer = poll_bytes("gzip, deflate", 10, http_compression={"threshold": 0})
    assert gzip.decompress(answer.body) == plain(10)


@pytest.mark.behaviour("B133")
@pytest.mark.parametrize("option", [False, None])
def test_it_can_be_switched_off(option: object) -> None:
    answer = poll_bytes("gzip, deflate", 1024, http_compression=option)
    assert answer.header("Content-Encoding") is None
    assert answer.header("Vary") is None


@pytest.mark.behaviour("B134")
def test_a_message_may_ask_not_to_be_compressed() -> None:
    answer = poll_bytes("gzip, deflate", 1024, compress=False)
    assert answer.header("Content-Encoding") is None


@pytest.mark.behaviour("B135")
def test_small_answers_are_left_alone() -> None:
    answer = poll_bytes("gzip, deflate", 100)
    assert answer.header("Content-Encoding") is None
    assert answer.body == plain(100)


@pytest.mark.parametrize(("size", "encoding"), [(1022, None), (1023, "gzip")])
def test_the_threshold_is_the_body_that_is_just_large_enough(
    size: int, encoding: str | None, new_server: NewServer
) -> None:
    client = new_server().open_polling()
    client.session.send("x" * size)
    assert poll(client, "gzip").header("Content-Encoding") == encoding


def test_one_packet_that_may_be_compressed_is_enough(new_server: NewServer) -> None:
    client = new_server().open_polling()
    client.session.send("x" * 2000, compress=False)
    client.session.send("y")
    assert poll(client, "gzip").header("Content-Encoding") == "gzip"


def test_caches_are_told_even_if_this_client_takes_nothing(
    new_server: NewServer,
) -> None:
    client = new_server().open_polling()
    client.session.send("x" * 2000)
    answer = poll(client, None)
    assert answer.header("Content-Encoding") is None
    assert answer.header("Vary") == "Accept-Encoding"


def test_posts_and_errors_are_not_compressed(new_server: NewServer) -> None:
    server = new_server(http_compression={"threshold": 0})
    client = server.open_polling()
    headers = {"Accept-Encoding": "gzip"}
    assert client.post("4a", headers=headers).answer.body == b"ok"
    answer = server.request(transport="tobi", headers=headers).answer
    assert answer.json["code"] == 0


@pytest.mark.behaviour("B231")
def test_callbacks_run_when_the_answer_is_written(new_server: NewServer) -> None:
    client = new_server().open_polling()
    exchange = client.poll(headers={"Accept-Encoding": "gzip"})
    flushed: list[str] = []
    client.session.send("x" * 2000, on_flushed=lambda each: flushed.append(each.name))
    assert exchange.answer.header("Content-Encoding") == "gzip"
    assert flushed == ["polling"]
    exchange.abort()
    assert flushed == ["polling"]


@pytest.mark.behaviour("B239")
def test_jsonp_is_compressed_like_the_rest(new_server: NewServer) -> None:
    client_server = new_server()
    answer = client_server.request(j="0").answer
    assert answer.status == 200
    (session,) = client_server.engine.sessions.values()
    session.send("x" * 1000)
    answer = client_server.request(
        sid=session.id, headers={"Accept-Encoding": "gzip"}
    ).answer
    # Only the wrapping makes it large enough.
    assert answer.header("Content-Encoding") is None
    session.send("x" * 1010)
    answer = client_server.request(
        sid=session.id, headers={"Accept-Encoding": "gzip"}
    ).answer
    assert gzip.decompress(answer.body).startswith(b"___eio[0](")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0.8, deflate;q=0.5", "gzip"),
        ("gzip ; q=0, deflate;q=0.001", "deflate"),
        ("gzip;q=0", None),
        ("*", "gzip"),
        ("*;q=0.1, deflate;q=0.2", "deflate"),
        ("gzip;q=0, *", None),
        ("*;q=0", None),
        ("identity;q=1, gzip;q=0.5", "gzip"),
        # What is not a weight is no wish for it.
        ("gzip;q=2", None),
        ("gzip;q=1.5", None),
        ("gzip;q=nan", None),
        ("gzip;q=-1", None),
        ("gzip;q=", None),
        ("gzip;q=1.", "gzip"),
        ("gzip;level=9", "gzip"),
        (",,gzip,", "gzip"),
        ("gzip;q=0, gzip", None),
    ],
)
def test_the_client_chooses(accept: str, expected: str | None) -> None:
    assert HttpCompression().choose(accept) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd, br", "zstd"),
        ("gzip, br;q=0.9", "gzip"),
        ("br;q=0, gzip", "gzip"),
    ],
)
def test_better_encodings_go_first_where_they_are_enabled(
    accept: str, expected: str
) -> None:
    pytest.importorskip("brotli")
    pytest.importorskip("zstandard")
    options = HttpCompression(encodings=("gzip", "deflate", "br", "zstd"))
    assert options.choose(accept) == expected


def test_brotli_and_zstandard_compress() -> None:
    brotli = pytest.importorskip("brotli")
    zstandard = pytest.importorskip("zstandard")
    options = HttpCompression(encodings=("br", "zstd"))
    body = b"hello " * 500
    assert brotli.decompress(options.compress(body, "br")) == body
    compressed = options.compress(body, "zstd")
    assert zstandard.ZstdDecompressor().decompress(compressed) == body


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "brotli", raising=False)
    with pytest.raises(InvalidOption, match="unless brotli is installed"):
        HttpCompression(encodings=("br",))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"treshold": 1}, "did you mean threshold"),
        ({"threshold": -1}, "http_compression threshold"),
        ({"threshold": 1.5}, "http_compression threshold"),
        ({"level": 10}, "http_compression level"),
        ({"encodings": ()}, "http_compression encodings"),
        ({"encodings": "gzip"}, "http_compression encodings"),
        ({"encodings": ["compress"]}, "http_compression encodings"),
        ({"encodings": [["gzip"]]}, "http_compression encodings"),
        ({"encodings": ["gzip", "gzip"]}, "http_compression encodings"),
        ({"encodings": 9}, "http_compression encodings"),
        (1024, "http_compression"),
    ],
)
def test_bad_options_are_refused_by_name(
    options: Any, named: str, new_server: NewServer
) -> None:
    with pytest.raises(InvalidOption, match=named):
        new_server(http_compression=options)
