"""The proxy's log, as the checker of a cluster reads it."""

from __future__ import annotations

from tests.soak.proxy_log import ProxyLog


def test_lines_tell_by_which_nodes_a_session_has_gone() -> None:
    lines = [
        "s0 200 5000 /engine.io/?EIO=4&transport=polling&sid=n0x1-a_b-c&t=1\n",
        "s1 101 50000 /engine.io/?EIO=4&transport=websocket&sid=n0x1-a_b-c\n",
        "s2 400 7 /engine.io/?EIO=4&sid=n0x1-d&transport=polling\n",
        "s1 503 15001 /engine.io/?EIO=4&sid=n0x1-d&transport=polling\n",
        "s0 200 10001 /engine.io/?EIO=4&sid=n0x1-d&transport=polling\n",
        "s2 101 1 /engine.io/?EIO=4&transport=websocket\n",
        "<NOSRV> 400 0 <BADREQ>\n",
        "[NOTICE] (1) : haproxy version is 2.6\n",
    ]
    log = ProxyLog(lines)
    assert log.websockets == {"n0x1-a_b-c": {"s1"}}
    assert log.refusals == {"n0x1-d": {"s1", "s2"}}
    assert log.delays == {"n0x1-d": {"s0", "s1"}}
