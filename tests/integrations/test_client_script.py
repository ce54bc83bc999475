"""The official client's script, served below an engine's path."""

from __future__ import annotations

from errno import EACCES
from pathlib import Path

import pytest

from tests.connection import Response
from tests.wiring import Server
from txengineio import ClientScript, InvalidOption

SCRIPT = "/* the client */"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "socket.io-client" / "dist"
    folder.mkdir(parents=True)
    (folder / "socket.io.min.js").write_text(SCRIPT)
    return folder.parent


def get(server: Server, method: str = "GET", **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"{server.path}socket.io.min.js"
    return server.connect().request(method, target, None, fields).answer


@pytest.mark.parametrize("own_site", [False, True])
def test_it_is_served_to_be_asked_about_again(package: Path, own_site: bool) -> None:
    server = Server.new(own_site=own_site)
    server.engine.use(ClientScript(package))

    answer = get(server)
    tag = answer.header("ETag")
    again = get(server, If_None_Match=str(tag))

    assert (answer.status, answer.text) == (200, SCRIPT)
    assert answer.header("Content-Type") == "text/javascript; charset=utf-8"
    assert answer.header("Cache-Control") == "public, max-age=0"
    assert (again.status, again.text) == (304, "")
    assert get(server, If_None_Match='"other"').status == 200


@pytest.mark.parametrize("known", ["W/{}", '"other", {}', '"other",W/{}', "*"])
def test_a_client_that_has_it_does_not_get_it_again(package: Path, known: str) -> None:
    server = Server.new()
    server.engine.use(ClientScript(package))
    tag = get(server).header("ETag")

    answer = get(server, If_None_Match=known.format(tag))

    assert (answer.status, answer.text) == (304, "")
    assert answer.header("ETag") == tag


def test_other_forms_of_a_package_are_served(package: Path) -> None:
    (package / "dist" / "socket.io.esm.min.js").write_text("export {}")
    (package / "dist" / "socket.io.esm.min.js.map").write_text("{}")
    (package / "dist" / "index.js").write_text("secret")
    server = Server.new()
    script = ClientScript(package)
    server.engine.use(script)

    def status(name: str) -> int:
        target = f"/engine.io/{name}"
        return server.connect().request("GET", target).answer.status

    assert script.name == "socket.io.min.js"
    assert status("socket.io.esm.min.js") == status("socket.io.esm.min.js.map") == 200
    assert status("socket.io.js") == status("index.js") == 400


def test_compressed_forms_that_lie_ready_are_served(package: Path) -> None:
    (package / "dist" / "socket.io.min.js.br").write_bytes(b"short")
    server = Server.new()
    server.engine.use(ClientScript(package / "dist" / "socket.io.min.js"))

    plain = get(server)
    short = get(server, Accept_Encoding="gzip, br")

    assert plain.text == SCRIPT
    assert plain.header("Content-Encoding") is None
    assert short.text == "short"
    assert short.header("Content-Encoding") == "br"
    assert "Accept-Encoding" in str(short.header("Vary"))
    assert short.header("ETag") != plain.header("ETag")
    assert get(server, Accept_Encoding="gzip").header("Content-Encoding") is None


def test_the_map_for_debuggers_is_served_where_there_is_one(package: Path) -> None:
    server, target = Server.new(), "/engine.io/socket.io.min.js.map"
    server.engine.use(ClientScript(package))
    assert server.connect().request("GET", target).answer.status == 400

    (package / "dist" / "socket.io.min.js.map").write_text('{"version":3}')
    server = Server.new()
    server.engine.use(ClientScript(package))
    answer = server.connect().request("GET", target).answer

    assert (answer.status, answer.text) == (200, '{"version":3}')
    assert answer.header("Content-Type") == "application/json; charset=utf-8"


def test_everything_else_goes_on_as_before(package: Path) -> None:
    server = Server.new()
    server.engine.use(ClientScript(package))

    assert server.open_polling().sid
    assert get(server, "POST").status == 400


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("nowhere", "path must be a script or a folder that is there, such as"),
        ("socket.io-client", "after npm install socket.io-client, not"),
        ("engine.io-client", "after npm install engine.io-client, not"),
        ("empty", r"path must be a folder with dist/socket\.io\.min\.js or"),
        ("README.md", r"path must be a script, whose name ends with \.js, not"),
    ],
)
def test_what_is_no_script_is_refused(path: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").touch()

    with pytest.raises(InvalidOption, match=problem) as raised:
        ClientScript(tmp_path / path)

    assert str(raised.value).endswith(f"not {str(tmp_path / path)!r}")


def test_a_script_that_cannot_be_read_is_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(InvalidOption, match=r"can be read \(Permission denied\), not"):
        ClientScript(package)
