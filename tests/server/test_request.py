"""What is kept of the request that opened a session."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
from twisted.internet.address import UNIXAddress

from tests.session.sessions import handshake_request


def test_the_last_value_of_a_header_counts_whatever_its_case() -> None:
    request = handshake_request()
    assert request.header("cookie") == "b=2"
    assert request.header("X-Nothing") is None


def test_a_unix_socket_has_no_address() -> None:
    request = replace(handshake_request(), client_address=UNIXAddress("/run/app"))
    assert request.remote_address is None
    assert handshake_request().remote_address == "192.0.2.1"


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        handshake_request().method = "POST"  # type: ignore[misc]  # that is the test
