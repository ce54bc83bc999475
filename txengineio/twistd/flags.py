"""The flags of twistd's commands, in groups for the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from txengineio.checks import check_rate
from txengineio.command_line import (
    HELP_FLAGS,
    NONE,
    Flag,
    Groups,
    as_float,
    as_names,
    as_wait,
)
from txengineio.errors import InvalidOption
from txengineio.integrations.client_script import ClientScript
from txengineio.net.endpoints import MAX_PORT
from txengineio.observing.packet_log import PacketLog
from txengineio.server.options.engine import EngineOptions
from txengineio.server.transports.table import TRANSPORT_TABLE, check_enabled
from txengineio.server.web.site import path_segments
from txengineio.twistd.cluster_flags import CLUSTER
from txengineio.twistd.limit_flags import ADDRESSES, LIMITS, ORIGINS, engine_flag
from txengineio.twistd.node_flags import NODE, WORKERS
from txengineio.twistd.service import DEFAULT_DRAIN_TIMEOUT

__all__ = ["DEFAULT_INTERFACE", "DEFAULT_PORT", "SWITCHES", "groups_of"]

DEFAULT_PORT: Final = "8080"
DEFAULT_INTERFACE: Final = "127.0.0.1"

SWITCHES: Final[Mapping[str, tuple[str, bool]]] = {
    "no-allow-upgrades": ("allow_upgrades", False),
    "allow-eio3": ("allow_eio3", True),
    "no-http-compression": ("http_compression", False),
    "per-message-deflate": ("per_message_deflate", True),
}
"""The options that flags without a value set, and the values."""


def _check_spread(text: str) -> float:
    return check_rate("drain-spread", as_float(text), "sessions")


def _check_port(text: str) -> str:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PORT):
        raise InvalidOption("port", f"a whole number from 0 to {MAX_PORT}", text)
    return text


def _check_interface(text: str) -> str:
    if not text:
        raise InvalidOption("interface", "an address such as 127.0.0.1 or ::", text)
    return text


def _check_path(text: str) -> str:
    path_segments(text)
    return text


def _transports(text: str) -> tuple[str, ...]:
    names = as_names(text)
    check_enabled(names)
    return names


def _check_cookie(text: str) -> str:
    EngineOptions.from_mapping({"cookie": {"name": text}})
    return text


def _chosen_sessions(text: str) -> PacketLog:
    return PacketLog(as_names(text))


_LISTENING: Final = (
    Flag(
        name="port",
        letter="p",
        value="PORT",
        text="TCP port to listen on; 0 for any that is free.",
        take=_check_port,
        shown_default=f"{DEFAULT_PORT}, unless --listen is given",
    ),
    Flag(
        name="interface",
        letter="i",
        value="ADDRESS",
        text="Address to listen on with --port; 0.0.0.0 or :: for all.",
        take=_check_interface,
        shown_default=DEFAULT_INTERFACE,
    ),
    Flag(
        name="listen",
        letter="l",
        value="ENDPOINT",
        text="Any Twisted endpoint to listen on, such as unix:/run/app.sock or "
        "ssl:443:privateKey=key.pem:certKey=cert.pem. May be given more than once.",
        shown_default=NONE,
    ),
)

_SERVING: Final = (
    engine_flag(
        "transports",
        "NAMES",
        "Transports that clients may use, separated by commas.",
        _transports,
        expected=f"one or more of {', '.join(TRANSPORT_TABLE)}, separated by commas",
    ),
    Flag(
        name="no-allow-upgrades",
        text="Keep sessions on the transport that they start with. Otherwise they may "
        "move from polling to WebSocket.",
    ),
    engine_flag(
        "upgrade-timeout",
        "SECONDS",
        "Time that a move from polling to WebSocket may take.",
        as_float,
    ),
    engine_flag("initial-packet", "TEXT", "Message that each session begins with."),
    Flag(
        name="allow-eio3",
        text="Serve clients of protocol revision 3 (Socket.IO 2) as well.",
    ),
)

_HEARTBEAT: Final = (
    engine_flag(
        "ping-interval",
        "SECONDS",
        "Time between a client's answer to a heartbeat and the next heartbeat.",
        as_float,
    ),
    engine_flag(
        "ping-timeout",
        "SECONDS",
        "Time that a client has to answer a heartbeat before its session ends.",
        as_float,
    ),
)

_ADMITTING: Final = (
    ORIGINS,
    Flag(
        name="cors-origin",
        value="ORIGIN",
        text="Other site whose pages may use the engine, such as "
        "https://app.example.com, or * for all. May be given more than once.",
        shown_default=NONE,
    ),
    Flag(
        name="cors-credentials",
        text="Let the pages of each --cors-origin send cookies.",
    ),
    Flag(
        name="cookie",
        value="NAME",
        text="Set a cookie of this name, with the session's id for load balancers.",
        take=_check_cookie,
        expected="the name of a cookie",
        shown_default="no cookie",
    ),
    ADDRESSES,
    *NODE,
)

_COMPRESSION: Final = (
    Flag(
        name="no-http-compression",
        text="Do not compress the answers to polls. Otherwise those of 1024 bytes or "
        "more are compressed.",
    ),
    Flag(
        name="per-message-deflate",
        text="Compress WebSocket messages for clients that offer it. It costs memory "
        "for each connection.",
    ),
)

_OPERATION: Final = (
    *WORKERS,
    Flag(
        name="drain-timeout",
        value="SECONDS",
        text="Time that sessions have to end when the server stops; 0 to drop them "
        "at once.",
        take=as_wait,
        default=DEFAULT_DRAIN_TIMEOUT,
    ),
    Flag(
        name="drain-spread",
        value="N",
        text="Sessions that are ended in a second when the server stops, so that their "
        "clients do not come back in one wave; what is left after --drain-timeout is "
        "dropped.",
        take=_check_spread,
        shown_default="all at once",
    ),
    Flag(
        name="metrics", text="Serve metrics for Prometheus at /metrics, beside --path."
    ),
    Flag(
        name="metrics-listen",
        value="ENDPOINT",
        text="Endpoint that serves /metrics and /healthz and nothing else, such as "
        "tcp:9090:interface=127.0.0.1.",
        shown_default=NONE,
    ),
    Flag(
        name="inspector",
        value="ENDPOINT",
        text="Endpoint that serves the inspector, a page that shows the sessions, such "
        "as tcp:8081:interface=127.0.0.1.",
        shown_default="at / if there is no --app and --interface is local",
    ),
    Flag(name="no-inspector", text="Do not serve the inspector at all."),
    Flag(
        name="debug-packets",
        value="SESSIONS",
        text="Log the packets of sessions: of all, or of those with an address or a "
        "network (10.0.0.0/8), or of those whose ids begin with something (id:a1B2). "
        "Several are separated by commas.",
        take=_chosen_sessions,
        shown_default="no packets are logged",
    ),
)


def _path_flag(protocol: str, path: str) -> Flag:
    return Flag(
        name="path",
        value="PATH",
        text=f"Path to serve {protocol} at.",
        take=_check_path,
        default=path,
    )


def _script_flag(protocol: str) -> Flag:
    """Make ``--client-script``, which takes the protocol's own client only."""
    name = protocol.lower()

    def take(text: str) -> ClientScript:
        script = ClientScript(text)
        if not script.name.startswith(name):
            expected = f"a client of {protocol}, such as {name}.min.js"
            raise InvalidOption("path", expected, text)
        return script

    return Flag(
        name="client-script",
        value="PATH",
        text=f"Client for browsers to serve below --path, as {name}.min.js: the folder "
        f"node_modules/{name}-client, which npm install {name}-client makes, or a "
        "script.",
        take=take,
        shown_default=NONE,
    )


def groups_of(protocol: str, path: str, app: Flag) -> Groups:
    """Return the groups of flags of a command.

    Args:
        protocol: What it serves, such as ``Engine.IO``.
        path: Where, by default.
        app: The flag that names the application.
    """
    script = _script_flag(protocol)
    return (
        ("Where to listen", (*_LISTENING, _path_flag(protocol, path))),
        ("What to serve", (app, *_SERVING, script)),
        ("Heartbeat", _HEARTBEAT),
        ("Who gets in", _ADMITTING),
        ("Limits", LIMITS),
        ("Compression", _COMPRESSION),
        ("Several machines", CLUSTER),
        ("Operation", _OPERATION),
        ("Help", HELP_FLAGS),
    )
