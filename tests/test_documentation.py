"""README and guide: what they show runs, what they list is complete, links lead on."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from twisted.python.usage import Options as UsageOptions

from tests.conftest import RequireProgram
from tests.examples import RunExample
from tests.interop.servers import HERE
from txengineio import ClientSession, Engine, EngineIOClientService, Session
from txengineio.client.options import ClientOptions
from txengineio.server.options.compression import HttpCompression
from txengineio.server.options.cookies import CookieOptions
from txengineio.server.options.cors import CorsOptions
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.options.engine import EngineOptions
from txengineio.twistd.options import Options
from txengineio.twistd.socketio_options import Options as SocketIOOptions

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(GUIDE.glob("*.md"))]
DEADLINE = 60.0
ALL_BLOCKS = 300.0
"""Seconds for all programs of the guide, which take five on an idle machine."""
MOMENT = 0.3
"""Seconds for a program that would go on for ever."""

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED_AS = re.compile(r"[Ss]ave\s+this\s+as\s+`([\w/]+\.\w+)`[^`]*\Z")
PRINTS = re.compile(r"<!-- prints: (.*?) -->\s*\Z")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SERVER = re.compile(r"(?:127\.0\.0\.1|localhost):8080")
PORT = re.compile(r"\b(8080|8081|8443)\b")

OPTIONS: dict[str, type[UsageOptions]] = {
    "engineio": Options,
    "socketio": SocketIOOptions,
}
STANDS_FOR = {
    "engineio": "from txengineio import *\nclass {name}(EngineIOProtocol):\n    pass\n",
    "socketio": "from txengineio.socketio import *\n{name} = Server()\n",
}
TWISTD = "from twisted.scripts.twistd import run; run()"

NOBODY = "127.0.0.1:1"
"""Where no server listens."""

# What needs a network, rights or a system that a test has not: syntax only.
NOT_RUN = {"cd", "echo", "git", "kill", "npm", "pip", "redis-cli", "systemctl"}
NOT_RUN |= {"chmod", "haproxy", "kubectl", "openssl", "redis-server"}
# What programs serve, and npm puts into the folder of a reader's program.
INSTALLED = "node_modules/engine.io-client/dist/engine.io.min.js"
# tests/interop/test_redis_outside.py runs what wants Redis, and these commands.
WANTS_REDIS = "import redis"
# test_tutorial.py runs its commands, one after the other.
TUTORIAL = GUIDE / "tutorial.md"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: Where it stands.
        number: Which one of the page it is.
        language: What the fence says.
        text: What it is.
        saved_as: The file that the text before it says to save it as.
        prints: What it has to print; it ends by itself then.
    """

    page: Path
    number: int
    language: str
    text: str
    saved_as: str | None
    prints: str | None

    @property
    def name(self) -> str:
        return self.saved_as or f"block_{self.number}.py"


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text("utf-8")
    found = []
    for number, match in enumerate(BLOCK.finditer(text)):
        saved = SAVED_AS.search(text, 0, match.start())
        prints = PRINTS.search(text, 0, match.start())
        found.append(
            Block(
                page,
                number,
                match[1],
                match[2],
                saved and saved[1],
                prints and prints[1],
            )
        )
    return [block for block in found if block.language in languages]


def pages_with(*languages: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, *languages)]


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture
def server(run_example: RunExample) -> str:
    """The address of a server that sends each message back."""
    return run_example("echo.py").removeprefix("http://")


def elsewhere(text: str, server: str) -> str:
    """Put a server that is there for the one of the text, and any port for others."""
    return PORT.sub("0", SERVER.sub(server, text))


# --- Python ---------------------------------------------------------------------------


@pytest.mark.socket
@pytest.mark.timeout(ALL_BLOCKS + DEADLINE)
def test_python_blocks_run(server: str, tmp_path: Path) -> None:
    found = {
        f"{page.stem}/{block.name}": block
        for page in PAGES
        for block in blocks(page, "python")
        if WANTS_REDIS not in block.text
    }
    problems = [
        f"{name} ended with {result['status']}:\n{result['output']}"
        for name, result in run_blocks(found, server, tmp_path).items()
        if result["status"] or (found[name].prints or "") not in result["output"]
    ]
    assert not problems, "\n".join(problems)


@each_page
def test_programs_that_end_by_themselves_say_what_they_print(page: Path) -> None:
    # Others are ended after a moment, in which a client may not have connected yet.
    ending = re.compile(r"await connect\(.*^ *react\(", re.MULTILINE | re.DOTALL)
    found = [each for each in blocks(page, "python") if ending.search(each.text)]
    assert [each.name for each in found if each.prints is None] == []


@pytest.mark.socket
def test_service_of_the_guide_logs_no_failure_without_a_server(tmp_path: Path) -> None:
    found = {
        block.name: block
        for block in blocks(GUIDE / "client.md", "python")
        if "EngineIOClientService" in block.text
    }
    assert found
    for result in run_blocks(found, NOBODY, tmp_path).values():
        assert result["status"] == 0, result["output"]
        assert "not sent: " in result["output"]


@pytest.mark.socket
def test_plugin_of_the_guide_is_a_command(tmp_path: Path) -> None:
    saved = {each.saved_as: each for each in blocks(GUIDE / "deployment.md", "python")}
    for name in ("twisted/plugins/chat_plugin.py", "chat_service.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(saved[name].text, "utf-8")
    run = subprocess.run(
        [sys.executable, "-c", TWISTD, "chat", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Port to listen on." in run.stdout, run.stderr


def run_blocks(
    found: Mapping[str, Block], server: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """Run blocks; return the status of each, and what it printed."""
    for parent in {(folder / name).parent for name in found}:
        script = parent / INSTALLED
        script.parent.mkdir(parents=True, exist_ok=True)
        script.touch()
    sources = [
        (
            name,
            elsewhere(block.text, server),
            MOMENT if block.prints is None else DEADLINE / 2,
        )
        for name, block in found.items()
    ]
    run = subprocess.run(
        [sys.executable, "-m", "tests.documentation"],
        cwd=ROOT,
        input=json.dumps({"folder": str(folder), "blocks": sources}),
        stdout=subprocess.PIPE,
        text=True,
        timeout=ALL_BLOCKS,
        check=True,
    )
    results: dict[str, dict[str, Any]] = json.loads(run.stdout)
    assert results.keys() == found.keys()
    return results


# --- shells ---------------------------------------------------------------------------


def commands(block: Block) -> Iterator[list[str]]:
    """Each command of a block, without what comes before a pipe."""
    pending = ""
    for line in block.text.splitlines():
        pending += line.removesuffix("\\") + ("\n" if not line.endswith("\\") else "")
        if line.endswith("\\"):
            continue
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:
            continue  # a quotation goes on in the next line
        pending = ""
        if "|" in words:
            words = words[words.index("|") + 1 :]
        if words[-1:] == ["&"]:
            words.pop()
        if words:
            yield words
    assert not pending


def check_twistd(command: str, arguments: list[str], page: Path, folder: Path) -> None:
    """Check flags of a command of twistd, with an application that is there."""
    arguments = arguments[arguments.index(command) + 1 :]
    if "--client-script" in arguments:
        # What npm installs beside a reader's program is installed here elsewhere.
        index = arguments.index("--client-script") + 1
        arguments[index] = str(HERE / arguments[index])
    saved = {block.saved_as for block in blocks(page, "python")}
    if "--app" in arguments:
        module, _, name = arguments[arguments.index("--app") + 1].partition(":")
        text = STANDS_FOR[command].format(name=name)
        for block in blocks(page, "python"):
            if block.saved_as == f"{module}.py":
                text = block.text
        assert f"{module}.py" in saved or module in ("chat", "lobby")
        (folder / f"{module}.py").write_text(text)
    if "--cluster-secret-file" in arguments:
        # What the block makes before.
        secret = folder / arguments[arguments.index("--cluster-secret-file") + 1]
        secret.write_text("x" * 64, "ascii")
        secret.chmod(0o600)
    OPTIONS[command]().parseOptions(arguments)


def check_client(arguments: list[str], server: str) -> None:
    """Run the client of the command line."""
    run = subprocess.run(
        [sys.executable, *(elsewhere(each, server) for each in arguments[1:])],
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "hello\n"), run.stderr


def check_curl(arguments: list[str], server: str) -> None:
    """Run curl."""
    command = [elsewhere(each, server) for each in arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "sid" in run.stdout


def check_node(arguments: list[str], server: str) -> None:
    """Run a program for Node.js, beside the packages of tests/interop."""
    run = subprocess.run(
        [elsewhere(each, server) for each in arguments],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "hello\n"), run.stderr


def check_make(arguments: list[str]) -> None:
    targets = [each for each in arguments[1:] if "=" not in each]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def check_command(words: list[str], page: Path, folder: Path, server: str) -> None:
    """Check a command in the way that its program asks for."""
    program = Path(words[0]).name
    command = next((each for each in OPTIONS if each in words), None)
    if command is not None:
        check_twistd(command, words, page, folder)
    elif words[1:4] == ["-m", "txengineio", "connect"]:
        check_client(words, server)
    elif program == "curl":
        check_curl(words, server)
    elif program == "node":
        check_node(words, server)
    elif program == "make":
        check_make(words)
    elif page == TUTORIAL and program.startswith("python"):
        pass
    elif program.startswith("python") and words[1].endswith(".py"):
        assert (ROOT / words[1]).exists(), words
    else:
        assert program in NOT_RUN, f"how is {words} to be checked?"


@pytest.mark.socket
@pytest.mark.parametrize("page", pages_with("sh"), ids=lambda page: page.name)
def test_shell_blocks_are_right(
    page: Path,
    node: str,
    require_program: RequireProgram,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_program("curl", "curl")
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "sh"):
        subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
        for words in commands(block):
            check_command(words, page, tmp_path, server)


@pytest.mark.parametrize("page", pages_with("js"), ids=lambda page: page.name)
def test_javascript_blocks_can_be_read(page: Path, node: str) -> None:
    for block in blocks(page, "js"):
        check = [node, "--check", "--input-type=module", "-"]
        run = subprocess.run(
            check, input=block.text, text=True, capture_output=True, check=False
        )
        assert run.returncode == 0, run.stderr


@each_page
def test_every_block_says_what_it_is(page: Path) -> None:
    known = {"python", "sh", "js", "html", "css", "ini", "mermaid", "cfg", "yaml"}
    known |= {"json"}
    fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.MULTILINE)
    assert set(fences[::2]) <= known
    assert set(fences[1::2]) <= {""}


@pytest.mark.socket
def test_readme_shows_what_a_new_server_says() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    shown = text.partition("It says where clients connect:\n\n")[2]
    expected = [line.strip() for line in shown.partition("\n\n")[0].splitlines()]
    command = [sys.executable, "-c", TWISTD, "-n", "--pidfile=", "engineio"]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        try:
            assert server.stdout is not None
            said: list[str] = []
            for line in server.stdout:
                said.append(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", line.strip()))
                if "The application is" in line:
                    break
        finally:
            server.terminate()
    assert expected
    for line in expected:
        assert any(each.endswith(f"] {line}") for each in said), said


# --- lists ----------------------------------------------------------------------------


def rows(page: str, heading: str | None = None) -> set[str]:
    """The names in the first column of a page's tables, or of a section's."""
    text = (GUIDE / page).read_text("utf-8")
    if heading is not None:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ((?:`[^`|]+`(?:, )?)+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def names(options: Any) -> set[str]:
    return {each.name for each in fields(options)}


def test_guide_lists_every_option_of_the_engine() -> None:
    listed = rows("options.md") - names(CorsOptions)
    assert {each for each in listed if each[0] != "-"} == names(EngineOptions)


def test_guide_tells_every_option_in_a_group() -> None:
    text = (GUIDE / "options.md").read_text("utf-8")
    for group in (CorsOptions, CookieOptions, HttpCompression, DeflateOptions):
        assert {each for each in names(group) if f"`{each}`" not in text} == set()


def flags(options: UsageOptions) -> set[str]:
    ours = {f"--{name}" for name in options.longOpt}
    return {name.removesuffix("=") for name in ours} - {"--help", "--version"}


def test_guide_lists_every_flag() -> None:
    assert rows("options.md", "Flags of twistd engineio") == flags(Options())


def test_guide_lists_every_option_of_the_client() -> None:
    assert rows("client.md", "Options") == names(ClientOptions)


@pytest.mark.parametrize(
    ("heading", "events"),
    [
        ("Of a session", Session.EVENTS),
        ("Of an engine", Engine.EVENTS),
        ("Of a client's session", ClientSession.EVENTS - Session.EVENTS),
        ("Of a client service", EngineIOClientService.EVENTS),
    ],
)
def test_guide_lists_every_event(heading: str, events: frozenset[str]) -> None:
    assert rows("events.md", heading) == events


def test_defaults_of_the_guide_are_those_of_the_engine() -> None:
    text = (GUIDE / "options.md").read_text("utf-8")
    for name, value in re.findall(
        r"^\| `(\w+)` \| ([\d.,]+)(?: s| bytes)? \|", text, re.MULTILINE
    ):
        group = CorsOptions if name in names(CorsOptions) else EngineOptions
        assert float(value.replace(",", "")) == getattr(group(), name), name


def test_states_are_drawn_from_the_tables() -> None:
    drawing = runpy.run_path(str(GUIDE / "draw_states.py"))
    text = (GUIDE / "states.md").read_text("utf-8")
    assert text == drawing["page"](), "run: python docs/draw_states.py"


# --- links ----------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", page.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_map_of_the_guide_has_every_page() -> None:
    text = (GUIDE / "index.md").read_text("utf-8")
    missing = {each.name for each in GUIDE.glob("*.md")} - set(LINK.findall(text))
    assert missing <= {"index.md"}
