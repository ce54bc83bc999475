"""Engine.IO as a web service of Crossbar.io, of type ``resource``.

In the ``paths`` of a web transport in the node's configuration::

    "eio": {
        "type": "resource",
        "classname": "txengineio.integrations.crossbar.EngineIOResource",
        "extra": {"app": "chat:Chat", "ping_interval": 25}
    }

Crossbar refuses paths with a dot, such as Engine.IO's usual ``engine.io``: clients of
the above say ``path: "/eio/"``. To serve the usual path, give ``"/"`` to
`EngineIORootResource`.

``extra`` has the options of the engine and

- ``app``, the application: an `EngineIOProtocol` subclass or a factory of such
  protocols, or ``package.module:name`` for it (``handler`` is another name for it);
- ``wamp``, for a bridge to a realm (see `txengineio.integrations.wamp`): a mapping of
  ``transports`` and ``realm``, and where needed ``authentication``, ``prefix`` and
  ``queue_limit``.

One of them is needed. The callables ``allow_request``, ``generate_id`` and, of the
bridge, ``describe`` are named as the application is. Modules are found on the
``pythonpath`` of the worker's options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from autobahn.twisted.component import Component
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocolFactory,
    IReactorCore,
    IReactorTime,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.application import EngineIOProtocol, factory_of
from txengineio.errors import InvalidOption
from txengineio.integrations.wamp import WampBridge
from txengineio.loading import load_application, load_object
from txengineio.server.child_resource import ChildResource
from txengineio.server.engine import Engine
from txengineio.server.web import resource
from txengineio.server.web.site import DEFAULT_PATH, path_segments

__all__ = ["STOP_TIMEOUT", "EngineIOResource", "EngineIORootResource"]

STOP_TIMEOUT: Final = 1.5
"""Seconds that the end of the process waits for WebSockets to say goodbye."""

_CALLABLES: Final = ("allow_request", "generate_id")
_CONNECTION: Final = {"transports", "realm", "authentication"}
_BRIDGE: Final = {"prefix", "queue_limit", "describe"}


class EngineIOResource(resource.EngineIOResource):
    """Serves an engine as a web service of Crossbar.io.

    Crossbar makes it and says nothing more, not even that the node stops: the engine
    arranges its own end once it has served something.

    Args:
        extra: What the configuration says; see the module.
        reactor: The reactor; by default the global one.

    Raises:
        InvalidOption: ``extra`` has something unknown, or a value makes no sense.
        NotLoadable: A name in it leads nowhere.
    """

    engine: Engine

    def __init__(
        self, extra: Mapping[str, Any], *, reactor: IReactorTime | None = None
    ) -> None:
        settings = _as_mapping("extra", extra)
        bridging = settings.pop("wamp", None)
        application = _application(settings, is_bridged=bridging is not None)
        options = _with_callables(settings, _CALLABLES)
        super().__init__(Engine(application, reactor=reactor, **options))
        self._is_started = False
        self._bridge: _Bridge | None = None
        if bridging is not None:
            self._bridge = _Bridge(self.engine, bridging)
            # Crossbar does not tell when it is ready, and the procedures of the bridge
            # are wanted before the first request.
            self._reactor.callWhenRunning(self._start)

    @property
    def _reactor(self) -> IReactorCore:
        return cast(IReactorCore, self.engine.clock)

    @override
    def render(self, request: Request) -> int:
        """Hand every request, whatever its method, to the engine."""
        self._start()
        return super().render(request)

    def _start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        if self._bridge is not None:
            self._bridge.start()

    def _stop(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        closed = self.engine.close()
        closed.addTimeout(STOP_TIMEOUT, self.engine.clock, onTimeoutCancel=_give_up)
        await closed
        self.engine.abort_connections()
        if self._bridge is not None:
            self._bridge.stop()


class EngineIORootResource(ChildResource):
    """Serves an engine at Engine.IO's usual path, as the root of a web transport.

    It belongs at ``"/"``; what else the configuration has goes beside it. Anything else
    is not found.

    Args:
        extra: As for `EngineIOResource`, and ``path``: ``/engine.io/`` by default.
        reactor: As for `EngineIOResource`.

    Raises:
        InvalidOption: As for `EngineIOResource`.
        NotLoadable: As for `EngineIOResource`.
    """

    def __init__(
        self, extra: Mapping[str, Any], *, reactor: IReactorTime | None = None
    ) -> None:
        super().__init__()
        settings = _as_mapping("extra", extra)
        path = settings.pop("path", DEFAULT_PATH)
        if not isinstance(path, str) or not path.strip("/"):
            raise InvalidOption("path", "an absolute path such as /engine.io/", path)
        *parents, name = path_segments(path)
        parent: Resource = self
        for segment in parents:
            child = Resource()
            parent.putChild(segment, child)
            parent = child
        parent.putChild(name, EngineIOResource(settings, reactor=reactor))


class _Bridge:
    """The bridge of a resource, and its connection."""

    _log = Logger()

    def __init__(self, engine: Engine, settings: object) -> None:
        given = _as_mapping("wamp", settings)
        known = _CONNECTION | _BRIDGE
        for name in given:
            if name not in known:
                expected = f"one of {', '.join(sorted(known))}"
                raise InvalidOption("a setting of wamp", expected, name)
        for name in ("transports", "realm"):
            if not given.get(name):
                raise InvalidOption(f"wamp.{name}", "given", given.get(name))
        options = _with_callables(given, ["describe"])
        bridge = WampBridge(
            engine, **{name: options[name] for name in _BRIDGE & options.keys()}
        )
        self._reactor = engine.clock
        self._is_wanted = True
        try:
            self._component: Component = bridge.component(
                given["transports"],
                given["realm"],
                authentication=given.get("authentication"),
            )
        except Exception as error:
            # Autobahn's own are of many types; each says what is wrong.
            raise InvalidOption("wamp", f"valid ({error})", settings) from error

    def start(self) -> None:
        """Connect, and go on trying."""
        running: Deferred[None] = self._component.start(self._reactor)
        running.addCallbacks(self._ended, self._failed)

    def stop(self) -> None:
        """Leave the realm."""
        self._is_wanted = False
        self._component.stop()

    def _ended(self, _result: object) -> None:
        if self._is_wanted:
            # As when an operator has closed the session by Crossbar's API.
            self._log.error(
                "the router has closed the bridge to WAMP for good; start the worker "
                "again to reconnect"
            )

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the bridge to WAMP has failed", failure=failure)


def _as_mapping(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidOption(name, "a mapping", value)
    return dict(value)


def _application(settings: dict[str, Any], *, is_bridged: bool) -> IProtocolFactory:
    """Take the application out of the settings."""
    names = [settings.pop(key) for key in ("app", "handler") if key in settings]
    if not names and is_bridged:
        return factory_of(EngineIOProtocol)
    if len(names) != 1:
        expected = "given once, as package.module:name"
        raise InvalidOption("app (or handler)", expected, names)
    if isinstance(names[0], str):
        return load_application(names[0])
    return factory_of(names[0], "app")


def _with_callables(settings: Mapping[str, Any], names: Any) -> dict[str, Any]:
    """Replace names of callables by what they name."""
    loaded = {
        name: load_object(settings[name])
        for name in names
        if isinstance(settings.get(name), str)
    }
    return {**settings, **loaded}


def _give_up(_result: object, _timeout: float) -> None:
    return None
