"""Objects by their names, as command lines and configuration files give them."""

from __future__ import annotations

import os
from functools import reduce
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from twisted.internet.interfaces import IProtocolFactory

from txengineio.application import factory_of
from txengineio.errors import EngineIOError, InvalidOption

__all__ = ["NotLoadable", "load_application", "load_object"]

_MAX_TEXT: Final = 200
_STANDARD_LIBRARY: Final = str(Path(os.__file__).parent) + os.sep


class NotLoadable(EngineIOError):
    """A name leads nowhere, or to an object of the wrong kind."""


def load_object(name: str) -> Any:
    """Import what ``package.module:name`` names.

    Raises:
        NotLoadable: It is no such name, or importing it failed; the text is one line
            that says why, and where in the code.
    """
    module, separator, attribute = name.partition(":")
    if not (module and separator and attribute):
        raise NotLoadable(f"must be package.module:name, not {name!r}")
    try:
        found = import_module(module)
    # A program that exits when it is imported must not end this one silently.
    except (Exception, SystemExit) as error:
        problem = _import_problem(module, error)
        raise NotLoadable(f"{name} cannot be loaded: {problem}") from error
    try:
        return reduce(getattr, attribute.split("."), found)
    except AttributeError as error:
        file = getattr(found, "__file__", None)
        where = f" ({file})" if file else ""
        raise NotLoadable(
            f"{name} cannot be loaded: the module {module}{where} has no {attribute!r}"
        ) from error


def _import_problem(module: str, error: BaseException) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is not None and f"{module}.".startswith(f"{missing}."):
        return f"there is no module {missing!r}"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    text = " ".join(text.split()) or "without a text"
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}…"
    return f"{type(error).__name__}: {text}{_where(error)}"


def _where(error: BaseException) -> str:
    """Return file and line of what raised an error while it was imported."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    # The line that called a library says more than the library's own.
    own = [frame for frame in frames if not _is_library(frame.filename)]
    for frame in reversed(own or frames):
        return f" ({frame.filename}, line {frame.lineno})"
    return ""


def _is_library(file: str) -> bool:
    return "site-packages" in file or file.startswith(_STANDARD_LIBRARY)


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
