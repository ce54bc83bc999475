"""How an engine becomes one of a cluster on several machines, and leaves it."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    maybeDeferred,
)
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from typing_extensions import override

from txengineio.checks import check_flag
from txengineio.cluster.forwarding.releasing import release
from txengineio.cluster.interfaces import Load
from txengineio.cluster.joined_engine import JoinedEngine
from txengineio.cluster.machines.addresses import (
    address_of,
    check_advertised,
    check_listen,
    is_loopback,
)
from txengineio.cluster.machines.challenge import Credentials
from txengineio.cluster.machines.machines import Machines
from txengineio.cluster.machines.schemes import maker_of
from txengineio.cluster.machines.secret import check_secret, read_secret
from txengineio.cluster.machines.together import Together
from txengineio.cluster.membership import MembershipMaker
from txengineio.cluster.redis.urls import RedisURL, parse_redis_url
from txengineio.cluster.wamp.urls import parse_wamp_url
from txengineio.cluster.workers import Workers
from txengineio.errors import InvalidOption, JoinFailed
from txengineio.net.endpoints import server_endpoint
from txengineio.server.engine import Engine

__all__ = [
    "DEFAULT_NAME",
    "MachinesCluster",
    "RedisCluster",
    "WampCluster",
    "check_cluster_name",
]

DEFAULT_NAME: Final = "engineio"
"""The name of a cluster that was given none."""

_TLS: Final = ("ssl:", "tls:")


class MachinesCluster:
    """What makes an engine one of several, on whatever machines.

    An engine that is made with it joins when it starts to listen, and leaves when it
    closes. Other nodes must be able to connect to it; nobody else should.

    Args:
        url: Where the nodes find each other. The password in it is not logged.
        name: The name of the cluster: several may use one server.
        listen: Where this node listens for the others: an endpoint, or what describes
            one to Twisted's ``serverFromString``, such as
            ``tcp:7000:interface=10.0.0.1``; ``ssl:…`` encrypts what goes between the
            nodes.
        tls: Whether an endpoint that is given as ``listen`` speaks TLS. Descriptions
            say so themselves, and Twisted's ``SSL4ServerEndpoint`` does, too.
        advertise: Where the others connect to, ``HOST`` or ``HOST:PORT``; by default
            where this node listens.
        secret: What all nodes know, and nobody else: 32 bytes or more.
        secret_file: A file that has it. Without a secret, only nodes on this machine
            can belong to the cluster, what they find each other by has to be on it,
            too, and any user of it is believed.

    Attributes:
        name: As given.

    Raises:
        InvalidOption: An argument makes no sense, or the secret cannot be read.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 - options, all but one of them by name
        self,
        url: str,
        *,
        name: str = DEFAULT_NAME,
        listen: str | IStreamServerEndpoint,
        tls: bool = False,
        advertise: str | None = None,
        secret: bytes | None = None,
        secret_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.name = check_cluster_name("name", name)
        self._make = self.maker(url)
        self._url = url
        self._secret = _secret_of(secret, secret_file)
        self._advertise = advertise
        if advertise is not None:
            check_advertised(advertise)
        if isinstance(listen, str):
            check_listen(listen, advertise, self._secret is not None)
        self._listen = listen
        self._is_tls = check_flag("tls", tls) or _speaks_tls(listen)
        self._lock = DeferredLock()
        # How often it was to leave, and what it waits for while it joins.
        self._leaves = 0
        self._joining: Deferred[None] | None = None
        self._port: IListeningPort | None = None
        self._machines: Machines | None = None

    def maker(self, url: str) -> MembershipMaker:
        """Return what makes the membership.

        Raises:
            InvalidOption: The URL makes no sense.
        """
        return maker_of(url)

    def attach(
        self,
        engine: Engine,
        workers: Workers | None = None,
        endpoint: IStreamServerEndpoint | None = None,
    ) -> None:
        """Make an engine one that joins the cluster.

        Args:
            engine: The engine, which belongs to no cluster; it has a ``node_name``.
            workers: The nodes of this machine, if there are several.
            endpoint: What listens instead of what ``listen`` describes.

        Raises:
            InvalidOption: The engine has no name, the endpoint's description makes no
                sense, or this is another engine's already.
        """
        if self._machines is not None:
            expected = "one of its own for each engine"
            raise InvalidOption("cluster", expected, self)
        reactor = engine.clock
        self._endpoint = endpoint or self._described(reactor)
        credentials = Credentials(self.name, self._secret or b"")
        self._engine = engine
        self._workers = workers
        self._machines = machines = Machines(
            engine,
            credentials,
            reactor,
            counts=None if workers is None else workers.counts,
            neighbours=workers,
        )
        self._nodes = machines if workers is None else Together(workers, machines)
        self._worker = machines.node if workers is None else workers.worker
        restarts = () if workers is None else workers.restarts
        self._joined = JoinedEngine(engine, self._nodes, self._worker, restarts)
        engine.cluster = self._joined
        engine.joins = self

    def _described(self, reactor: Any) -> IStreamServerEndpoint:
        if isinstance(self._listen, str):
            return server_endpoint(reactor, self._listen)
        return self._listen

    # --- joining ----------------------------------------------------------------------

    def join(self) -> Deferred[None]:
        """Become a member, unless the engine is one.

        Returns:
            Fires when the engine is a member, and knows all others. It fails with a
            `JoinFailed`, also if the node is to leave before, or with an
            `InvalidOption` about where it listens.
        """
        return self._lock.run(self._join_once, self._leaves)

    def _join_once(self, leaves: int) -> Deferred[None]:
        return Deferred.fromCoroutine(self._join(leaves))

    async def _join(self, leaves: int) -> None:
        if self._port is not None or self._machines is None:
            return
        machines, engine = self._machines, self._engine
        membership = self._make(self._url, self.name, self._secret, engine.clock)
        self._port = port = await self._open(machines)
        try:
            host, has_secret = port.getHost(), self._secret is not None
            address = address_of(host, self._advertise, self._is_tls, has_secret)
            load = Load(self._worker, len(engine.sessions), not engine.is_open)
            if leaves != self._leaves:
                raise CancelledError
            self._joining = machines.join(membership, address, load)
            await self._joining
        except BaseException as problem:
            self._port = self._joining = None
            await maybeDeferred(port.stopListening)
            if isinstance(problem, CancelledError):
                raise JoinFailed("this node leaves before it has joined") from None
            raise
        self._joining = None
        engine.elsewhere = self._nodes
        self._joined.start()
        machines.check_way(address)
        self._log.info(
            "node {node} has joined the cluster {cluster} at {address}, and knows "
            "{count} others",
            node=machines.node,
            cluster=self.name,
            address=address,
            count=len(self._nodes.peers()),
        )

    async def _open(self, machines: Machines) -> IListeningPort:
        try:
            port: IListeningPort = await self._endpoint.listen(machines.links)
        except Exception as problem:
            reason = getattr(problem, "socketError", problem)
            reason = getattr(reason, "strerror", None) or reason
            raise JoinFailed(
                f"cannot listen for other nodes on {self._listen}: {reason}"
            ) from problem
        return port

    def leave(self) -> Deferred[None]:
        """Be no member any more; the others are told, and hear no more of this node.

        A `join` that is under way fails.

        Returns:
            Fires when that is done. It never fails.
        """
        self._leaves += 1
        if self._joining is not None:
            self._joining.cancel()
        return cast("Deferred[None]", self._lock.run(self._leave_once))

    def _leave_once(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._leave())

    async def _leave(self) -> None:
        port, self._port = self._port, None
        if port is None or self._machines is None:
            return
        self._joined.stop()
        await release(self._nodes.forwarders(), self._engine.clock)
        await self._machines.leave()
        self._engine.elsewhere = None
        await maybeDeferred(port.stopListening)


class RedisCluster(MachinesCluster):
    """A cluster whose nodes find each other by Redis, or Valkey.

    It needs the extra ``txengineio[redis]``. The URLs are
    ``redis://USER:PASSWORD@HOST:PORT/DB``, ``rediss://…`` for TLS, ``unix:/PATH``, and
    ``redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB``.

    Args:
        url: Where Redis is.
        outside: Whether programs that are no nodes may send messages to sessions by
            Redis, which then decides who may.
        details: As for `MachinesCluster`.

    Raises:
        InvalidOption: An argument makes no sense, or the secret cannot be read.
    """

    def __init__(self, url: str, *, outside: bool = False, **details: Any) -> None:
        self._hears_outside = check_flag("outside", outside)
        super().__init__(url, **details)
        if self._secret is None and not _is_local(parse_redis_url(url)):
            expected = "given, as other machines can write to that Redis"
            raise InvalidOption("secret", expected, None)

    @override
    def maker(self, url: str) -> MembershipMaker:
        """Return what makes the membership."""
        parse_redis_url(url)
        make: Any = super().maker(url)
        return partial(make, outside=self._hears_outside)


class WampCluster(MachinesCluster):
    """A cluster whose nodes find each other by a router of WAMP, such as Crossbar.io.

    It needs no extra. The URLs are ``wamp:ws://USER:PASSWORD@HOST:PORT/PATH@REALM``,
    and ``wamp:wss://…`` for TLS. The nodes need rights to the router's meta API.

    Args:
        url: Where the router is, and the realm.
        details: As for `MachinesCluster`.

    Raises:
        InvalidOption: An argument makes no sense, or the secret cannot be read.
    """

    def __init__(self, url: str, **details: Any) -> None:
        super().__init__(url, **details)
        if self._secret is None and not is_loopback(parse_wamp_url(url).host):
            expected = "given, as other machines can publish at that router"
            raise InvalidOption("secret", expected, None)

    @override
    def maker(self, url: str) -> MembershipMaker:
        """Return what makes the membership."""
        parse_wamp_url(url)
        return super().maker(url)


def _is_local(where: RedisURL) -> bool:
    """Whether Redis is on this machine; Sentinels may name any other one."""
    if where.path is not None:
        return True
    return where.service is None and all(is_loopback(host) for host, _ in where.hosts)


def check_cluster_name(option: str, name: object) -> str:
    """Return the name of a cluster.

    Raises:
        InvalidOption: It is none.
    """
    if not (
        isinstance(name, str)
        and 0 < len(name) <= _LONGEST_NAME
        and name.isascii()
        and name.replace("-", "").replace("_", "").isalnum()
    ):
        expected = f"1 to {_LONGEST_NAME} ASCII letters, digits, - and _"
        raise InvalidOption(option, expected, name)
    return name


_LONGEST_NAME: Final = 64


def _speaks_tls(listen: str | IStreamServerEndpoint) -> bool:
    if isinstance(listen, str):
        return listen.startswith(_TLS)
    return isinstance(listen, SSL4ServerEndpoint)


def _secret_of(
    secret: bytes | None, secret_file: str | os.PathLike[str] | None
) -> bytes | None:
    if secret_file is not None:
        if secret is not None:
            expected = "left out, as there is a secret_file"
            raise InvalidOption("secret", expected, "given, too")
        return read_secret("secret_file", secret_file)
    return None if secret is None else check_secret("secret", secret)
