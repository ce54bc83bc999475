"""Taking clients in, and forgetting them, in any release of python-socketio."""

from __future__ import annotations

from typing import Any

import pytest
import socketio

from tests.integrations.socketio.harness import wired
from txengineio.integrations.socketio.managers.clients import confirm, forget, register
from txengineio.socketio import Server


@pytest.fixture
def manager() -> Any:
    return wired(Server)[0].manager


def test_a_client_is_one_once_it_is_confirmed(manager: Any) -> None:
    sid = register(manager, "eio", "/")
    assert sid is not None
    assert manager.eio_sid_from_sid(sid, "/") == "eio"
    if hasattr(socketio.Manager, "pre_connect"):
        assert not manager.is_connected(sid, "/")
    confirm(manager, sid, "/")
    assert manager.is_connected(sid, "/")
    assert manager.get_rooms(sid, "/") == [sid]


def test_a_client_is_taken_in_once_for_each_namespace(manager: Any) -> None:
    assert register(manager, "eio", "/") is not None
    assert register(manager, "eio", "/") is None
    assert register(manager, "eio", "/admin") is not None


def test_who_is_forgotten_leaves_nothing_behind(manager: Any) -> None:
    sid = register(manager, "eio", "/")
    assert sid is not None
    manager.enter_room(sid, "/", "room")
    forget(manager, sid, "/")
    assert manager.rooms == {}
    # It may have left by itself.
    forget(manager, sid, "/")


class OlderManager(socketio.Manager):  # type: ignore[misc]
    """As in releases before 5.18: who is registered is connected."""

    pre_connect = property()

    def connect(self, eio_sid: str, namespace: str) -> str:
        self.basic_enter_room("sid", namespace, None, eio_sid=eio_sid)
        self.basic_enter_room("sid", namespace, "sid", eio_sid=eio_sid)
        return "sid"


def test_in_older_releases_there_is_nothing_to_confirm() -> None:
    manager = OlderManager()
    sid = register(manager, "eio", "/")
    assert sid == "sid"
    before = dict(manager.rooms)
    confirm(manager, sid, "/")
    assert manager.rooms == before
