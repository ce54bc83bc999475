"""Draw the tables of sessions, upgrades and polling: writes docs/states.md.

python docs/draw_states.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from txengineio.protocol.packets import PacketType
from txengineio.protocol.states import (
    PACKET_ACTIONS,
    PROBE_ACTIONS,
    READY_TRANSITIONS,
    ProbeInput,
    ProbeState,
    ReadyState,
    Role,
    probe_step,
)
from txengineio.server.transports.polling_states import (
    POLL_STEPS,
    POST_STEPS,
    PollState,
    PostState,
)

PATH = Path(__file__).with_name("states.md")

HEAD = """\
# States

Drawn by `python docs/draw_states.py` from the tables in
`txengineio/protocol/states.py`, by which sessions and upgrades go, and in
`txengineio/server/transports/polling_states.py`; GitHub shows the diagrams. Do not edit
this page.
"""

SESSION = """
## A session

`session.ready_state`. What is not drawn must not happen, and raises.
"""

PACKETS = """
## What an open session does with a packet

A session that is closing heeds only `close`.
"""

UPGRADE = """
## An upgrade, on the {role}

Each arrow is `input / what is done`. Once it is done, packets are the session's.
"""

POLLS = """
## The GETs of a session, on the server

Each arrow is `input / what is done`. What is not drawn changes nothing. `session ended`
and `replaced` lead from everywhere to `ended`.
"""

POSTS = """
## The POSTs of a session, on the server

Likewise; `ended` comes from the session's end, or from an upgrade.
"""

Edges = Iterable[tuple[str, str, str]]


def diagram(start: str, edges: Edges, ends: Iterable[str]) -> str:
    """Return a mermaid diagram; arrows between the same states share a line."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source, target, label in edges:
        labels[source, target].append(label)
    lines = [f"[*] --> {start}"]
    for (source, target), texts in labels.items():
        lines.append(f"{source} --> {target}: {'<br>'.join(texts)}")
    lines += [f"{end} --> [*]" for end in ends]
    body = "\n".join(f"    {line}" for line in lines)
    return f"\n```mermaid\nstateDiagram-v2\n{body}\n```\n"


def session_diagram() -> str:
    """Return the diagram of `READY_TRANSITIONS`."""
    edges = [
        (state.value, following.value, event.value)
        for state, row in READY_TRANSITIONS.items()
        for event, following in row.items()
    ]
    return diagram(ReadyState.OPENING.value, edges, [ReadyState.CLOSED.value])


def upgrade_diagram(role: Role) -> str:
    """Return the diagram of one half of `PROBE_ACTIONS`."""
    edges: list[tuple[str, str, str]] = []
    for state, row in PROBE_ACTIONS[role].items():
        if state is ProbeState.FAILED:
            edges.append((state.value, state.value, "anything / ignore"))
            continue
        for event, (action, following) in row.items():
            label = f"{event.value} / {action.value}"
            edges.append((state.value, following.value, label))
        other = next(event for event in ProbeInput if event not in row)
        action, following = probe_step(role, state, other)
        label = f"anything else / {action.value}"
        edges.append((state.value, following.value, label))
    return diagram(ProbeState.OPENED.value, edges, [ProbeState.DONE.value])


def polling_diagram(
    steps: Mapping[Any, Mapping[Any, tuple[Any, Any]]], start: Enum, end: Enum
) -> str:
    """Return the diagram of `POLL_STEPS` or `POST_STEPS`, without what is nothing."""
    edges = [
        (
            source.name.lower(),
            following.name.lower(),
            f"{event.value} / {action.value}",
        )
        for source, row in steps.items()
        for event, (action, following) in row.items()
        if action.value != "nothing" or following not in (source, end)
    ]
    return diagram(start.name.lower(), edges, [end.name.lower()])


def packet_table() -> str:
    """Return the table of `PACKET_ACTIONS`."""
    columns = list(PACKET_ACTIONS)
    names = [f"{role.value}, revision {revision}" for role, revision in columns]
    lines = [
        f"| packet | {' | '.join(names)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for packet_type in PacketType:
        actions = [PACKET_ACTIONS[column][packet_type].value for column in columns]
        name = packet_type.name.lower()
        lines.append(f"| `{packet_type.value}` {name} | {' | '.join(actions)} |")
    return "\n" + "\n".join(lines) + "\n"


def page() -> str:
    """Return the whole page."""
    upgrades = "".join(
        UPGRADE.format(role=role.value) + upgrade_diagram(role)
        for role in PROBE_ACTIONS
    )
    return (
        HEAD
        + SESSION
        + session_diagram()
        + PACKETS
        + packet_table()
        + upgrades
        + POLLS
        + polling_diagram(POLL_STEPS, PollState.OPENING, PollState.ENDED)
        + POSTS
        + polling_diagram(POST_STEPS, PostState.AWAY, PostState.ENDED)
    )


if __name__ == "__main__":
    PATH.write_text(page(), "utf-8")
