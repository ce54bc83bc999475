"""How much is read at a time, and what the C library does about its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from txengineio.net.read_size import LARGE, SMALL, prepare_reads

_IS_GLIBC = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})

_COUNT_FAULTS = """
from resource import RUSAGE_SELF, getrusage
from txengineio.net.read_size import prepare_reads

prepare_reads()
for size in (65_536, 131_000, 200_000, 300_000):
    message = bytes(size)
    for number in range(200):
        if number == 100:
            before = getrusage(RUSAGE_SELF).ru_minflt
        # What is unmasked, what the application gets, and what is sent.
        unmasked = bytearray(message)
        received = bytes(unmasked)
        sent = b"." + received
        del unmasked, received, sent
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not _IS_GLIBC, reason="only glibc can be given an example")
def test_large_messages_reuse_their_memory() -> None:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD"))
    }
    command = (sys.executable, "-c", _COUNT_FAULTS)
    told = subprocess.run(
        command, env=clean, check=True, capture_output=True, text=True
    )
    # It would be more than a hundred for each of them.
    assert int(told.stdout) < 100


@pytest.mark.skipif(not _IS_GLIBC, reason="other C libraries have no such name")
def test_glibc_is_recognized() -> None:
    assert prepare_reads() == LARGE


@pytest.mark.parametrize("answer", [None, "", ValueError(), OSError(), "musl 1.2"])
def test_with_another_c_library_reads_are_small(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confstr(_name: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(os, "confstr", confstr, raising=False)
    assert prepare_reads() == SMALL


def test_a_system_without_confstr_reads_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "confstr", raising=False)
    assert prepare_reads() == SMALL
