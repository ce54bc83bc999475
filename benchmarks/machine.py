"""What a run was measured on: machine, versions, revision."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks import pythons
from benchmarks.install import NODE_MODULES, PYTHON
from benchmarks.servers import ROOT

_OWN_PACKAGES = ("Twisted", "autobahn", "python-socketio")
_UNKNOWN = "unknown"


def environment() -> Mapping[str, str]:
    """Return what a reader needs to judge the figures, as name and value."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": pythons.this_python(),
        "python of the peers": _output(str(PYTHON), pythons.__file__),
        "node": f"Node {_output('node', '--version')}",
        "engine.io": _npm_version("engine.io"),
        "socket.io": _npm_version("socket.io"),
        "ws": _npm_version("ws"),
        **{name: _version(name) for name in _OWN_PACKAGES},
        "revision": _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN
    return done.stdout.strip()


def _npm_version(name: str) -> str:
    try:
        return str(
            json.loads((NODE_MODULES / name / "package.json").read_text())["version"]
        )
    except OSError:
        return _UNKNOWN


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return _UNKNOWN
