"""The command line of ``twistd socketio``, in memory: what is not its sister's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tests.connection import Connection
from txengineio.integrations.socketio.server import Server
from txengineio.twistd.command_service import Words
from txengineio.twistd.options import Options as EngineIOOptions
from txengineio.twistd.socketio_options import Options, makeService

SERVER = Server(reactor=Clock())
APP = f"{__name__}:SERVER"
BROWSER = ("Try it out with a browser", "/")


def parse(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


def refusal(*arguments: str) -> str:
    with pytest.raises(SystemExit) as raised:
        makeService(parse(*arguments))
    return str(raised.value)


def test_it_has_the_flags_of_its_sister() -> None:
    flags = {flag.name for flag in Options.flags()}
    assert flags == {flag.name for flag in EngineIOOptions.flags()}


def test_help_says_how_and_names_the_reactor() -> None:
    text = str(Options())
    assert text.startswith("Usage: twistd [twistd's options] socketio [options]\n")
    assert "twistd -n --reactor asyncio socketio --app chat:sio" in text
    assert "[default: /socket.io/]" in " ".join(text.split())


def test_without_an_application_it_serves_a_chat_with_a_page() -> None:
    service = makeService(parse("--port", "0", "--ping-interval", "7"))

    assert service.words == Words(
        program="twistd socketio",
        protocol="Socket.IO",
        application="a chat, by Server",
        pages=(BROWSER,),
    )
    assert service.engine.options.ping_interval == 7.0
    site = Connection(service.site, lambda: None)
    assert 'data-engine="/socket.io/"' in site.request("GET", "/").answer.text


def test_an_application_has_the_root_for_itself() -> None:
    service = makeService(parse("--app", APP))

    assert service.engine is SERVER.engine
    assert service.words.application == f"{APP}, by Server"
    assert service.words.pages == ()
    site = Connection(service.site, lambda: None)
    assert site.request("GET", "/").answer.status == 501


def test_the_page_uses_the_client_that_is_served(tmp_path: Path) -> None:
    script = tmp_path / "socket.io.js"
    script.write_text("/* the client */")

    service = makeService(parse("--path", "/a/", "--client-script", str(script)))

    assert service.words.pages == (
        BROWSER,
        ("The client's script", "/a/socket.io.js"),
    )
    site = Connection(service.site, lambda: None)
    page, client = (site.request("GET", each) for each in ("/", "/a/socket.io.js"))
    assert 'data-script="/a/socket.io.js"' in page.answer.text
    assert client.answer.text == "/* the client */"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--app", "chat"], "--app must be package.module:name, not 'chat'"),
        (
            ["--app", f"{__name__}:APP"],
            "must be a Server, ThreadedServer or AsyncServer",
        ),
        (["--app", APP, "--ping-interval", "7"], "was made before --app was looked at"),
        (["--ping-interval", "soon"], "--ping-interval must be"),
        (["--listen", "nonsense:1"], "--listen must be an endpoint such as tcp:8080"),
        (["--listen", "unix:/nonexistent/x", "--port", "x"], "--port must be"),
    ],
)
def test_one_line_says_what_is_wrong(arguments: list[str], problem: str) -> None:
    line = refusal(*arguments)
    assert line.startswith("twistd socketio: ")
    assert problem in line
    assert line.endswith("; see twistd socketio --help")


def test_without_python_socketio_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "txengineio.twistd.socketio_options.find_spec",
        lambda name: None if name == "socketio" else importlib.util.find_spec(name),
    )
    assert "Socket.IO needs: pip install python-socketio" in refusal()
