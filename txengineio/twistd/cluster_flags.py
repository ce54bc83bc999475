"""The flags of ``twistd engineio`` for nodes on several machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.python.usage import UsageError

from txengineio.cluster.machines.addresses import check_advertised
from txengineio.cluster.machines.joining import (
    DEFAULT_NAME,
    MachinesCluster,
    RedisCluster,
    WampCluster,
    check_cluster_name,
)
from txengineio.cluster.machines.secret import read_secret
from txengineio.command_line import NONE, Flag
from txengineio.errors import InvalidOption

__all__ = ["CLUSTER", "CLUSTER_LISTEN", "cluster_for", "said_of"]

CLUSTER_LISTEN: Final = "cluster-listen"
"""The flag for where a node listens for the others."""

_WAMP: Final = "wamp:"

_MAX_MACHINE: Final = 6
"""Characters of a machine's name, so that its workers' names are no longer than 12."""

_HUNDREDS: Final = 100
"""Workers that have at most two digits; with more, it has one character less."""


def _checked_name(text: str) -> str:
    return check_cluster_name("name", text)


def _checked_advertise(text: str) -> str:
    check_advertised(text)
    return text


def _secret(path: str) -> bytes:
    return read_secret("secret_file", path)


CLUSTER: Final = (
    Flag(
        name="cluster",
        value="URL",
        text="Serve the same clients as nodes on other machines, which find each other "
        "by this Redis: redis://HOST:PORT/DB, rediss:// (TLS), unix:/PATH or "
        "redis+sentinel://; or by this router of WAMP: wamp:ws://HOST:PORT/PATH@REALM "
        "or wamp:wss://. Each has a --node-name and a --cluster-listen.",
        shown_default=NONE,
    ),
    Flag(
        name="cluster-name",
        value="NAME",
        text="Name of the cluster: several may use one Redis, or one realm.",
        take=_checked_name,
        shown_default=DEFAULT_NAME,
    ),
    Flag(
        name=CLUSTER_LISTEN,
        value="ENDPOINT",
        text="Endpoint where the other nodes connect to this one, such as "
        "tcp:7000:interface=10.0.0.1, or ssl:… to encrypt what goes between them. "
        "Nobody else should be able to.",
        shown_default=NONE,
    ),
    Flag(
        name="cluster-advertise",
        value="HOST[:PORT]",
        text="Address that the other nodes are told for --cluster-listen.",
        take=_checked_advertise,
        shown_default="where it listens",
    ),
    Flag(
        name="cluster-secret-file",
        value="PATH",
        text="File with the secret by which the nodes know each other, 32 bytes or "
        "more; other users must not be able to read it.",
        take=_secret,
        shown_default="none; then all nodes are on this machine",
    ),
    Flag(
        name="cluster-outside",
        text="Let programs that are no nodes send messages to sessions by Redis, which "
        "decides who may.",
    ),
)
"""How nodes on several machines become one server."""

_FLAGS: Final[Mapping[str, str]] = {
    "cluster": "cluster",
    "name": "cluster-name",
    "listen": "cluster-listen",
    "endpoint": "cluster-listen",
    "advertise": "cluster-advertise",
    "secret": "cluster-secret-file",
    "secret_file": "cluster-secret-file",
}
"""The flags for the arguments of a cluster."""


def cluster_for(line: Mapping[str, Any]) -> MachinesCluster | None:
    """Return the cluster that a command line names, if it does.

    Raises:
        UsageError: What it says about it makes no sense.
    """
    if line["cluster"] is None:
        for flag in CLUSTER[1:]:
            if line[flag.name]:
                raise UsageError(f"--{flag.name} goes with --cluster")
        return None
    for name in ("node-name", CLUSTER_LISTEN):
        if line[name] is None:
            raise UsageError(f"--cluster needs a --{name}")
    workers = line["workers"] or 0
    longest = _MAX_MACHINE - (workers > _HUNDREDS)
    if workers and len(line["node-name"]) > longest:
        raise UsageError(
            f"--node-name must be at most {longest} letters and digits with --workers, "
            f"whose names begin with it, not {line['node-name']!r}"
        )
    try:
        return _cluster_at(line["cluster"], line)
    except InvalidOption as error:
        raise UsageError(said_of(error)) from error


def _cluster_at(url: str, line: Mapping[str, Any]) -> MachinesCluster:
    details: dict[str, Any] = {
        "name": line["cluster-name"] or DEFAULT_NAME,
        "listen": line["cluster-listen"],
        "advertise": line["cluster-advertise"],
        "secret": line["cluster-secret-file"],
    }
    hears_outside = bool(line["cluster-outside"])
    if not url.startswith(_WAMP):
        return RedisCluster(url, outside=hears_outside, **details)
    if hears_outside:
        raise UsageError(
            "--cluster-outside goes with a --cluster by Redis, not by WAMP"
        )
    return WampCluster(url, **details)


def said_of(error: object) -> str:
    """Return what an error says; of an argument of a cluster, by the name of its flag.

    Some is only found out when the cluster is joined, such as what is in a file.
    """
    if not isinstance(error, InvalidOption) or error.name not in _FLAGS:
        return str(error)
    said = str(error).removeprefix(error.name)
    return f"--{_FLAGS[error.name]}{said.removesuffix(', not None')}"
