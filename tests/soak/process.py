"""The server process, seen from the process of the clients."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["ServerProcess"]

_ROOT = Path(__file__).parent.parent.parent


class ServerProcess:
    """Runs `tests.soak.server` and asks it.

    Attributes:
        port: Where it listens.
    """

    port: int

    async def start(self, **options: Any) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - until stop
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.soak.server",
            json.dumps(options),
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            limit=1 << 26,
        )
        self.port = (await self._line())["port"]

    async def ask(self, question: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(question.encode() + b"\n")
        return await self._line()

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, self.log()
        return json.loads(line)

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    async def stop(self) -> str:
        """End it; return its log."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        status = await self._process.wait()
        log = self.log()
        self._log.close()
        assert status == 0, log[-2000:]
        return log
