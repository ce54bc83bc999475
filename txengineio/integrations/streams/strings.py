r"""The endpoint strings ``engineio:…``; Twisted finds these parsers as plugins.

=========================================  ===========================================
``engineio:8080:path=/pipe/``              listen on a port
``engineio:unix\\:/run/pipe:path=/pipe/``   listen on any other endpoint
``engineio:https\\://example.com/pipe/``    connect to a URL
=========================================  ===========================================

Further words are options of `Engine` and of `connect`: ``ping_interval=5``.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Sequence
from typing import Any

from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.interfaces import (
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from zope.interface import implementer

from txengineio.errors import InvalidOption
from txengineio.integrations.streams.endpoints import (
    EngineIOClientEndpoint,
    EngineIOServerEndpoint,
)

__all__ = ["ClientStringParser", "ServerStringParser"]

NO_OPTIONS = frozenset({"self", "reactor", "endpoint", "url"})
"""Arguments of the endpoints that a string gives in another way, or not at all."""


@implementer(IPlugin, IStreamServerEndpointStringParser)
class ServerStringParser:
    """Reads ``engineio:`` strings of servers."""

    prefix = "engineio"

    def parseStreamServer(  # type: ignore[override]  # reactor= may be in a string
        self, reactor: Any, /, *args: Any, **kwargs: Any
    ) -> EngineIOServerEndpoint:
        """Return the endpoint that a string means.

        Raises:
            ValueError: The string makes no sense.
        """
        # What Twisted took for an option with a value: tcp\:80\:backlog=5.
        parts = [name for name in kwargs if ":" in name]
        words = [*args, *(f"{name}={kwargs.pop(name)}" for name in parts)]
        endpoint = _only(words, "a port number or an endpoint, as in engineio:8080")
        interface = kwargs.pop("interface", "")
        if endpoint.isdecimal():
            endpoint = f"tcp:{endpoint}"
            if interface:
                endpoint += f":interface={quoteStringArgument(interface)}"
        elif interface:
            raise ValueError("interface= goes with a port number only")
        options = _values(kwargs)
        try:
            below = serverFromString(reactor, endpoint)
        except TypeError as error:
            # Twisted's own parsers fail so when a word is missing, or is one too many.
            raise ValueError(f"engineio: {endpoint} is no endpoint: {error}") from error
        try:
            return EngineIOServerEndpoint(reactor, below, **options)
        except InvalidOption as error:
            raise ValueError(f"engineio: {error}") from error


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class ClientStringParser:
    """Reads ``engineio:`` strings of clients."""

    prefix = "engineio"

    def parseStreamClient(  # type: ignore[override]  # reactor= may be in a string
        self, reactor: Any, /, *args: Any, **kwargs: Any
    ) -> EngineIOClientEndpoint:
        """Return the endpoint that a string means.

        Raises:
            ValueError: The string makes no sense.
        """
        url = _only(args, r"a URL, as in engineio:https\://example.com/pipe/")
        try:
            return EngineIOClientEndpoint(reactor, url, **_values(kwargs))
        except InvalidOption as error:
            raise ValueError(f"engineio: {error}") from error


def _only(words: Sequence[str], expected: str) -> str:
    if len(words) != 1 or not words[0]:
        found = ":".join(words) or "nothing"
        raise ValueError(f"engineio: wants {expected}; found {found}")
    return words[0]


def _values(options: dict[str, str]) -> dict[str, Any]:
    for name in NO_OPTIONS & options.keys():
        raise ValueError(f"engineio: there is no option {name!r}")
    return {name: _value(name, text) for name, text in options.items()}


def _value(name: str, text: str) -> Any:
    """Return the value of an option: a number, a flag, a list of names, or a text."""
    if name == "transports":
        return tuple(text.split(","))
    if text in ("True", "False", "None") or text[:1].isdecimal():
        try:
            return literal_eval(text)
        except (SyntaxError, ValueError):
            return text
    return text
