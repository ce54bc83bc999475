from __future__ import annotations

import pytest

from tests.examples import RunExample, run_example

__all__ = ["run_example"]

pytestmark = pytest.mark.socket


def test_the_example_says_hello_and_prints_what_comes_back(
    run_example: RunExample,
) -> None:
    url = run_example("echo.py")
    run_example("client.py", url, says=r"connected by polling\nreceived 'hello'\n")
