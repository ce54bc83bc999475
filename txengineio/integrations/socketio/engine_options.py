"""python-engineio's options as the engine's.

`socketio.Server` passes on what it does not know itself to its engine. Such an option
means the same here, or is refused by its name; any other option is one of
`txengineio.Engine`. What upstream uses without a look at it is checked here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import Parameter, signature
from typing import Any, Final

from txengineio.errors import InvalidOption

__all__ = ["check_namespaces", "engine_options", "overriding"]

_overriding: Final[ContextVar[Mapping[str, Any]]] = ContextVar("overriding")

_COOKIE_ATTRIBUTES: Final = {
    "httponly": "http_only",
    "samesite": "same_site",
    "max-age": "max_age",
}


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the options that a Socket.IO server was made with.

    Args:
        options: python-engineio's options, and those of `txengineio.Engine`.

    Returns:
        Options of `txengineio.Engine`; it checks their values.

    Raises:
        InvalidOption: An option of python-engineio has no meaning here.
    """
    translated = dict(options)
    for name, translate in _TRANSLATIONS.items():
        if name in translated:
            translated |= translate(translated.pop(name), translated)
    # Only a companion of another option.
    translated.pop("cors_credentials", None)
    translated.pop("compression_threshold", None)
    return translated | dict(_overriding.get({}))


def check_namespaces(value: object) -> None:
    """Raise an error if the option ``namespaces`` of a server makes no sense.

    Upstream looks for the name of a namespace in whatever it is given. In the string
    ``"/admin"`` it finds ``/`` as well.
    """
    if value == "*":
        return
    if (
        isinstance(value, str)
        or not isinstance(value, Collection)
        or not all(isinstance(name, str) and name.startswith("/") for name in value)
    ):
        expected = "a list of names that begin with /, such as ['/', '/chat'], or '*'"
        raise InvalidOption("namespaces", expected, value)


@contextmanager
def overriding(options: Mapping[str, Any]) -> Iterator[None]:
    """Give servers that are made meanwhile options that precede their own.

    Args:
        options: Options of `txengineio.Engine`, such as those of a command line.
    """
    token = _overriding.set(options)
    try:
        yield
    finally:
        _overriding.reset(token)


def _async_mode(mode: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    if mode not in (None, "twisted"):
        raise InvalidOption("async_mode", "'twisted', which it always is", mode)
    return {}


def _monitor_clients(flag: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    if flag not in (None, True):
        expected = "True: sessions whose clients are gone are always found"
        raise InvalidOption("monitor_clients", expected, flag)
    return {}


def _logger(logger: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    if logger not in (None, False):
        expected = "False: the engine logs by twisted.logger"
        raise InvalidOption("engineio_logger", expected, logger)
    return {}


def _nothing(_value: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    """Drop an option that `socketio.Server` uses itself and passes on as well."""
    return {}


def _ping_interval(value: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    # A tuple has a grace period, which python-engineio announces in the interval.
    return {"ping_interval": sum(value) if isinstance(value, tuple) else value}


def _transports(value: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    if value is None:
        return {}
    return {"transports": (value,) if isinstance(value, str) else tuple(value)}


def _http_compression(value: Any, rest: Mapping[str, Any]) -> dict[str, Any]:
    threshold = rest.get("compression_threshold")
    if value is True and threshold is not None:
        # python-engineio compresses answers above the threshold, ours those that reach
        # it.
        return {"http_compression": {"threshold": threshold + 1}}
    return {"http_compression": value}


def _cookie(value: Any, _rest: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(value, str):
        return _cookie({"name": value, "path": "/", "SameSite": "Lax"}, _rest)
    if not isinstance(value, Mapping):
        return {"cookie": value}
    cookie: dict[str, Any] = {"http_only": False, "same_site": None, "path": None}
    for name, attribute in value.items():
        key = _COOKIE_ATTRIBUTES.get(name.lower(), name.lower().replace("-", "_"))
        cookie[key] = attribute() if callable(attribute) else attribute
    if isinstance(cookie["same_site"], str):
        cookie["same_site"] = cookie["same_site"].lower()
    if isinstance(cookie.get("max_age"), str):
        cookie["max_age"] = int(cookie["max_age"])
    return {"cookie": cookie}


def _cors(origins: Any, rest: Mapping[str, Any]) -> dict[str, Any]:
    """Translate ``cors_allowed_origins``: None is the server's own origin alone."""
    if origins is None:
        return {}
    if callable(origins):
        return {"cors": {"origin": _ask(origins), "credentials": _credentials(rest)}}
    allowed = [origins] if isinstance(origins, str) else list(origins)
    if not allowed:
        # In python-engineio, an empty list switches the check of origins off.
        return {"allowed_origins": "*"}
    if "*" not in allowed:
        return {"cors": {"origin": allowed, "credentials": _credentials(rest)}}
    # Browsers take no "*" for requests with cookies: each origin is told its own name.
    return {
        "cors": {"origin": True, "credentials": _credentials(rest)},
        "allowed_origins": "*",
    }


def _credentials(rest: Mapping[str, Any]) -> bool:
    return bool(rest.get("cors_credentials", True))


def _ask(is_allowed: Callable[..., Any]) -> Callable[[str | None], Any]:
    """Ask the application about an origin, with or without an empty environment."""
    arguments = _positional(signature(is_allowed).parameters.values())

    def origin_of(origin: str | None) -> str | bool:
        answer = is_allowed(origin, {}) if arguments > 1 else is_allowed(origin)
        return origin if answer and origin is not None else False

    return origin_of


def _positional(parameters: Iterable[Parameter]) -> int:
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in kinds for parameter in parameters)


_TRANSLATIONS: Final[
    Mapping[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]]
] = {
    "async_mode": _async_mode,
    "async_handlers": _nothing,
    "json": _nothing,
    "logger": _logger,
    "monitor_clients": _monitor_clients,
    "ping_interval": _ping_interval,
    "transports": _transports,
    "http_compression": _http_compression,
    "cookie": _cookie,
    "cors_allowed_origins": _cors,
}
