"""python-engineio's options: each means here what it means there, or is refused."""

from __future__ import annotations

from inspect import signature
from typing import Any

import engineio
import pytest

from txengineio.errors import InvalidOption, UnknownOption
from txengineio.integrations.socketio.engine_options import engine_options
from txengineio.server.options.engine import EngineOptions
from txengineio.socketio import Server

NO_COOKIE_ATTRIBUTES = {"http_only": False, "same_site": None, "path": None}


@pytest.mark.parametrize(
    ("given", "translated"),
    [
        ({"async_mode": None}, {}),
        ({"async_mode": "twisted"}, {}),
        ({"async_handlers": False}, {}),
        ({"monitor_clients": True}, {}),
        ({"logger": False}, {}),
        ({"json": None}, {}),
        ({"ping_interval": 20}, {"ping_interval": 20}),
        ({"ping_interval": (20, 5)}, {"ping_interval": 25}),
        ({"ping_timeout": 3}, {"ping_timeout": 3}),
        ({"max_http_buffer_size": 5}, {"max_http_buffer_size": 5}),
        ({"allow_upgrades": False}, {"allow_upgrades": False}),
        ({"transports": None}, {}),
        ({"transports": "websocket"}, {"transports": ("websocket",)}),
        ({"transports": ["polling"]}, {"transports": ("polling",)}),
        ({"http_compression": False}, {"http_compression": False}),
        (
            {"http_compression": True, "compression_threshold": 10},
            {"http_compression": {"threshold": 11}},
        ),
        ({"cookie": None}, {"cookie": None}),
        (
            {"cookie": "sid"},
            {
                "cookie": {
                    "name": "sid",
                    "path": "/",
                    "same_site": "lax",
                    "http_only": False,
                }
            },
        ),
        (
            {"cookie": {"name": "io", "SameSite": "Lax", "Max-Age": "9"}},
            {
                "cookie": {
                    **NO_COOKIE_ATTRIBUTES,
                    "name": "io",
                    "same_site": "lax",
                    "max_age": 9,
                }
            },
        ),
        (
            {"cookie": {"name": "io", "HttpOnly": True, "path": lambda: "/x"}},
            {
                "cookie": {
                    **NO_COOKIE_ATTRIBUTES,
                    "name": "io",
                    "http_only": True,
                    "path": "/x",
                }
            },
        ),
        ({"cors_allowed_origins": None}, {}),
        ({"cors_allowed_origins": []}, {"allowed_origins": "*"}),
        (
            {"cors_allowed_origins": "https://a.example"},
            {"cors": {"origin": ["https://a.example"], "credentials": True}},
        ),
        (
            {"cors_allowed_origins": "*", "cors_credentials": False},
            {"cors": {"origin": True, "credentials": False}, "allowed_origins": "*"},
        ),
        ({"max_sessions": 7}, {"max_sessions": 7}),
    ],
)
def test_an_option_becomes_the_engines(
    given: dict[str, Any], translated: dict[str, Any]
) -> None:
    assert engine_options(given) == translated
    EngineOptions.from_mapping(translated)


@pytest.mark.parametrize(
    ("name", "value"),
    [("async_mode", "eventlet"), ("monitor_clients", False), ("logger", True)],
)
def test_what_has_no_meaning_here_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match="engineio_logger|" + name):
        engine_options({name: value})


def test_an_option_of_nobody_is_refused() -> None:
    with pytest.raises(UnknownOption, match="ping_intervall"):
        Server(ping_intervall=3)


@pytest.mark.parametrize("arguments", [1, 2])
def test_a_function_decides_about_origins(arguments: int) -> None:
    asked: list[tuple[Any, ...]] = []

    def one(origin: str | None) -> bool:
        asked.append((origin,))
        return origin == "https://a.example"

    def two(origin: str | None, environ: Any) -> bool:
        return one(origin)

    cors = engine_options({"cors_allowed_origins": one if arguments == 1 else two})
    decide = cors["cors"]["origin"]

    assert decide("https://a.example") == "https://a.example"
    assert decide("https://b.example") is False
    assert decide(None) is False
    assert asked == [("https://a.example",), ("https://b.example",), (None,)]


def test_no_option_of_upstream_was_overlooked() -> None:
    # Those that need no translation have the same name and meaning here.
    for name in signature(engineio.Server.__init__).parameters:
        if name in ("self", "kwargs", "logger", "monitor_clients", "async_mode"):
            continue
        default = signature(engineio.Server.__init__).parameters[name].default
        EngineOptions.from_mapping(engine_options({name: default}))
