"""Which sessions are picked out of all, and in which order."""

from __future__ import annotations

import pytest

from tests.wiring import Server
from txengineio.integrations.inspector.selection import (
    MAX_LISTED,
    PAGE_SIZE,
    Query,
    Selection,
)
from txengineio.server.session import Session


@pytest.fixture
def server() -> Server:
    server = Server.new(allow_eio3=True)
    server.engine.keep_statistics()
    return server


def select(server: Server, query: Query) -> Selection:
    selection = Selection(query)
    selection.look_at(server.engine.sessions.values())
    return selection


def sessions_of(selection: Selection) -> list[Session]:
    own = [] if selection.own is None else [selection.own]
    return [*own, *(session for _, session in selection.best)]


def ids(selection: Selection) -> list[str]:
    return [session.id for session in sessions_of(selection)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["opened", "in", "out"])
def test_columns_sort(server: Server, sort: str, descending: bool) -> None:
    clients = []
    for number in range(1, 4):
        clients.append(server.open_polling())
        server.advance(1.0)
        clients[-1].post("4" + number * "x")
        clients[-1].session.send(number * "y")
        assert clients[-1].poll().answer.status == 200
    expected = [client.sid for client in clients]
    if descending:
        expected.reverse()

    selection = select(server, Query(sort=sort, descending=descending))

    assert ids(selection) == expected


def test_a_column_of_words_sorts(server: Server) -> None:
    websocket = server.open_websocket().sid
    polling = server.open_polling().sid

    assert ids(select(server, Query(sort="transport"))) == [
        polling,
        websocket,
    ]
    assert ids(select(server, Query(sort="id"))) == sorted([polling, websocket])


def test_a_search_looks_at_what_is_shown(server: Server) -> None:
    polling, websocket = server.open_polling().sid, server.open_websocket().sid
    own = polling[:6]

    def found(search: str) -> list[str]:
        return ids(select(server, Query(search=search, own=own)))

    assert found("WebSocket") == [websocket]
    assert found(polling[:6]) == [polling]
    assert found("192.0.2.1 poll") == [polling]
    assert found("this page") == [polling]
    assert found("websocket polling") == []
    # The rest of an id is a credential: nobody may guess at it here.
    assert found(polling[4:10]) == []


def test_the_own_session_comes_first_in_any_order(server: Server) -> None:
    clients = [server.open_polling() for _ in range(PAGE_SIZE + 1)]
    own = clients[-1].sid

    selection = select(server, Query(own=own[:6]))

    assert ids(selection) == [own, *(client.sid for client in clients[:PAGE_SIZE])]


def test_all_are_searched_and_sorted_but_not_all_are_kept(server: Server) -> None:
    for _ in range(MAX_LISTED + PAGE_SIZE):
        server.open_polling()
    server.advance(1.0)
    youngest = server.open_websocket().sid

    selection = select(server, Query(sort="opened", descending=True, page=999))

    assert selection.matching == MAX_LISTED + PAGE_SIZE + 1
    assert len(selection.best) == MAX_LISTED
    assert ids(select(server, Query(search="websocket"))) == [youngest]
    newest_first = select(server, Query(sort="opened", descending=True))
    assert ids(newest_first)[0] == youngest


def test_the_name_of_a_node_is_shown_on_top() -> None:
    server = Server.new(node_name="worker1")
    session = server.open_polling().session

    assert session.short_id == session.id[:14]
    assert ids(select(server, Query(own=session.id[:14], search="this"))) == [
        session.id
    ]


@pytest.mark.parametrize("arguments", [{"sort": "nothing"}, {"page": 0}])
def test_no_such_column_or_page(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no "):
        Query(**arguments)  # type: ignore[arg-type] # what comes in a URL
