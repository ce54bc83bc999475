from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocolFactory

from txengineio.loading import NotLoadable, load_application, load_object
from txengineio.testing import RecordingApplication, RecordingProtocol

APPLICATION = RecordingApplication()


def test_object_is_found_by_its_name() -> None:
    assert load_object(f"{__name__}:APPLICATION.refuse") is False


@pytest.mark.parametrize("name", ["", "tests.doubles", "tests.doubles:", ":name"])
def test_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(NotLoadable, match=r"must be package\.module:name, not"):
        load_object(name)


@pytest.mark.parametrize("name", ["tests.nowhere:name", "tests.doubles:Nobody"])
def test_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(NotLoadable, match=f"{name} cannot be loaded: "):
        load_object(name)


def test_application_may_be_a_protocol() -> None:
    factory = load_application("txengineio.testing:RecordingProtocol")

    assert IProtocolFactory.providedBy(factory)
    assert isinstance(
        factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 50000)), RecordingProtocol
    )


def test_application_may_be_a_factory() -> None:
    assert load_application(f"{__name__}:APPLICATION") is APPLICATION


@pytest.mark.parametrize("name", ["str", "len", "RecordingApplication.noisy"])
def test_application_must_be_one(name: str) -> None:
    module = "tests.doubles" if "." in name else "builtins"
    with pytest.raises(NotLoadable, match="must be an EngineIOProtocol subclass"):
        load_application(f"{module}:{name}")
