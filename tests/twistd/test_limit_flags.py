"""The flags for limits: each option of the engine has one, of the same name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from txengineio.server.options.limits import Limits
from txengineio.twistd.limit_flags import EngineFlag
from txengineio.twistd.options import Options


def given(*arguments: str) -> dict[str, Any]:
    options = Options()
    options.parseOptions(list(arguments))
    found: dict[str, Any] = options["engine_options"]
    return found


def test_every_limit_has_its_flag() -> None:
    flags = {flag.option for flag in Options.flags() if isinstance(flag, EngineFlag)}
    assert {field.name for field in fields(Limits)} <= flags


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("max-sessions", "5", 5),
        ("max-sessions", "none", None),
        ("handshakes-per-second", "0.5", 0.5),
        ("first-poll-timeout", "None", None),
        ("trusted-proxies", "10.0.0.0/8, unix", ("10.0.0.0/8", "unix")),
        ("allowed-origins", "*", "*"),
        ("allowed-origins", "http://a.example", ("http://a.example",)),
    ],
)
def test_values(flag: str, text: str, value: object) -> None:
    assert given(f"--{flag}", text) == {flag.replace("-", "_"): value}


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("max-sessions", "many"),
        ("max-sessions", "0"),
        ("max-pending-messages", "none"),
        ("first-poll-timeout", "-1"),
        ("trusted-proxies", "nowhere"),
    ],
)
def test_bad_values_are_refused_by_name(flag: str, text: str) -> None:
    with pytest.raises(SystemExit, match=f"--{flag} must be"):
        given(f"--{flag}", text)
