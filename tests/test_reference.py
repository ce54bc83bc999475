"""The reference on the documentation site has all that is public."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import txengineio
from txengineio.application import AnySession

PAGES = Path(__file__).parents[1] / "docs" / "api"
DIRECTIVE = re.compile(r"^\.\. auto(\w+):: ([\w.]+)", re.MULTILINE)


def shown() -> dict[str, str]:
    """Return what the pages show: kinds by names."""
    texts = [each.read_text("utf-8") for each in PAGES.glob("*.md")]
    return {name: kind for text in texts for kind, name in DIRECTIVE.findall(text)}


def test_every_public_name_is_shown() -> None:
    errors = set(importlib.import_module("txengineio.errors").__all__)
    names = set(txengineio.__all__) - errors - {"__version__"}
    assert "module" in shown()["txengineio.errors"]
    assert {f"txengineio.{name}" for name in names} <= shown().keys()


@pytest.mark.parametrize("name", sorted(shown()))
def test_what_is_shown_exists(name: str) -> None:
    if shown()[name] == "module":
        importlib.import_module(name)
        return
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def test_what_sessions_of_either_side_offer_is_shown() -> None:
    text = (PAGES / "engine.md").read_text("utf-8")
    block = text[text.index("txengineio.Session\n") :]
    (members,) = re.findall(r":members: (.*)", block)[:1]
    # Attributes have no docstrings of their own: the class tells of them.
    methods = {
        name
        for name in vars(AnySession)
        if not name.startswith("_") and hasattr(txengineio.Session, name)
    }
    told = {"id", "closed", "transport", "ready_state", "protocol"}
    assert methods - told <= set(members.split(", "))


def test_every_page_is_in_the_list() -> None:
    index = (PAGES / "index.md").read_text("utf-8").split("```")[1].splitlines()
    pages = {each.stem for each in PAGES.glob("*.md")} - {"index"}
    assert pages <= set(index)
