"""What the commands of twistd differ in: what they serve."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from twisted.web.resource import Resource

from txengineio.command_line import Flag
from txengineio.server.engine import Engine
from txengineio.twistd.command_service import Words

__all__ = ["Serves", "import_from_here"]


class Serves(Protocol):
    """What one of twistd's commands serves; they share everything else."""

    command: str
    """The name of the command, such as ``engineio``."""
    protocol: str
    """What it serves, such as ``Engine.IO``; scripts for browsers begin with that."""
    path: str
    """Where it is served by default."""
    echoes: bool
    """Whether the application without ``--app`` sends each message back."""
    brings_options: bool
    """Whether an application is made with options of the engine."""
    summary: str
    """What its help begins with."""
    app: Flag
    """The flag ``--app``."""
    examples: str
    """Command lines for the end of the help, each under a line that explains it."""

    def application(self, name: str | None, options: Mapping[str, Any]) -> Any:
        """Return the application that ``--app`` names, or the one without ``--app``.

        Args:
            name: As ``package.module:name``.
            options: The options of the engine that the command line sets.

        Raises:
            UsageError: There is no such thing, or it is no application.
        """

    def engine(
        self, application: Any, options: Mapping[str, Any], reactor: Any
    ) -> Engine:
        """Return the engine that serves an application."""

    def home(self, line: Mapping[str, Any], engine: Engine) -> dict[bytes, Resource]:
        """Return the pages to try the server out with, by their names at the root."""

    def words(self, line: Mapping[str, Any]) -> Words:
        """Return the words for what it serves, in logs and errors."""


def import_from_here() -> None:
    """Let modules in the current directory be imported, as with ``python -m``."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
