"""Command lines of ``twistd engineio`` that make no sense: one line says what is wrong.

`tests.test_plugin` runs some of them as a process.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from tests.twistd.test_options import parse
from txengineio.twistd.options import makeService

APP = "tests.twistd.test_options:APPLICATION"

NUMBERS = [
    (["--port", "many"], "--port must be a whole number from 0 to 65535, not 'many'"),
    (["--port", "65536"], "--port must be a whole number from 0 to 65535, not '65536'"),
    (["--port", "-1"], "--port must be a whole number from 0 to 65535, not '-1'"),
    (["-p", ""], "--port must be a whole number from 0 to 65535, not ''"),
    (["--port", "٣"], "--port must be a whole number from 0 to 65535, not '٣'"),
    (["--ping-interval", "soon"], "--ping-interval must be a number of seconds, not"),
    (["--ping-interval", "-1"], "--ping-interval must be a positive, finite number"),
    (["--ping-interval", ""], "--ping-interval must be a number of seconds, not ''"),
    (["--ping-timeout", "nan"], "--ping-timeout must be a positive, finite number"),
    (["--ping-timeout", "0"], "--ping-timeout must be a positive, finite number"),
    (["--upgrade-timeout", "inf"], "--upgrade-timeout must be a positive, finite"),
    (["--drain-timeout", "-1"], "--drain-timeout must be a number of seconds, 0 or"),
    (["--drain-timeout", "long"], "--drain-timeout must be a number of seconds, 0 or"),
    (["--drain-spread", "0"], "--drain-spread must be a number of sessions a second"),
    (["--drain-spread", "slow"], "--drain-spread must be a number of sessions a"),
    (["--max-http-buffer-size", "1.5"], "must be a positive whole number of bytes"),
    (["--max-http-buffer-size", "1MB"], "must be a positive whole number of bytes"),
    (["--max-http-buffer-size", "0"], "not '0'"),
    (["--max-http-buffer-size", "none"], "not 'none'"),
    (["--max-sessions", "many"], "a whole number of 1 or more, or none, not 'many'"),
    (["--max-sessions", "0"], "--max-sessions must be"),
    (["--max-pending-messages", "none"], "--max-pending-messages must be"),
    (["--max-buffered-bytes", "-5"], "positive whole number of bytes, or none, not"),
    (["--handshakes-per-second", "fast"], "--handshakes-per-second must be"),
    (["--handshake-burst", "0"], "--handshake-burst must be"),
    (["--first-poll-timeout", "-1"], "--first-poll-timeout must be"),
]
CLUSTER = ["--cluster", "redis://127.0.0.1", "--node-name", "a"]
HERE = ["--node-name", "a", "--cluster-listen", "tcp:7000:interface=127.0.0.1"]
NAMES = [
    (
        ["--transports", "tobi"],
        "--transports must be one or more of polling",
    ),
    (["--transports", ""], "--transports must be one or more of polling"),
    (["--transports", "polling,polling"], "not 'polling,polling'"),
    (["--debug-packets", ""], "--debug-packets must be 'all', an address, a network"),
    (["--debug-packets", "all,al"], "session's id, not 'all,al'"),
    (["--path", "relative"], "--path must be an absolute path such as /engine.io/"),
    (["--path", "/a b/"], "--path must be an absolute path such as /engine.io/"),
    (["--path", ""], "--path must be an absolute path such as /engine.io/, not ''"),
    (["--cookie", "a b"], "--cookie must be the name of a cookie, not 'a b'"),
    (["--node-name", "w-1"], "--node-name must be 1 to 12 ASCII letters and digits"),
    (["--node-directory", "/x"], "--node-directory needs a --node-name"),
    (["--cluster", "redis://h"], "--cluster needs a --node-name"),
    (
        ["--cluster", "redis://h", "--node-name", "a"],
        "--cluster needs a --cluster-listen",
    ),
    (["--cluster-name", "x"], "--cluster-name goes with --cluster"),
    (["--cluster-outside"], "--cluster-outside goes with --cluster"),
    (["--cluster-name", "a b"], "--cluster-name must be 1 to 64 ASCII letters, digit"),
    (["--cluster-advertise", "a b"], "--cluster-advertise must be where other nodes"),
    (
        ["--cluster-secret-file", "/none"],
        "--cluster-secret-file must be a file that can be read (No such file or direct",
    ),
    (
        [*HERE, "--cluster", "http://user:secret@h"],
        "--cluster: a URL of Redis is redis://HOST:PORT/DB, rediss://HOST:PORT/DB, un",
    ),
    (
        [*HERE, "--cluster", "wamp:ws://host/ws"],
        "--cluster: a URL of a router of WAMP is wamp:ws://HOST:PORT/PATH@REALM",
    ),
    (
        [*HERE, "--cluster", "wamp:ws://host/ws@realm1"],
        "--cluster-secret-file must be given, as other machines can publish at that",
    ),
    (
        [*HERE, "--cluster", "wamp:ws://127.0.0.1/ws@realm1", "--cluster-outside"],
        "--cluster-outside goes with a --cluster by Redis, not by WAMP",
    ),
    (
        [*HERE, "--cluster", "redis:x"],
        "--cluster: this redis: URL cannot be read; what",
    ),
    (
        [*CLUSTER, "--cluster-listen", "tcp:7000"],
        "--cluster-advertise must be given, as this node listens on all addresses",
    ),
    (
        [*CLUSTER, "--cluster-listen", "tcp:7000:interface=10.0.0.1"],
        "--cluster-secret-file must be given, as other machines can connect to this",
    ),
    (
        [*CLUSTER, "--cluster-listen", "unix:/x"],
        "--cluster-listen must be a TCP or TLS endpoint, such as tcp:7000:interface=",
    ),
    (
        [*HERE, "--cluster", "redis://h", "--workers", "2", "--node-name", "machine"],
        "--node-name must be at most 6 letters and digits with --workers",
    ),
    (
        [*HERE, "--cluster", "redis://h", "--workers", "101", "--node-name", "hostnm"],
        "--node-name must be at most 5 letters and digits with --workers",
    ),
    (["--workers", "0"], "--workers must be a whole number from 1 to 1000, or auto"),
    (["--workers", "1001"], "--workers must be a whole number from 1 to 1000, or auto"),
    (["--workers", "many"], "--workers must be a whole number from 1 to 1000, or auto"),
    (
        ["--workers", "2", "--node-name", "a"],
        "--workers names its processes itself: it goes neither with --node-name nor",
    ),
    (
        ["--workers", "2", "--node-directory", "/x"],
        "--workers names its processes itself",
    ),
    (["--worker-timeout", "5"], "--worker-timeout goes with --workers"),
    (
        ["--workers", "3", "--max-sessions", "2"],
        "--max-sessions 2 is for all --workers together, of which there are 3",
    ),
    (
        ["--workers", "2", "--worker-timeout", "0"],
        "--worker-timeout must be a positive, finite number of seconds, not '0'",
    ),
    (["--workers", "2", "--worker-timeout", "inf"], "--worker-timeout must be a"),
    (["--trusted-proxies", "nowhere"], "--trusted-proxies must be networks such as"),
    (["--interface", ""], "--interface must be an address such as 127.0.0.1"),
    (
        ["--client-script", "/no"],
        "--client-script must be a script or a folder that is",
    ),
    (["--client-script", "tests"], "--client-script must be a folder with dist/socket"),
    (["--client-script", "setup.py"], "--client-script must be a script, whose name"),
]
APPLICATIONS = [
    (["--app", ""], "--app must be package.module:name, not ''"),
    (["--app", "nothing"], "--app must be package.module:name, not 'nothing'"),
    (["--app", "no.such:thing"], "cannot be loaded: there is no module 'no'"),
    (["--app", "tests.no_such:thing"], "there is no module 'tests.no_such'"),
    (["--app", "tests.twistd.test_options:Nobody"], "has no 'Nobody'"),
    (
        ["--app", "tests.twistd.test_options:parse"],
        "must be an EngineIOProtocol subclass",
    ),
    (["--app", "builtins:dict"], "must be an EngineIOProtocol subclass"),
]
FLAGS = [
    (["--quux", "red"], "there is no flag --quux; see"),
    (["--ping_interval", "3"], "did you mean --ping-interval?"),
    (["--max", "3"], "there is no flag --max; did you mean --max-http-buffer-size or"),
    (["-x"], "there is no flag -x; see"),
    (["--port"], "--port needs a value, PORT"),
    (["-l"], "-l needs a value, ENDPOINT"),
    (["--metrics=yes"], "--metrics takes no value"),
    (["stray"], "'stray' is no option, and nothing else is taken"),
    (["--cors-credentials"], "--cors-credentials goes with --cors-origin"),
    (["--cors-origin", "*", "--cors-credentials"], "--cors-credentials does not go"),
    (["--listen", "tcp:1", "-i", "::"], "--interface goes with --port, not with"),
    (["--inspector", "tcp:1", "--no-inspector"], "--no-inspector does not go with"),
    (["--path", "/healthz/"], "--path must leave /healthz to the health page"),
    (["--metrics", "--path", "/metrics"], "--path must leave /metrics to --metrics"),
    (["--path", "/inspector/"], "--path must leave /inspector to the inspector"),
    (
        ["--inspector", "tcp:1", "--app", APP, "--path", "/inspector"],
        "--path must leave /inspector to the inspector",
    ),
    (["--inspector", "tcp:1", "--path", "/"], "need a --path other than /"),
    (["--metrics", "--path", "/"], "need a --path other than /"),
]
ENDPOINTS = [
    (["--listen", "tcp"], "--listen must be tcp:PORT, or tcp:PORT:interface=ADDRESS"),
    (["--listen", "tcp:many"], "--listen must be tcp:PORT, or"),
    (["--listen", "tcp:1:colour=red"], "--listen must be tcp:PORT, or"),
    (["--listen", "tcp:99999"], "with a port up to 65535, not 'tcp:99999'"),
    (["--listen", "tcp6"], "--listen must be tcp6:PORT, or"),
    (["--listen", "unix"], "--listen must be unix:PATH, not 'unix'"),
    (["--listen", ""], "--listen must be an endpoint such as tcp:8080 or unix:"),
    (["--listen", "8080"], "--listen must be an endpoint such as tcp:8080 or unix:"),
    (["--listen", "nonsense:1"], "not 'nonsense:1'"),
    (["--listen", "ssl:1"], "/server.pem: No such file or directory; see"),
    (
        ["--listen", "ssl:1:privateKey=/nowhere:certKey=/nowhere"],
        "cannot read /nowhere: No such file or directory",
    ),
    (["--listen", "systemd:domain=INET"], "--listen must be systemd:domain=INET:name="),
    (
        ["--listen", "systemd:domain=INET:index=0"],
        "--listen systemd:domain=INET:index=0: systemd has passed no such socket to",
    ),
    (
        ["--workers", "2", "--listen", "systemd:domain=INET:name=chat"],
        "--listen systemd:domain=INET:name=chat: systemd has passed no such socket",
    ),
    (["--inspector", "nonsense:1"], "--inspector must be an endpoint such as"),
    (["--metrics-listen", "tcp"], "--metrics-listen must be tcp:PORT, or"),
]
LISTENING = [
    (["--listen", "unix:/nonexistent/x.sock"], "/x.sock: No such file or directory"),
    (["--interface", "192.0.2.1"], "Cannot assign requested address"),
    (
        ["--app", APP, "-p", "0", "--metrics-listen", "unix:/nonexistent/y"],
        "cannot listen on unix:/nonexistent/y: No such file or directory",
    ),
]


def refusal(*arguments: str) -> str:
    """Start a server; return the line that it does not start with."""
    with pytest.raises(SystemExit) as raised:
        makeService(parse(*arguments)).privilegedStartService()
    return str(raised.value)


def check(arguments: list[str], problem: str) -> None:
    line = refusal(*arguments)
    assert line.startswith("twistd engineio: ")
    assert problem in line
    assert "\n" not in line
    assert "Parameter type enforcement" not in line


@pytest.mark.parametrize(
    ("arguments", "problem"), [*NUMBERS, *NAMES, *APPLICATIONS, *FLAGS, *ENDPOINTS]
)
def test_one_line_says_what_is_wrong_and_where_help_is(
    arguments: list[str], problem: str
) -> None:
    check(arguments, problem)
    assert refusal(*arguments).endswith("; see twistd engineio --help")


@pytest.mark.socket
@pytest.mark.parametrize(("arguments", "problem"), LISTENING)
def test_one_line_says_where_it_cannot_listen(
    arguments: list[str], problem: str
) -> None:
    check(arguments, problem)


@pytest.mark.socket
def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check(["-p", str(taken.getsockname()[1])], ": Address already in use")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1\n1 / 0\n", "ZeroDivisionError: division by zero ({file}, line 2)"),
        ("def (:\n", "SyntaxError: invalid syntax ({file}, line 1)"),
        ("import no_such_thing\n", "'no_such_thing' ({file}, line 1)"),
        ("\nimport sys\nsys.exit(0)\n", "SystemExit: 0 ({file}, line 3)"),
        ("import re\n\nre.compile('(')\n", "({file}, line 3)"),
        ("raise ValueError\n", "ValueError: without a text ({file}, line 1)"),
        ("raise ValueError('a\\nb')\n", "ValueError: a b ({file}, line 1)"),
    ],
)
def test_an_application_that_cannot_be_imported_is_told_with_file_and_line(
    code: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"broken_{abs(hash(code))}.py"
    file.write_text(code, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"{file.stem}:Chat"
    check(["--app", name], f"--app {name} cannot be loaded: ")
    assert problem.format(file=file) in refusal("--app", name)


def test_usage_errors_are_what_twisted_raises() -> None:
    with pytest.raises(SystemExit) as raised:
        parse("--port", "x")
    assert isinstance(raised.value.__cause__, UsageError)


@pytest.mark.parametrize("timeout", ["0", "0.0", "10"])
def test_a_drain_timeout_may_be_nothing(timeout: str) -> None:
    assert parse("--drain-timeout", timeout)["drain-timeout"] == float(timeout)
