from benchmarks.measuring import Timing
from benchmarks.rounds import rotated, suited
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import SERVERS


def test_each_round_begins_with_another_server() -> None:
    assert rotated("abc", 0) == ["a", "b", "c"]
    assert rotated("abc", 1) == ["b", "c", "a"]
    assert rotated("abc", 5) == ["c", "a", "b"]
    assert rotated("", 1) == []


def names(scenario: str) -> list[str]:
    return [one.name for one in suited(list(SERVERS.values()), SCENARIOS[scenario])]


def test_reference_servers_take_part_in_what_they_can() -> None:
    assert {"autobahn", "kernel"} <= set(names("echo-single"))
    assert "autobahn" not in names("polling-1")
    assert not {"autobahn", "kernel"} & set(names("upgrade"))


def test_who_floods_needs_a_server_that_has_a_timer() -> None:
    peers = {"ours", "node", "aiohttp", "uvicorn"}
    assert peers <= set(names("fairness-pings"))
    assert not {"autobahn", "kernel", "ours-workers"} & set(names("fairness-pings"))


def test_only_our_own_growth_is_measured() -> None:
    assert names("memory-10000") == ["ours", "ours-asyncio", "ours-uvloop"]


def test_only_several_workers_have_sessions_of_other_workers() -> None:
    assert names("workers-echo-moved") == ["ours-workers"]
    assert {"ours", "ours-workers", "ours-one-worker"} <= set(names("workers-echo"))


def test_only_a_cluster_has_sessions_of_other_nodes() -> None:
    assert names("cluster-poll-forwarded") == ["ours-cluster"]
    assert names("cluster-broadcast") == ["ours-cluster"]
    assert names("cluster-broadcast-apart") == ["ours-apart"]


def test_starts_are_measured_with_twistd() -> None:
    assert names("start") == ["twistd-engineio", "twistd-web"]


def test_a_timing_can_be_stretched() -> None:
    timing = Timing(warm_up=1.0, measured=2.0)
    assert timing.at_least(1.5) == Timing(warm_up=1.5, measured=2.0)
    assert timing.warmed_up(4.0) == Timing(warm_up=4.0, measured=2.0)
