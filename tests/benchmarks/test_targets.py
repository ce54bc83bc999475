from benchmarks.figures import Sample
from benchmarks.results import Results
from benchmarks.scenarios import GROUPS, SCENARIOS
from benchmarks.targets import (
    ENGINEIO_FIELD,
    LIMITS,
    TARGETS,
    Verdict,
    verdicts,
)


def test_every_scenario_with_peers_has_a_target() -> None:
    groups = ("main", "trickle", "fairness")
    names = [scenario.name for group in groups for scenario in GROUPS[group]]
    found = [each.scenario for each in TARGETS if each.field is ENGINEIO_FIELD]
    assert found == names


def test_two_servers_of_socketio_are_compared_in_each_scenario_of_it() -> None:
    expected = {
        (scenario.name, title)
        for scenario in GROUPS["socketio"]
        for title in ("Server", "AsyncServer")
    }
    found = [
        (each.scenario, each.field.title)
        for each in TARGETS
        if each.field is not ENGINEIO_FIELD
    ]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_server_of_socketio_is_judged_beside_the_best_of_python() -> None:
    results = Results(environment={})
    for server, value in (
        ("socketio-async", 10.0),
        ("socketio-aiohttp", 30.0),
        ("socketio-uvicorn", 20.0),
        ("socketio-node", 5.0),
    ):
        results.add("socketio-ack-single", server, Sample(value))
    (verdict,) = verdicts(results)
    title = "socketio-ack-single, AsyncServer: python-socketio / ours"
    assert verdict == Verdict(title, 2.0, 1.5, at_least=True)


def test_a_bound_may_be_reached_exactly() -> None:
    assert Verdict("", 3.0, 3.0, at_least=True).met
    assert not Verdict("", 2.9, 3.0, at_least=True).met
    assert Verdict("", 1.2, 1.2, at_least=False).met
    assert not Verdict("", 1.3, 1.2, at_least=False).met


def test_a_bound_beyond_what_the_kernel_allows_is_out_of_reach() -> None:
    assert Verdict("", 2.0, 4.5, at_least=True, bare=3.0).out_of_reach
    assert not Verdict("", 2.0, 2.5, at_least=True, bare=3.0).out_of_reach
    assert not Verdict("", 2.0, 4.5, at_least=True).out_of_reach
    assert Verdict("", 2.0, 1.0, at_least=False, bare=1.5).out_of_reach
    assert not Verdict("", 2.0, 1.0, at_least=False, bare=0.5).out_of_reach
    assert not Verdict("", 2.0, 1.0, at_least=False).out_of_reach


def test_what_the_kernel_allows_is_that_of_the_same_scenario() -> None:
    results = Results(environment={})
    for server, value in ("ours", 40.0), ("uvicorn", 72.0), ("kernel", 24.0):
        results.add("echo-64k", server, Sample(value))
    (verdict,) = verdicts(results)
    assert verdict.title == "echo-64k: python-engineio / ours"
    assert verdict.bare == 3.0
    assert verdict.out_of_reach


def test_nothing_measured_is_nothing_judged() -> None:
    assert not list(verdicts(Results(environment={})))


def test_growth_compares_two_scenarios_of_ours() -> None:
    results = Results(environment={})
    results.add("heartbeat", "ours", Sample(10.0))
    results.add("heartbeat-10000", "ours", Sample(11.0))
    (verdict,) = verdicts(results)
    assert verdict == Verdict(LIMITS[0].title, 1.1, 1.2, at_least=False)


def test_a_session_of_another_worker_is_compared_with_one_of_the_same_server() -> None:
    results = Results(environment={})
    results.add("workers-poll-new-moved", "ours-workers", Sample(20.0))
    results.add("workers-poll-new", "ours-workers", Sample(10.0))
    (verdict,) = verdicts(results)
    assert "new connections" in verdict.title
    assert verdict.measured == 2.0
    assert verdict.met


def test_a_median_latency_may_be_as_long_as_that_of_node() -> None:
    results = Results(environment={})
    for server, median in ("ours", 0.002), ("node", 0.001):
        times = (median, 0.003, 0.003)
        results.add("trickle-2000", server, Sample(1.0, percentiles=times))
    cost, latency = verdicts(results)
    assert cost.met
    assert latency.title.startswith("trickle-2000: median latency")
    assert latency.measured == 2.0
    assert not latency.met


def test_growth_by_size_is_judged_per_byte() -> None:
    results = Results(environment={})
    for name in ("size-225k", "size-900k"):
        results.add(name, "ours", Sample(2.0 * SCENARIOS[name].parts))
    (verdict,) = verdicts(results)
    assert verdict.measured == 1.0


def test_more_sockets_cost_the_kernel_more_too() -> None:
    results = Results(environment={})
    for scenario, server, value in (
        ("broadcast", "ours", 6.0),
        ("cluster-broadcast", "ours-cluster", 9.0),
        ("broadcast", "kernel", 4.0),
        ("broadcast-3000", "kernel", 5.0),
    ):
        results.add(scenario, server, Sample(value))
    title = "broadcast to three nodes / to one"
    verdict = Verdict(title, 1.5, 1.2, at_least=False, bare=1.25)
    assert verdict in verdicts(results)
    assert verdict.out_of_reach
