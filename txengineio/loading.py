"""Objects by their names: what a command line and a configuration file can say."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocolFactory
from twisted.python.reflect import namedAny

from txengineio.application import factory_of
from txengineio.errors import EngineIOError, InvalidOption

__all__ = ["NotLoadable", "load_application", "load_object"]


class NotLoadable(EngineIOError):
    """A name leads nowhere, or to something else than is needed."""


def load_object(name: str) -> Any:
    """Import what ``package.module:name`` names.

    Raises:
        NotLoadable: It is no such name, or importing it failed; the text says why.
    """
    module, separator, attribute = name.partition(":")
    if not (module and separator and attribute):
        raise NotLoadable(f"must be package.module:name, not {name!r}")
    try:
        return namedAny(f"{module}.{attribute}")
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise NotLoadable(f"{name} cannot be loaded: {problem}") from error


def load_application(name: str) -> IProtocolFactory:
    """Return the application that ``package.module:name`` names.

    It may name an `EngineIOProtocol` subclass, or a factory of such protocols.

    Raises:
        NotLoadable: There is no such thing, or it is no application.
    """
    try:
        return factory_of(load_object(name), name)
    except InvalidOption as problem:
        raise NotLoadable(str(problem)) from problem
