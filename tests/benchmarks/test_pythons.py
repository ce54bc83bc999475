import platform
import subprocess
import sys

import pytest

from benchmarks import pythons


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("'--enable-optimizations' '--with-lto'", "PGO, LTO"),
        ("'--enable-optimizations' '--enable-shared'", "PGO, no LTO"),
        ("'--with-lto=full'", "no PGO, LTO"),
        (
            "'--with-wheel-pkg-dir=/usr/share/python-wheels/' '--with-system-ffi'",
            "Debian's: PGO, LTO",
        ),
        (
            "'--enable-shared'",
            "no PGO, no LTO",
        ),
        ("", "no PGO, no LTO"),
    ],
)
def test_a_build_is_known_by_how_it_was_configured(
    arguments: str, expected: str
) -> None:
    assert pythons.build(arguments) == expected


def test_a_python_tells_its_version_and_how_it_was_built() -> None:
    assert f" {platform.python_version()} (" in pythons.this_python()
    assert "PGO" in pythons.this_python()


def test_the_peers_python_is_asked_by_a_program() -> None:
    run = subprocess.run(
        [sys.executable, pythons.__file__], capture_output=True, text=True, check=True
    )
    assert run.stdout == pythons.this_python() + "\n"
