"""Nodes of one machine: connections move to the node of their session."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.calling import in_reactor
from tests.cluster.clients import (
    CLOCK,
    DEADLINE,
    HOST,
    POLLING,
    Client,
    Named,
    with_clients,
)
from tests.conftest import FlushLoggedErrors
from tests.wiring import opening_headers
from txengineio.cluster import links, packets
from txengineio.cluster import workers as workers_module
from txengineio.cluster.forwarding.releasing import release
from txengineio.cluster.interfaces import Load
from txengineio.cluster.packets import LostConnection
from txengineio.cluster.workers import Workers
from txengineio.errors import InvalidOption
from txengineio.server.engine import Engine
from txengineio.server.web.site import engine_site

pytestmark = pytest.mark.socket


class Node:
    """An engine that serves a port, and knows the other ones."""

    def __init__(self, name: str, directory: Path) -> None:
        self.engine = Engine(Named, reactor=CLOCK, node_name=name)
        self.site = engine_site(self.engine, reactor=CLOCK)
        self.workers = Workers(self.engine, directory, CLOCK)
        self.workers.serve(self.site)
        self.workers.start()
        self.listener: Any = CLOCK.listenTCP(0, self.site, interface=HOST)
        self.port: int = self.listener.getHost().port

    async def stop(self) -> None:
        self.workers.stop()
        await self.listener.stopListening()
        await self.engine.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "nodes"
    found.mkdir(mode=0o700)
    return found


@pytest.fixture
def nodes(directory: Path) -> Iterator[list[Node]]:
    made = [Node(f"n{number}", directory) for number in range(3)]
    yield made
    for node in made:
        in_reactor(node.stop)
    assert list(directory.iterdir()) == []


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    for _ in range(int(DEADLINE / 0.01)):
        if holds():
            return
        await deferLater(CLOCK, 0.01)
    pytest.fail("it never happened")


@pytest_twisted.ensureDeferred
async def test_a_connection_goes_to_and_fro(nodes: list[Node]) -> None:
    def work(one: Client, two: Client, _: Client) -> None:
        sessions = [one.open(), two.open()]
        name = one.name
        for turn in range(20):
            for number, session in enumerate(sessions):
                assert one.ask(session, f"4{turn}") == (200, b"ok")
                said = f"4n{number} {len(str(turn))} '{turn}'".encode()
                assert one.ask(session) == (200, said)
        assert one.name == name

    await with_clients(nodes, work)
    assert nodes[0].workers.counts.moved["out"] >= 20
    assert nodes[0].workers.counts.moved["in"] >= 19
    for node in nodes:
        assert node.workers.counts.moved.keys() <= {"in", "out"}


@pytest_twisted.ensureDeferred
async def test_large_and_chunked_bodies_are_whole(nodes: list[Node]) -> None:
    def work(one: Client, two: Client, _: Client) -> None:
        session = two.open()
        large = "x" * 900_000
        for _turn in range(3):
            assert one.ask(session, f"4{large}") == (200, b"ok")
            said = one.ask(session)
            assert said == (200, f"4n1 900000 {'x' * 20!r}".encode())
            pieces = iter([b"4he", b"l" * 100_000, b"lo"])
            sent = one.ask(session, pieces, encode_chunked=True)
            assert sent == (200, b"ok")
            assert one.ask(session)[1].startswith(b"4n1 100004 'hell")
            # It goes home, and has to be moved again.
            assert one.ask(POLLING)[0] == 200
            one.open()
            one.http.close()

    await with_clients(nodes, work)


@pytest_twisted.ensureDeferred
async def test_what_is_too_large_to_move_is_forwarded(nodes: list[Node]) -> None:
    """One read may bring more than a packet takes, behind a proxy for example."""

    def open_both(one: Client, two: Client, _: Client) -> str:
        session = two.open()
        assert one.ask("/nothing")[0] == 501
        return session

    def read_answer(one: Client) -> tuple[int, bytes]:
        answer = http.client.HTTPResponse(one.http.sock)
        answer.begin()
        return answer.status, answer.read()

    clients = [Client(node) for node in nodes]
    session = await deferToThread(open_both, *clients)
    (channel,) = nodes[0].site.idle_connections()
    body = b"4" + b"x" * 900_000
    head = f"POST {session} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    channel.dataReceived(head.encode() + body)
    assert await deferToThread(read_answer, clients[0]) == (200, b"ok")
    said = await deferToThread(clients[0].ask, session)
    assert said == (200, f"4n1 900000 {'x' * 20!r}".encode())
    counts = nodes[0].workers.counts
    # The poll after it moved.
    assert (counts.forwarded["answered"], counts.moved["out"]) == (1, 1)
    for client in clients:
        client.http.close()


@pytest_twisted.ensureDeferred
async def test_a_probe_lands_where_its_session_is(nodes: list[Node]) -> None:
    def work(one: Client, two: Client, _: Client) -> bytes:
        target = two.open().replace("polling", "websocket")
        lines = [f"GET {target} HTTP/1.1", "Host: x"]
        lines += [f"{name}: {value}" for name, value in opening_headers().items()]
        with socket.create_connection((HOST, one.http.port), DEADLINE) as opened:
            opened.sendall("\r\n".join([*lines, "", ""]).encode())
            opened.settimeout(DEADLINE)
            received = b""
            while b"\r\n\r\n" not in received:
                received += opened.recv(4096)
            # A masked frame: 2probe.
            opened.sendall(b"\x81\x86\0\0\0\x002probe")
            while b"3probe" not in received:
                received += opened.recv(4096)
            return received

    received = await with_clients(nodes, work)
    assert received.startswith(b"HTTP/1.1 101")
    assert nodes[1].workers.counts.moved["in"] == 1


@pytest_twisted.ensureDeferred
async def test_an_unknown_node_is_refused_at_once(nodes: list[Node]) -> None:
    def work(*clients: Client) -> None:
        for sid in ("n9-nobody", "n1-nobody", "nobody", "..-x", "n0-nobody"):
            status, body = clients[0].ask(f"{POLLING}&sid={sid}")
            assert (status, json.loads(body)["code"]) == (400, 1), sid

    await with_clients(nodes, work)


@pytest_twisted.ensureDeferred
async def test_a_first_line_in_pieces_is_forwarded(nodes: list[Node]) -> None:
    def work(one: Client, two: Client, _: Client) -> bytes:
        session = two.open()
        assert two.ask(session, "4hello") == (200, b"ok")
        line = f"GET {session} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection((HOST, one.http.port), DEADLINE) as opened:
            opened.settimeout(DEADLINE)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.sendall(line[:30])
            # Until it was read: the node is asked on another connection.
            one.ask("/healthz")
            opened.sendall(line[30:])
            return opened.recv(4096)

    answer = await with_clients(nodes, work)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"4n1 5 'hello'")
    assert nodes[0].workers.counts.forwarded == {"answered": 1}
    assert nodes[0].workers.counts.moved["out"] == 0


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_a_forwarded_poll_has_left(
    nodes: list[Node],
) -> None:
    def work(one: Client, two: Client, _: Client) -> None:
        line = f"GET {two.open()} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection((HOST, one.http.port), DEADLINE) as opened:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.sendall(line[:30])
            one.ask("/healthz")
            opened.sendall(line[30:])
            one.ask("/healthz")
            assert len(nodes[1].engine.sessions) == 1

    await with_clients(nodes, work)
    await until(lambda: not nodes[1].engine.sessions)
    assert nodes[0].workers.counts.forwarded == {"left": 1}


@pytest_twisted.ensureDeferred
async def test_connections_of_unix_sockets_move_too(
    nodes: list[Node], tmp_path: Path
) -> None:
    path = str(tmp_path / "clients")
    listener: Any = CLOCK.listenUNIX(path, nodes[0].site)

    def work(one: Client, two: Client, _: Client) -> None:
        session = two.open()
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(DEADLINE)
            opened.connect(path)
            one.http.sock = opened
            for turn in range(3):
                assert one.ask(session, f"4{turn}") == (200, b"ok")
                assert one.ask(session) == (200, f"4n1 1 '{turn}'".encode())

    await with_clients(nodes, work)
    await listener.stopListening()
    assert nodes[0].workers.counts.moved["out"] == 1
    assert nodes[1].workers.counts.moved["in"] == 1


@pytest_twisted.ensureDeferred
async def test_a_lost_node_is_known_at_once(nodes: list[Node]) -> None:
    gone: list[str] = []
    nodes[0].workers.when_left(gone.append)
    assert nodes[0].workers.owner_of("n1-x") in nodes[0].workers.peers()
    nodes[1].workers.stop()
    # It is to hear of the third one, too.
    await until(lambda: gone and nodes[0].workers.peers())
    assert gone == ["n1"]
    assert nodes[0].workers.owner_of("n1-x") is None
    assert [peer.name for peer in nodes[0].workers.peers()] == ["n2"]


@pytest_twisted.ensureDeferred
async def test_a_new_connection_goes_on_before_anything_is_made_of_it(
    nodes: list[Node],
) -> None:
    one, two = (node.workers for node in nodes[:2])
    assert one.owner_of("n1-x") is not None

    def asking(target: str, method: str = "GET") -> Any:
        """Accept a connection, and ask whether it goes on."""
        with socket.create_server((HOST, 0)) as listener:
            client = socket.create_connection(listener.getsockname(), DEADLINE)
            accepted, _ = listener.accept()
        received = f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        return one.takes_accepted(nodes[0].site, accepted, received), client, accepted

    taken, client, accepted = asking(f"{POLLING}&sid=n1-nobody")
    assert taken
    assert accepted.fileno() == -1
    assert one.counts.moved == {"out": 1}
    answer = await deferToThread(client.recv, 4096)
    assert b'"code":1' in answer
    assert two.counts.moved == {"in": 1}
    client.close()
    stays = {
        "its own": f"{POLLING}&sid=n0-x",
        "its own, far behind": f"{POLLING}&t={'x' * 300}&sid=n0-x",
        "nobody's": f"{POLLING}&sid=gone-x",
        "a new one": POLLING,
        "another page": "/healthz?sid=n1-x",
    }
    for what, target in stays.items():
        taken, client, accepted = asking(target)
        assert not taken, what
        client.close()
        accepted.close()
    assert one.counts.moved == {"out": 1}


@pytest_twisted.ensureDeferred
async def test_a_link_that_breaks_while_both_nodes_live_is_opened_once_more(
    nodes: list[Node], flush_logged_errors: FlushLoggedErrors
) -> None:
    one, two = (node.workers for node in nodes[:2])
    lost: list[tuple[str, str]] = []
    one.when_left(lambda name: lost.append(("n0", name)))
    two.when_left(lambda name: lost.append(("n1", name)))
    before = one.peer("n1")
    assert before is not None
    before.sender.send(b"nonsense")
    await until(lambda: lost)
    assert one.peer("n1") not in (None, before)
    # The other one has lost nothing, and hears from both again.
    for _ in range(20):
        await deferLater(CLOCK, 0.01)
    assert lost == [("n0", "n1")]
    heard: list[bytes] = []
    two.when_told(lambda _name, _kind, payload: heard.append(payload))
    assert one.tell_all(b"x", b"hello") == 2
    await until(lambda: heard)
    assert heard == [b"hello"]
    assert {peer.name for peer in two.peers()} == {"n0", "n2"}
    assert len(flush_logged_errors(ValueError)) == 1


@pytest_twisted.ensureDeferred
async def test_a_node_that_takes_nothing_costs_503(nodes: list[Node]) -> None:
    # It listens and never reads, as a process that is stopped.
    def work(*clients: Client) -> list[int]:
        target = f"{POLLING}&sid=stuck-x"
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        opened = []
        try:
            # As many as the link takes, those that wait, and some more.
            for _ in range(700):
                each = socket.create_connection((HOST, clients[0].http.port), DEADLINE)
                opened.append(each)
                each.sendall(request)
            assert opened[-1].recv(4096).startswith(b"HTTP/1.1 503")
            # Nobody has shut the others down.
            opened[0].setblocking(False)
            try:
                return list(opened[0].recv(1))
            except BlockingIOError:
                return [-1]
        finally:
            for each in opened:
                each.close()

    stuck = links.new_socket()
    with closing(stuck):
        stuck.bind(str(nodes[0].workers._directory / "stuck"))
        stuck.listen(5)
        assert await with_clients(nodes, work) == [-1]
        assert nodes[0].workers.counts.moved["busy"] > 0
        (nodes[0].workers._directory / "stuck").unlink()


def test_a_socket_that_the_kernel_drops_is_noticed() -> None:
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client, peer = socket.socketpair()
    other, _other_peer = socket.socketpair()
    with sending, receiving, client, peer, other, _other_peer:
        packet = packets.connection_packet(3, client, b"GET /")
        packets.send(sending, (packet,), client)
        whole = packets.receive(receiving, packets.new_buffer())
        assert isinstance(whole, packets.Connection)
        assert (whole.site, whole.received) == (3, b"GET /")
        whole.socket.close()
        # Without its socket, and with that of somebody else.
        packets.send(sending, (packet,), None)
        assert packets.receive(receiving, packets.new_buffer()) == LostConnection()
        packets.send(sending, (packet,), other)
        assert packets.receive(receiving, packets.new_buffer()) == LostConnection()
        sending.send(b"?nonsense")
        with pytest.raises(ValueError, match="tag b'\\?'"):
            packets.receive(receiving, packets.new_buffer())


def test_a_full_table_loses_a_connection_and_mixes_none_up() -> None:
    resource = pytest.importorskip("resource")
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pairs = [socket.socketpair() for _ in range(2)]
    with sending, receiving:
        for number, (client, _) in enumerate(pairs):
            packet = packets.connection_packet(number, client, b"%d" % number)
            packets.send(sending, (packet,), client)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            first = packets.receive(receiving, packets.new_buffer())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert first == LostConnection()
        second = packets.receive(receiving, packets.new_buffer())
        assert isinstance(second, packets.Connection)
        with second.socket as socket_of_it:
            theirs = os.fstat(socket_of_it.fileno()).st_ino
        assert theirs == os.fstat(pairs[1][0].fileno()).st_ino
        assert second.received == b"1"
    for client, peer in pairs:
        client.close()
        peer.close()


@pytest_twisted.ensureDeferred
async def test_too_many_sockets_under_way_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problems = [errno.ETOOMANYREFS, errno.EAGAIN]
    sent: list[bytes] = []

    def send(_link: object, packet: tuple[bytes], _client: object) -> None:
        if problems:
            raise OSError(problems.pop(0), "not now")
        sent.extend(packet)

    monkeypatch.setattr(links, "send", send)
    ended: list[None] = []
    link, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other:
        sender = links.Sender(CLOCK, link, lambda: ended.append(None))
        for packet in (b"1", b"2", b"3"):
            sender.send(packet)
        assert sent == []
        await until(lambda: len(sent) == 3)
        assert sent == [b"1", b"2", b"3"]
        sender.close()
        assert ended == []


def test_the_directory_is_for_one_user_alone(tmp_path: Path) -> None:
    engine = Engine(Named, reactor=CLOCK, node_name="n1")
    tmp_path.chmod(0o755)
    with pytest.raises(InvalidOption, match="nobody else has access"):
        Workers(engine, tmp_path, CLOCK).start()
    with pytest.raises(InvalidOption, match="the name of this node"):
        Workers(Engine(Named, reactor=CLOCK), tmp_path, CLOCK)


@pytest_twisted.ensureDeferred
async def test_a_node_that_dies_takes_with_it_what_was_under_way(
    nodes: list[Node], directory: Path
) -> None:
    def work(one: Client, *_: Client) -> bytes:
        request = f"GET {POLLING}&sid=stuck-x HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection((HOST, one.http.port), DEADLINE) as opened:
            opened.settimeout(DEADLINE)
            opened.sendall(request)
            # It has been given away when the node says so, on another connection.
            while nodes[0].workers.counts.moved["out"] == 0:
                one.ask("/healthz")
            stuck.close()
            try:
                return opened.recv(4096)
            except ConnectionResetError:
                return b""

    stuck = links.new_socket()
    stuck.bind(str(directory / "stuck"))
    stuck.listen(5)
    assert await with_clients(nodes, work) == b""
    (directory / "stuck").unlink()


@pytest_twisted.ensureDeferred
async def test_two_nodes_of_one_name_are_one_too_many(
    nodes: list[Node], directory: Path
) -> None:
    engine = Engine(Named, reactor=CLOCK, node_name="n1")
    with pytest.raises(OSError, match="such a node already"):
        Workers(engine, directory, CLOCK).start()


@pytest_twisted.ensureDeferred
async def test_a_node_that_was_killed_starts_again_at_once(directory: Path) -> None:
    """Nobody else has to have missed it before."""
    left = links.new_socket()
    left.bind(str(directory / "n0"))
    left.close()
    node = Node("n0", directory)
    link = links.open_link(directory / "n0")
    assert link is not None
    link.close()
    await node.stop()


def test_what_a_killed_node_leaves_is_cleared_away(directory: Path) -> None:
    left = links.new_socket()
    left.bind(str(directory / "dead"))
    left.close()
    assert links.open_link(directory / "dead") is None
    assert list(directory.iterdir()) == []


@pytest_twisted.ensureDeferred
async def test_new_sessions_go_where_there_are_few(nodes: list[Node]) -> None:
    def work(one: Client, *_: Client) -> None:
        for _turn in range(120):
            one.open()
            # The next one comes by a new connection.
            one.http.close()

    await with_clients(nodes, work)
    counts = [len(node.engine.sessions) for node in nodes]
    assert sum(counts) == 120
    # With 17 on each of the others that is 1.25 times the mean, and 50 more.
    assert 86 <= counts[0] <= 101
    assert min(counts[1:]) >= 5
    moved = nodes[0].workers.counts.moved
    assert moved == {"out": 120 - counts[0], "placed": 120 - counts[0]}


@pytest_twisted.ensureDeferred
async def test_a_node_that_drains_gives_newcomers_away(nodes: list[Node]) -> None:
    def work(one: Client, *_: Client) -> list[str]:
        return [one.open() for _ in range(3)]

    await nodes[0].engine.drain(0)
    opened = await with_clients(nodes, work)
    assert len(nodes[0].engine.sessions) == 0
    # All by one connection, which stays where it has come to.
    assert len({sid.partition("sid=")[2].partition("-")[0] for sid in opened}) == 1
    assert nodes[0].workers.counts.moved["placed"] == 1


@pytest_twisted.ensureDeferred
async def test_a_message_without_its_end_or_its_sender_is_dropped_and_counted(
    nodes: list[Node], directory: Path, flush_logged_errors: FlushLoggedErrors
) -> None:
    counts = nodes[0].workers.counts.told

    def opened() -> socket.socket:
        link = links.open_link(directory / "n0")
        assert link is not None
        return link

    first, *_ = packets.pieces_of(b"b", b"\0" + b"x" * packets.PIECE)
    with closing(opened()) as link:
        link.sendmsg(first)
    await until(lambda: counts["torn"] == 1)
    with closing(opened()) as link:
        (whole,) = packets.pieces_of(b"b", b"\0hello")
        link.sendmsg(whole)
        await until(lambda: counts["torn"] == 2)
        # From a node, but not what a node says of its load.
        link.send(packets.hello_packet("n1"))
        (broken,) = packets.pieces_of(b"l", b"?")
        link.sendmsg(broken)
        await until(lambda: flush_logged_errors(ValueError))


@pytest_twisted.ensureDeferred
async def test_the_last_words_of_a_node_are_heard(
    nodes: list[Node], directory: Path
) -> None:
    """A worker that ends says goodbye for its sessions; others may be busy then."""
    counts = nodes[0].workers.counts.told
    heard = list[tuple[str, bytes, bytes]]()
    nodes[0].workers.when_told(lambda *told: heard.append(told))
    link = links.open_link(directory / "n0")
    assert link is not None
    with closing(link):
        # There is no such node any more when this is read.
        link.send(packets.hello_packet("n9"))
        for kind, payload in [(b"l", Load("n9").encode()), (b"b", b"\0bye")]:
            (whole,) = packets.pieces_of(kind, payload)
            link.sendmsg(whole)
    for _ in range(200):
        if heard:
            break
        await deferLater(CLOCK, 0.05)
    assert heard == [("n9", b"b", b"\0bye")]
    assert counts["torn"] == 0
    assert [peer.name for peer in nodes[0].workers.peers()] == ["n1", "n2"]


@pytest_twisted.ensureDeferred
async def test_what_waits_for_others_is_sent_before_the_end(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the system takes at a time, before the other node has read any."""
    # How much is read in a turn depends on how busy the machine is.
    monkeypatch.setattr(workers_module, "_LAST_LOOKS", 10_000)
    heard = list[bytes]()
    nodes[0].workers.when_told(lambda _node, _kind, payload: heard.append(payload))
    leaving = nodes[1].workers
    payloads = [b"%d" % number for number in range(5000)]
    for payload in payloads:
        leaving.tell_all(b"b", payload)
    assert len(heard) < len(payloads)
    await leaving.flush()
    leaving.stop()
    await until(lambda: len(heard) == len(payloads))
    assert heard == payloads


@pytest_twisted.ensureDeferred
async def test_a_node_that_takes_nothing_is_not_waited_for(nodes: list[Node]) -> None:
    began = CLOCK.seconds()
    leaving = nodes[1].workers
    nodes[0].workers.stop()
    with links.new_socket() as hung:
        # A node that listens, and reads nothing.
        path = nodes[0].workers._directory / "n3"
        hung.bind(str(path))
        hung.listen()
        assert leaving.peer("n3") is not None
        while leaving.tell_all(b"b", b"x" * 100_000) == len(leaving.peers()):
            pass
        await leaving.flush()
        path.unlink()
    assert CLOCK.seconds() - began < DEADLINE


@pytest_twisted.ensureDeferred
async def test_a_node_that_leaves_ends_no_poll_of_anothers_session(
    nodes: list[Node],
) -> None:
    def poll(one: Client, two: Client, _: Client) -> tuple[str, bytes]:
        session = two.open()
        line = f"GET {session} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection((HOST, one.http.port), DEADLINE) as opened:
            opened.settimeout(DEADLINE)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # In pieces, so that it is forwarded.
            opened.sendall(line[:30])
            one.ask("/healthz")
            opened.sendall(line[30:])
            return session, opened.recv(4096)

    leaving = nodes[0].workers
    polling = ensureDeferred(with_clients(nodes, poll))
    await until(lambda: any(each.is_busy() for each in leaving.forwarders()))
    await until(lambda: any(map(has_parked_poll, nodes[1].engine.sessions.values())))
    await release(leaving.forwarders(), CLOCK)
    leaving.stop()
    session, answer = await polling
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\n6")
    said = await with_clients([nodes[1]], lambda two: two.ask(session, "4hello"))
    assert said == (200, b"ok")


def has_parked_poll(session: Any) -> bool:
    return bool(session.transport.writable)


@pytest_twisted.ensureDeferred
async def test_what_is_new_goes_to_the_successor(nodes: list[Node]) -> None:
    def before(idle: Client, busy: Client, _: Client) -> None:
        # Both are connected to the first node.
        busy.http.port = idle.http.port
        assert idle.ask("/nothing")[0] == 501
        session = busy.open()
        assert session.partition("sid=")[2].startswith("n0-")
        sessions.append(session)

    def after(idle: Client, busy: Client, _: Client) -> None:
        name = idle.name
        # Its socket is the successor's by now, and it is the same connection.
        assert idle.open().partition("sid=")[2].startswith("n1-")
        assert idle.name == name
        # The old one serves its sessions on.
        assert busy.ask(sessions[0], "4hello") == (200, b"ok")
        assert busy.ask(sessions[0])[1].startswith(b"4n0 5")
        assert busy.open().partition("sid=")[2].startswith("n1-")

    sessions: list[str] = []
    clients = [Client(node) for node in nodes]
    await deferToThread(before, *clients)
    leaving = nodes[0].workers
    leaving.retire("n1")
    await until(lambda: leaving.counts.moved["out"] >= 2)
    assert nodes[0].site.idle_connections() == []
    await deferToThread(after, *clients)
    for client in clients:
        client.http.close()


@pytest_twisted.ensureDeferred
async def test_a_successor_that_is_not_there_gets_nothing(nodes: list[Node]) -> None:
    def work(one: Client, _two: Client, _three: Client) -> None:
        assert one.open().partition("sid=")[2].startswith("n0-")

    nodes[0].workers.retire("n7")
    await with_clients(nodes, work)
    assert nodes[0].workers.counts.moved["out"] == 0
