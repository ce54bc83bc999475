"""Installs the peers into `.peers/`, once for each set of pinned versions."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCES = _HERE / "peers"
PEERS = _HERE / ".peers"

NODE_MODULES = PEERS / "node" / "node_modules"
PYTHON = PEERS / "python" / "bin" / "python"
KERNEL_ECHO = PEERS / "kernel_echo"

_NODE_FILES = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_SECONDS = 600.0
_COMPILERS = ("cc", "gcc", "clang")


class PeerMissing(Exception):
    """A peer cannot be installed here; the others can be measured all the same."""


def _run(command: Sequence[str | Path], directory: Path | None = None) -> None:
    try:
        subprocess.run(
            command,
            cwd=directory,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise PeerMissing(str(problem)) from problem
    except subprocess.CalledProcessError as problem:
        raise PeerMissing(f"{problem}\n{problem.stderr[-2000:]}") from problem


def _once(
    name: str, sources: Sequence[Path], install: Callable[[], None], by: str = ""
) -> None:
    """Install unless that was done from the very same sources, by the same program."""
    digest = hashlib.sha256(by.encode())
    for source in sources:
        digest.update(source.read_bytes())
    stamp = PEERS / f"{name}.stamp"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    PEERS.mkdir(exist_ok=True)
    install()
    stamp.write_text(digest.hexdigest())


def install_python() -> None:
    """Install the peers in Python into an environment of their own, for this Python.

    Raises:
        PeerMissing: It did not work.
    """
    requirements = _SOURCES / "requirements.txt"

    def install() -> None:
        venv.create(PYTHON.parent.parent, clear=True, with_pip=True)
        _run([PYTHON, "-m", "pip", "install", "--quiet", "-r", requirements])

    _once("python", [requirements], install, f"{sys.base_exec_prefix} {sys.version}")


def install_node() -> None:
    """Install engine.io from npm, as the lock file says.

    Raises:
        PeerMissing: It did not work.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise PeerMissing("node and npm are not installed")
    directory = NODE_MODULES.parent

    def install() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name in _NODE_FILES:
            shutil.copyfile(_SOURCES / name, directory / name)
        _run(["npm", "ci"], directory)

    _once("node", [_SOURCES / name for name in _NODE_FILES], install)


def find_redis() -> None:
    """See that what a cluster on Redis needs is here: no part of this suite.

    Raises:
        PeerMissing: Something is not.
    """
    if shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        raise PeerMissing("redis-server is not installed")
    if find_spec("txredisapi") is None:
        raise PeerMissing(
            "txredisapi is not installed: pip install 'txengineio[redis]'"
        )


def install_kernel_echo() -> None:
    """Compile the server that shows what the kernel allows.

    Raises:
        PeerMissing: There is no compiler, or it failed.
    """
    source = _HERE / "apps" / "kernel_echo.c"
    compiler = next((name for name in _COMPILERS if shutil.which(name)), None)
    if compiler is None:
        raise PeerMissing("no C compiler is installed")

    def install() -> None:
        _run([compiler, "-O2", "-o", KERNEL_ECHO, source])

    _once("kernel_echo", [source], install)
