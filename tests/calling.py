"""A pytest plugin that calls tests: from the reactor those alone that wait for it.

pytest-twisted calls every test, and every example of Hypothesis, in the greenlet of the
reactor. Coverage has to ask for the greenlet at each call and each return then, which
makes tests in memory half as fast. Here they stay out of that greenlet, and the others
begin and end where nothing but the reactor itself is below them: so what coverage notes
of one greenlet never mixes with the other's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

__all__ = ["in_reactor"]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    names = pyfuncitem.funcargs.keys() & signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    if iscoroutinefunction(pyfuncitem.obj):
        in_reactor(pyfuncitem.obj, **arguments)
    else:
        returned = pyfuncitem.obj(**arguments)
        assert returned is None, f"the test returned {returned!r}"
        if pyfuncitem.get_closest_marker("socket") is not None:
            # What it has left to the reactor is done before the next one.
            in_reactor(_nothing)
    return True


def in_reactor(work: Callable[..., Awaitable[None]], **arguments: Any) -> None:
    """Do something while the reactor runs, which may wait for it."""
    # Only now: pytest-twisted has installed it.
    from twisted.internet import reactor  # noqa: PLC0415, TID251 - real sockets

    clock: Any = reactor

    async def from_the_reactor() -> None:
        await deferLater(clock, 0)
        try:
            await work(**arguments)
        finally:
            await deferLater(clock, 0)

    pytest_twisted.blockon(Deferred.fromCoroutine(from_the_reactor()))


async def _nothing() -> None:
    pass


@pytest.fixture(scope="session", autouse=True)
def _reactor() -> None:
    """Let the reactor run: pytest-twisted stops it at the end, and waits for that."""
    in_reactor(_nothing)
