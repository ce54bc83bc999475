"""What the suite finds out about the process that it measures."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.process import listening_port

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="the suite asks Linux's /proc"
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket of this process that listens on a port that the kernel chose."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_process_that_listens_has_a_port(listener: socket.socket) -> None:
    assert listening_port(os.getpid()) is not None


def test_a_process_that_is_gone_has_none() -> None:
    finished = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(finished, 0)
    assert listening_port(finished) is None


def test_a_descriptor_that_closes_meanwhile_leaves_the_scan_closed(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[BaseException] = []

    def vanish(path: str) -> str:
        error = FileNotFoundError(path)
        # Its traceback keeps the scan alive, as a collector that is late would.
        kept.append(error)
        raise error

    monkeypatch.setattr(os, "readlink", vanish)
    before = _open_descriptors()
    assert listening_port(os.getpid()) is None
    assert kept
    assert _open_descriptors() == before
