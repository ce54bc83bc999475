"""The command line's options, and the service that serves an engine, in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import (
    ILogObserver,
    LogEvent,
    capturedLogs,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from tests.doubles import has_fired
from tests.wiring import Server
from txengineio import __version__
from txengineio.command_line import Flag
from txengineio.server.engine import Engine
from txengineio.server.web.site import engine_site
from txengineio.testing import RecordingApplication, RecordingProtocol, RecordingSession
from txengineio.twistd.command_service import CommandService
from txengineio.twistd.options import (
    EchoProtocol,
    Options,
    makeService,
)

APPLICATION = RecordingApplication()


def parse(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


# --- options --------------------------------------------------------------------------


def test_without_arguments_it_echoes_on_the_default_port() -> None:
    options = parse()
    assert options["listen"] == ["tcp:8080:interface=127.0.0.1"]
    assert options["path"] == "/engine.io/"
    assert options["engine_options"] == {}
    assert isinstance(options["application"].buildProtocol(None), EchoProtocol)


@pytest.mark.parametrize(
    ("arguments", "listen"),
    [
        (["--port", "0"], ["tcp:0:interface=127.0.0.1"]),
        (["-p", "65535"], ["tcp:65535:interface=127.0.0.1"]),
        (["-p", "1", "-i", "0.0.0.0"], ["tcp:1:interface=0.0.0.0"]),
        (["-i", "::"], [r"tcp6:8080:interface=\:\:"]),
        (["--listen", "unix:/run/app"], ["unix:/run/app"]),
        (["-l", "tcp:1", "-l", "tcp:2"], ["tcp:1", "tcp:2"]),
        (["-l", "tcp:1", "-p", "2"], ["tcp:2:interface=127.0.0.1", "tcp:1"]),
    ],
)
def test_where_to_listen(arguments: list[str], listen: list[str]) -> None:
    assert parse(*arguments)["listen"] == listen


def test_the_options_of_the_engine() -> None:
    options = parse(
        *("--ping-interval", "1.5", "--ping-timeout", "2", "--upgrade-timeout", "3"),
        *("--max-http-buffer-size", "4", "--transports", "polling, websocket"),
        "--no-allow-upgrades",
    )
    assert options["engine_options"] == {
        "ping_interval": 1.5,
        "ping_timeout": 2.0,
        "upgrade_timeout": 3.0,
        "max_http_buffer_size": 4,
        "transports": ("polling", "websocket"),
        "allow_upgrades": False,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests.twistd.test_options:APPLICATION", RecordingProtocol),
        ("txengineio.twistd.options:EchoProtocol", EchoProtocol),
    ],
)
def test_the_application_may_be_a_factory_or_a_protocol(
    name: str, expected: type
) -> None:
    factory = parse("--app", name)["application"]
    assert isinstance(factory.buildProtocol(None), expected)


@pytest.mark.parametrize("flag", [*Options.flags()], ids=lambda flag: flag.name)
def test_help_tells_every_flag_and_its_default(flag: Flag) -> None:
    text = Options().getUsage(width=100)
    begin = r"^ {2,6}(?:-\w, )?--"
    entries = re.split(begin, text, flags=re.MULTILINE)
    (entry,) = (each for each in entries if each.split()[0] == flag.name)
    entry = entry.partition("\n\n")[0].removeprefix(flag.name)
    assert " ".join(entry.split()) == f"{flag.value} {flag.description}".strip()
    if flag.value:
        assert "[default: " in flag.description


def test_help_has_groups_an_example_and_says_where_the_guide_is() -> None:
    text = str(Options())
    assert text.startswith("Usage: twistd [twistd's options] engineio [options]\n")
    titles = [line for line in text.splitlines() if re.fullmatch(r"[A-Z].*:", line)]
    assert [title.removesuffix(":") for title in titles] == [
        *(title for title, _ in Options.groups),
        "Examples",
    ]
    assert "twistd -n engineio --app chat:Chat" in text
    assert "docs" in text


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_help_fits_the_terminal(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    text = Options().getUsage().partition("Examples:")[0]
    assert max(map(len, text.splitlines())) <= min(int(width), 100)


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_end_it(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(flag)
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert shown == (
        f"txengineio {__version__}\n" if flag == "--version" else f"{Options()}\n"
    )


# --- the service ----------------------------------------------------------------------


@pytest.fixture
def reactor() -> MemoryReactorClock:
    return MemoryReactorClock()


@implementer(ILogObserver)
class ServiceLog:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if "CommandService" in event.get("log_namespace", ""):
            self.lines.append(formatEvent(event))


@pytest.fixture
def log() -> Iterator[list[str]]:
    observer = ServiceLog()
    globalLogPublisher.addObserver(observer)
    yield observer.lines
    globalLogPublisher.removeObserver(observer)


def tcp_service(
    reactor: MemoryReactorClock, application: RecordingApplication | None = None
) -> CommandService:
    engine = Engine(application or RecordingApplication(), reactor=reactor)
    endpoint = TCP4ServerEndpoint(reactor, 8080, interface="127.0.0.1")
    return CommandService(engine, [("tcp:8080", endpoint)], "/chat")


def test_it_listens_once_and_says_where_and_what(
    reactor: MemoryReactorClock, log: list[str]
) -> None:
    service = tcp_service(reactor)
    service.privilegedStartService()
    service.startService()
    ((port, _site, _backlog, interface),) = reactor.tcpServers
    assert (port, interface) == (8080, "127.0.0.1")
    served, runs = log
    # The port's fake does not know its number.
    assert served.startswith("Engine.IO is served at http://")
    assert served.endswith("/chat/ (transports: polling, websocket)")
    assert (
        runs == "The application is txengineio.testing.recording.RecordingApplication"
    )


def test_it_may_be_started_without_privileges(
    reactor: MemoryReactorClock, log: list[str]
) -> None:
    service = tcp_service(reactor)
    service.startService()
    assert len(reactor.tcpServers) == 1
    assert len(log) == 2


def test_the_application_of_a_twisted_factory_is_its_protocol(
    reactor: MemoryReactorClock, log: list[str]
) -> None:
    service = makeService(parse())
    CommandService(service.engine, [], "/").startService()
    assert log == ["The application is txengineio.twistd.options.EchoProtocol"]


def test_packets_are_logged_while_it_runs(reactor: MemoryReactorClock) -> None:
    packet_log = parse("--debug-packets", "192.0.2.1, id:none")["debug-packets"]
    engine = Engine(RecordingApplication(), reactor=reactor)
    service = CommandService(engine, [], "/", packet_log=packet_log)

    def lines_of_two_sessions() -> list[str]:
        with capturedLogs() as events:
            for address in ("192.0.2.1", "192.0.2.9"):
                session = RecordingSession.of(RecordingProtocol, address=address)
                session.receive("hello")
        return [str(formatEvent(event)) for event in events]

    assert lines_of_two_sessions() == []
    service.startService()
    opened, received = lines_of_two_sessions()
    assert opened.endswith("is open with 192.0.2.1, revision 4")
    assert received.endswith("<- message 'hello'")
    stopped = service.stopService()
    reactor.advance(1)
    assert has_fired(stopped)
    assert lines_of_two_sessions() == []


class Port:
    def __init__(self, address: object, stopped: object = None) -> None:
        self.address = address
        self.stopped = stopped

    def getHost(self) -> object:
        return self.address

    def stopListening(self) -> object:  # Twisted's name
        return self.stopped


@implementer(IStreamServerEndpoint)
class Endpoint:
    """Listens as the test says."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def listen(self, protocolFactory: IProtocolFactory) -> Any:
        return self.result


@pytest.mark.parametrize(
    ("description", "address", "url"),
    [
        ("tcp6:1", IPv6Address("TCP", "::1", 1), "http://[::1]:1/chat/"),
        ("ssl:1", IPv6Address("TCP", "::", 1), "https://[::]:1/chat/"),
        ("tls:x", IPv6Address("TCP", "::", 1), "https://[::]:1/chat/"),
        ("unix:/run/a", UNIXAddress("/run/a"), "unix:/run/a (/chat/)"),
    ],
)
def test_it_says_where_for_every_kind_of_endpoint(
    description: str,
    address: object,
    url: str,
    reactor: MemoryReactorClock,
    log: list[str],
) -> None:
    engine = Engine(RecordingApplication(), reactor=reactor)
    endpoint = Endpoint(succeed(Port(address)))
    CommandService(engine, [(description, endpoint)], "/chat/").startService()
    assert log[0] == f"Engine.IO is served at {url} (transports: polling, websocket)"


def test_an_endpoint_that_cannot_listen_ends_it_with_one_line(
    reactor: MemoryReactorClock,
) -> None:
    engine = Engine(RecordingApplication(), reactor=reactor)
    endpoint = Endpoint(fail(OSError("in use")))
    service = CommandService(engine, [("tcp:1", endpoint)], "/")
    with pytest.raises(SystemExit) as raised:
        service.startService()
    message = str(raised.value)
    assert message == "twistd engineio: cannot listen on tcp:1: in use"


def running_server(reactor: MemoryReactorClock) -> tuple[Server, CommandService]:
    service = tcp_service(reactor)
    service.startService()
    ((_port, site, _backlog, _interface),) = reactor.tcpServers
    application: Any = service.engine.application
    server = Server(
        application=application,
        engine=service.engine,
        site=site,
        clock=reactor,
        path="/chat/",
    )
    return server, service


def test_stopping_tells_the_clients_and_waits_for_them(
    reactor: MemoryReactorClock, log: list[str]
) -> None:
    server, service = running_server(reactor)
    poll = server.open_polling().poll()
    websocket = server.open_websocket()
    stopped = service.stopService()
    assert log[-1] == "Stopping with 2 sessions open"
    assert poll.answer.packets == ["1"]
    assert websocket.close_frame() == b""
    server.advance(1)
    assert not has_fired(stopped)
    websocket.close()
    server.advance(0.1)
    assert has_fired(stopped)
    server.assert_nothing_left()


def test_stopping_drops_a_client_that_does_not_answer(
    reactor: MemoryReactorClock,
) -> None:
    server, service = running_server(reactor)
    websocket = server.open_websocket()
    stopped = service.stopService()
    server.advance(1.5)
    assert websocket.connection.was_reset
    assert not has_fired(stopped)
    server.advance(0.1)
    assert has_fired(stopped)
    server.assert_nothing_left()


def test_stopping_without_clients_takes_a_moment_only(
    reactor: MemoryReactorClock,
) -> None:
    _, service = running_server(reactor)
    stopped = service.stopService()
    reactor.advance(0.1)
    assert has_fired(stopped)


def test_stopping_waits_for_the_ports(reactor: MemoryReactorClock) -> None:
    engine = Engine(RecordingApplication(), reactor=reactor)
    port_stopped: Deferred[None] = Deferred()
    port = Port(UNIXAddress("/run/a"), port_stopped)
    endpoint = Endpoint(succeed(port))
    service = CommandService(engine, [("unix:/run/a", endpoint)], "/")
    service.startService()
    stopped = service.stopService()
    reactor.advance(1)
    assert not has_fired(stopped)
    port_stopped.callback(None)
    reactor.advance(0.1)
    assert has_fired(stopped)


# --- makeService ----------------------------------------------------------------------


def test_make_service_hands_the_options_on() -> None:
    service = makeService(
        parse("-l", "tcp:0", "-l", "unix:/run/app", "--ping-timeout", "7")
    )
    assert service.engine.options.ping_timeout == 7
    assert isinstance(service, CommandService)


def test_make_service_serves_the_client_and_says_where(tmp_path: Path) -> None:
    script = tmp_path / "engine.io.min.js"
    script.write_text("/* the client */")
    service = makeService(parse("--client-script", str(script)))
    clock = MemoryReactorClock()
    engine = service.engine
    server = Server(
        application=RecordingApplication(),
        engine=engine,
        site=engine_site(engine, reactor=clock),
        clock=clock,
    )
    target = "/engine.io/engine.io.min.js"
    assert server.connect().request("GET", target).answer.text == "/* the client */"
    pages = service.words.pages
    assert pages == (
        ("Look inside with a browser", "/"),
        ("The client's script", target),
    )


def test_a_client_of_another_protocol_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "socket.io.min.js"
    script.touch()
    with pytest.raises(SystemExit, match=r"must be a client of Engine\.IO, such as"):
        parse("--client-script", str(script))
