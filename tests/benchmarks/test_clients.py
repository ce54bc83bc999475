from benchmarks.clients import CLIENTS, LOADS, Load, rows, run


def test_clients_take_turns_and_none_is_always_first() -> None:
    order = []

    def measure(client: str, url: str, load: Load) -> float:
        assert url == "http://127.0.0.1:1"
        order.append((client, load))
        return float(len(order))

    samples = run("http://127.0.0.1:1", 2, measure)
    ours, theirs = CLIENTS
    assert [client for client, _ in order] == [ours, theirs] * 4 + [theirs, ours] * 4
    assert [load for _, load in order] == [load for load in LOADS for _ in "ab"] * 2
    assert samples[LOADS[0]] == {ours: [1.0, 10.0], theirs: [2.0, 9.0]}


def test_the_table_shows_medians_and_their_ratio() -> None:
    load = LOADS[0]
    found = {"txengineio": [10.0, 12.0, 20.0], "python-engineio": [36.0, 30.0, 44.0]}
    head, row = rows({load: found})
    assert len(head) == len(row)
    assert row == [
        "websocket, 1 at a time",
        "12.0 µs",
        "36.0 µs",
        "3.00",
        "2.20 - 3.60",
        "3.0",
    ]
