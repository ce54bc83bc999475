"""What coverage-guided fuzzing has kept and found, replayed without it."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.fuzz.launch import TARGETS, corpus_of


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs_break_nothing(target: str) -> None:
    check = import_module(f"tests.fuzz.fuzz_{target}").check
    inputs = corpus_of(target)
    assert len(inputs) > 10
    for data in inputs:
        try:
            check(data)
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise
