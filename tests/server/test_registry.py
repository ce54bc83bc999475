"""The registry, and the ids that it knows sessions by."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.doubles import RecordingEngine
from tests.session.sessions import SID, new_session
from txengineio.server.registry import SessionRegistry, new_sid, node_of
from txengineio.testing import RecordingTransport


def test_a_session_is_found_until_it_is_removed() -> None:
    registry = SessionRegistry()
    session = new_session(RecordingEngine(), RecordingTransport())
    assert registry.is_free(SID)
    assert registry.find(SID) is None
    registry.add(session)
    assert not registry.is_free(SID)
    assert registry.find(SID) is session
    assert len(registry) == 1
    registry.remove(session)
    registry.remove(session)
    assert registry.find(SID) is None
    assert len(registry) == 0


def test_the_view_follows_every_change_and_cannot_be_changed() -> None:
    registry = SessionRegistry()
    view: Any = registry.sessions
    session = new_session(RecordingEngine(), RecordingTransport())
    registry.add(session)
    assert dict(view) == {SID: session}
    with pytest.raises(TypeError):
        view[SID] = session


def test_the_list_stays_as_it_is_while_sessions_go() -> None:
    registry = SessionRegistry()
    session = new_session(RecordingEngine(), RecordingTransport())
    registry.add(session)
    listed = registry.all()
    registry.remove(session)
    assert listed == [session]


def test_an_id_that_is_taken_cannot_be_added_again() -> None:
    registry = SessionRegistry()
    registry.add(new_session(RecordingEngine(), RecordingTransport()))
    with pytest.raises(AssertionError):
        registry.add(new_session(RecordingEngine(), RecordingTransport()))


def test_an_id_tells_its_node() -> None:
    registry = SessionRegistry("n1")
    assert node_of(registry.new_sid()) == "n1"
    assert len(registry.new_sid()) == len("n1-") + 20
    assert registry.own_sid("a-b") == "n1-a-b"
    assert node_of("n1-a-b") == "n1"
    assert node_of("0123456789abcdef") == node_of("") == node_of("-") == ""
    assert SessionRegistry().own_sid("a-b") == "a-b"


def test_ids_have_twenty_characters_and_tell_no_node_that_is_none() -> None:
    sids = {new_sid() for _ in range(1000)}
    assert len(sids) == 1000
    assert all(re.fullmatch(r"\w{20}", sid, re.ASCII) for sid in sids)
    assert {node_of(sid) for sid in sids} == {""}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with os.fork")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    new_sid()
    script = """if True:
        import os
        from txengineio.server.registry import new_sid
        new_sid()
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.write(writing, new_sid().encode())
            os._exit(0)
        os.wait()
        print(new_sid(), os.read(reading, 20).decode())
    """
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    ours, childs = ran.stdout.split()
    assert len(ours) == len(childs) == 20
    assert ours != childs
