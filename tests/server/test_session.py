"""What a server's session has and a client's has not."""

from __future__ import annotations

from tests.session.sessions import open_session


def test_it_follows_the_options_of_its_engine() -> None:
    opened = open_session(ping_interval=7.0, ping_timeout=3.0)
    assert opened.session.ping_interval == 7.0
    assert opened.session.ping_timeout == 3.0
    assert opened.session.engine is opened.engine


def test_it_knows_where_its_client_came_from() -> None:
    opened = open_session(revision=3, allow_eio3=True)
    assert opened.session.remote_address == "192.0.2.1"
    assert opened.session.request.query["transport"] == "polling"
    assert opened.session.protocol_revision == 3
