"""What holds for the machine is divided among its workers."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.python.usage import UsageError

from txengineio.server.options.engine import EngineOptions
from txengineio.twistd.options import Options
from txengineio.twistd.shares import DIVIDED, check_shares, shares_of
from txengineio.twistd.supervisor.control import Assignment, WorkerSettings


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_shares_are_the_whole(workers: int) -> None:
    given = {"max_sessions": 100, "handshakes_per_second": 5.0, "ping_interval": 7.0}
    shares = [shares_of(given, workers, slot) for slot in range(workers)]
    for name in DIVIDED:
        whole = getattr(EngineOptions.from_mapping(given), name)
        assert sum(share[name] for share in shares) == pytest.approx(whole)
    for share in shares:
        assert share.keys() <= set(DIVIDED)
        EngineOptions.from_mapping({**given, **share})


def test_what_has_no_limit_has_none_in_each() -> None:
    given: dict[str, Any] = dict.fromkeys(DIVIDED)
    assert shares_of(given, 3, 0) == {}
    check_shares(given, 3)


def test_defaults_are_divided_too() -> None:
    defaults = EngineOptions()
    assert defaults.max_sessions is not None
    share = shares_of({}, 4, 0)
    assert share["max_sessions"] * 4 == defaults.max_sessions
    assert "handshakes_per_second" not in share


def test_a_worker_is_given_its_share() -> None:
    arguments = ["--workers", "3", "--max-sessions", "7", "--max-buffered-bytes", "9"]
    shares = []
    for slot in range(3):
        options = Options()
        settings = WorkerSettings(
            slot=slot, workers=3, node=f"w{slot}a", directory="/nowhere"
        )
        options["assignment"] = Assignment(
            settings=settings,
            command="",
            arguments=arguments,
            sockets=[],
            reactor="",
            path=[],
            folder="",
            timeout=1.0,
        )
        options.parseOptions(arguments)
        shares.append(options["engine_options"])
    assert [share["max_sessions"] for share in shares] == [3, 2, 2]
    assert [share["max_buffered_bytes"] for share in shares] == [9, 9, 9]


def test_each_worker_needs_a_share() -> None:
    check_shares({"max_sessions": 3}, 3)
    with pytest.raises(UsageError, match="--max-sessions 2 is for all --workers"):
        check_shares({"max_sessions": 2}, 3)
