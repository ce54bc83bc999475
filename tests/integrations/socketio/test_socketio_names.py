"""What python-socketio keeps to itself and the servers here rely on.

A test that fails says what a release has changed: what is written here after
upstream's model, or overrides it, has to be compared with the new one.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest
import socketio
from socketio import (
    admin,
    async_admin,
    async_manager,
    async_pubsub_manager,
    async_server,
    base_manager,
    base_server,
    manager,
    packet,
    pubsub_manager,
    server,
)

from tests.integrations.socketio.harness import connected, wired
from txengineio.integrations.socketio.admin import (
    AsyncioAdmin,
    Counters,
    ReactorAdmin,
    ThreadedAdmin,
)
from txengineio.integrations.socketio.managers.manager import Manager
from txengineio.integrations.socketio.packet_class import JSONPacket
from txengineio.socketio import (
    AsyncClusterManager,
    AsyncManager,
    AsyncServer,
    ClusterManager,
    ReactorPubSubManager,
    Server,
    ThreadedServer,
)

OURS = (
    *(Server, ThreadedServer, AsyncServer),
    *(ClusterManager, AsyncClusterManager, AsyncManager),
    *(Manager, ReactorPubSubManager),
    *(Counters, ThreadedAdmin, ReactorAdmin, AsyncioAdmin),
    JSONPacket,
)

# Digests of upstream's source, in the oldest release that we support and in the newest
# that was looked at.
MIRRORED: dict[Any, dict[str, tuple[str, ...]]] = {
    socketio.Server: {
        "call": ("cbd1d9c5",),
        "disconnect": ("2c532648", "a348aff1"),
        "_send_packet": ("3289b949",),
        "_handle_connect": ("9b8626ae", "1b0ba130"),
        "_handle_disconnect": ("7344a145", "fb93d61d"),
        "_handle_event": ("3f64c030",),
        "_handle_event_internal": ("37e1c84a",),
        "_handle_ack": ("7f114abc",),
        "_trigger_event": ("836cb0c8",),
        "_handle_eio_connect": ("4be135c0",),
        "_handle_eio_message": ("73a50709", "65f309c1"),
        "_handle_eio_disconnect": ("5c0002fc",),
    },
    socketio.AsyncServer: {
        "_handle_connect": ("80681342", "c97c480c"),
        "_handle_eio_message": ("f90b9d89", "bef50fc0"),
        "_trigger_event": ("6bed0813", "01ba90cf"),
    },
    socketio.Manager: {
        "emit": ("566510ea",),
        "trigger_callback": ("2fb84d8a",),
    },
    socketio.AsyncManager: {"emit": ("01ccd5b8",)},
    packet.Packet: {
        "__init__": ("20eb6486", "5fe2fa79"),
        "encode": ("645ed28f", "513c45be"),
        "decode": ("61ad7904",),
    },
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, names in MIRRORED.items() for name in names],
)
def test_what_is_written_after_upstreams_model_has_not_changed_there(
    kind: Any, name: str
) -> None:
    source = inspect.getsource(getattr(kind, name))
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    assert digest in MIRRORED[kind][name], (
        f"{kind.__module__}.{kind.__qualname__}.{name} is another one now: compare it "
        f"with ours, then add its digest here.\n{source}"
    )


def is_of_ours(kind: Any, name: str) -> bool:
    return any(
        base.__module__.startswith("txengineio.") and name in vars(base)
        for base in kind.__mro__[1:]
    )


def overrides() -> Iterator[Any]:
    for kind in OURS:
        for name, value in vars(kind).items():
            function = value.fget if isinstance(value, property) else value
            if not isinstance(function, FunctionType) or is_of_ours(kind, name):
                continue
            if hasattr(function, "__override__"):
                yield pytest.param(kind, name, id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize(("kind", "name"), list(overrides()))
def test_what_is_overridden_is_there_and_takes_the_same(kind: Any, name: str) -> None:
    upstreams = [
        base
        for base in kind.__mro__
        if base.__module__.startswith("socketio.") and name in vars(base)
    ]
    assert upstreams, f"nothing calls {name} any more"
    theirs = inspect.signature(vars(upstreams[0])[name]).parameters
    ours = inspect.signature(vars(kind)[name]).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in ours.values()):
        return
    needed = {
        each
        for each, parameter in theirs.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    # Before 5.18, the first argument of `connect` has this name, and is given by place.
    missing = needed - {*ours, "eio_sid"}
    assert not missing, f"{name} takes more: {', '.join(missing)}"


# Only the integrations for other web servers, which are not used here, call these.
OF_WEB_SERVERS = {"attach", "handle_request"}


def test_the_engine_has_all_that_upstream_asks_of_one() -> None:
    modules = (
        *(base_server, server, async_server, base_manager, manager, async_manager),
        *(pubsub_manager, async_pubsub_manager, admin, async_admin),
    )
    asked = {
        name
        for module in modules
        for name in re.findall(r"\beio\.(\w+)", inspect.getsource(module))
        # Where the Admin UI keeps what it has replaced.
        if not name.startswith("__")
    }
    assert {"on", "send", "send_packet", "generate_id", "get_session"} <= asked
    for kind in (Server, AsyncServer):
        engine = wired(kind)[0].eio
        missing = [each for each in asked - OF_WEB_SERVERS if not hasattr(engine, each)]
        # It stores a session's data by this name, for its own integrations.
        assert set(missing) <= {"session"}, missing


SERVER_NAMES = {
    *("environ", "handlers", "namespace_handlers", "namespaces", "not_handled"),
    *("_binary_packet", "always_connect", "async_handlers", "eio", "manager"),
    *("packet_class", "reason", "_send_packet", "_trigger_event", "_handle_event"),
    *("_handle_ack", "_handle_disconnect", "is_asyncio_based"),
}


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_a_server_has_the_attributes_that_ours_use(kind: Any) -> None:
    sio, _ = wired(kind)
    assert not {name for name in SERVER_NAMES if not hasattr(sio, name)}


MANAGER_NAMES = {
    *("rooms", "server", "callbacks", "pending_disconnect", "get_namespaces"),
    *("get_participants", "sid_from_eio_sid", "eio_sid_from_sid", "is_connected"),
    *("pre_disconnect", "can_disconnect", "connect", "disconnect"),
    *("basic_enter_room", "basic_leave_room", "basic_close_room", "basic_disconnect"),
    *("enter_room", "leave_room", "close_room", "get_rooms", "_generate_ack_id"),
}


@pytest.mark.parametrize("kind", [socketio.Manager, socketio.AsyncManager])
def test_a_manager_has_the_attributes_that_ours_use(kind: Any) -> None:
    found = kind()
    assert not {name for name in MANAGER_NAMES if not hasattr(found, name)}


def test_a_manager_tells_who_waits_to_be_let_in() -> None:
    if not hasattr(socketio.Manager, "pre_connect"):
        pytest.skip("python-socketio 5.18 is the first that does")
    sio, _ = wired(Server)
    sid = sio.manager.pre_connect("eio", "/")
    assert sio.manager.pending_connect == {"/": [sid]}
    assert sio.manager.is_pre_connected(sid, "/")
    sio.manager.connect(sid, "/")
    assert sio.manager.pending_connect == {}
    assert not sio.manager.is_pre_connected(sid, "/")


def test_handlers_are_looked_up_when_events_come() -> None:
    sio, wiring = wired(Server)
    client = connected(wiring)
    sio.on("late", lambda sid: "found")
    client.send('421["late"]')
    wiring.settle()
    assert client.packets() == ['431["found"]']
    assert set(sio.handlers) == {"/"}


def test_packets_have_the_types_of_the_protocol() -> None:
    names = (
        *("CONNECT", "DISCONNECT", "EVENT", "ACK"),
        *("CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK"),
    )
    assert [getattr(packet, name) for name in names] == list(range(7))


def test_a_packet_has_the_attributes_that_are_read() -> None:
    received = packet.Packet(
        encoded_packet='51-/a,7["x",{"_placeholder":true,"num":0}]'
    )
    assert vars(received).keys() >= {
        *("packet_type", "data", "namespace", "id"),
        *("attachments", "attachment_count"),
    }
    assert vars(received).keys() == vars(JSONPacket()).keys()


ADMIN_NAMES = {
    *("sio", "auth", "admin_namespace", "server_stats_interval", "server_id"),
    *("event_buffer", "stats_task", "stop_stats_event"),
    *("_emit", "_check_for_upgrade", "_handle_eio_connect"),
}


@pytest.mark.parametrize("kind", [Server, AsyncServer])
def test_the_admin_ui_has_the_attributes_that_ours_use(kind: Any) -> None:
    sio, _ = wired(kind)
    instrumented = sio.instrument(auth=False)
    assert not {name for name in ADMIN_NAMES if not hasattr(instrumented, name)}
    assert admin.EventBuffer().get_and_clear() == []


def test_reasons_have_their_names() -> None:
    names = (
        *("CLIENT_DISCONNECT", "SERVER_DISCONNECT", "PING_TIMEOUT"),
        *("TRANSPORT_CLOSE", "TRANSPORT_ERROR"),
    )
    found = [getattr(base_server.BaseServer.reason, name) for name in names]
    assert found == [
        *("client disconnect", "server disconnect", "ping timeout"),
        *("transport close", "transport error"),
    ]
