from __future__ import annotations

import pytest

from tests.examples import RunExample, run_example

__all__ = ["run_example"]

pytestmark = pytest.mark.socket


def test_the_example_talks_to_a_server(run_example: RunExample) -> None:
    url = run_example("echo.py")
    run_example("client.py", url, says="connected by polling")
