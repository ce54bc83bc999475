"""Fuzz one target, guided by coverage: ``python -m tests.fuzz.launch TARGET …``.

The target is one of the modules `fuzz_*`, by the rest of its name; what follows goes to
libFuzzer, like ``-max_total_time=60``. It wants the package atheris, which the tests do
not: they replay the kept corpus, see `tests.fuzz.test_corpus`. What is found goes to
the folder that is named, or else to ``corpus/TARGET``; ``-merge=1`` into a new folder
keeps of it what is worth keeping.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

__all__ = ["CORPUS", "TARGETS", "corpus_of"]

CORPUS = Path(__file__).parent / "corpus"
TARGETS = ("codecs", "query", "frames", "websocket", "http")


def corpus_of(target: str) -> list[bytes]:
    """Return the kept inputs of a target."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def _main(target: str, *arguments: str) -> None:
    if target not in TARGETS:
        sys.exit(f"no such target: {target}; there are {', '.join(TARGETS)}")
    # By name: it is not installed where the tests are checked.
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["autobahn", "txengineio"]):
        check = import_module(f"tests.fuzz.fuzz_{target}").check
    folders = [each for each in arguments if not each.startswith("-")]
    kept = [] if folders else [str(CORPUS / target)]
    # What libFuzzer runs again, by a shell, to merge corpora.
    program = f"{sys.executable} -m tests.fuzz.launch {target}"
    atheris.Setup([program, *kept, *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    _main(*sys.argv[1:])
