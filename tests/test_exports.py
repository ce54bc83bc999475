"""The public names: everything that users may rely on, and nothing by accident."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from inspect import getdoc, isclass, isfunction
from pathlib import Path

import pytest

import txengineio

PUBLIC = {
    "Admit",
    "AnySession",
    "BufferOverflow",
    "ClientScript",
    "ClientSession",
    "CloseReason",
    "ConnectCause",
    "ConnectFailed",
    "ConnectionErrorEvent",
    "CookieOptions",
    "CorsOptions",
    "DeflateOptions",
    "Engine",
    "EngineIOClientService",
    "EngineIOError",
    "EngineIOProtocol",
    "EngineIOResource",
    "EngineIOSite",
    "ErrorCode",
    "HealthResource",
    "HttpCompression",
    "InvalidOption",
    "JoinFailed",
    "LocalProtocolError",
    "PacketDecodeError",
    "PayloadTooLarge",
    "ProtocolError",
    "RedisCluster",
    "RemoteProtocolError",
    "RequestRejected",
    "Session",
    "SessionClosed",
    "TransportError",
    "UnknownOption",
    "WampCluster",
    "__version__",
    "connect",
    "log_packets",
}

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(txengineio.__path__, "txengineio.")
    if module.name
    not in ("txengineio.integrations.crossbar", "txengineio.integrations.wamp")
)


def test_the_public_names_are_these() -> None:
    assert set(txengineio.__all__) == PUBLIC
    assert len(txengineio.__all__) == len(PUBLIC)


def test_type_checkers_know_the_same_names() -> None:
    stub = ast.parse(Path(txengineio.__file__).with_suffix(".pyi").read_text("utf-8"))
    found: dict[str, object] = {"__version__": txengineio.__version__}
    *_, names = stub.body
    assert isinstance(names, ast.Assign)
    assert ast.literal_eval(names.value) == txengineio.__all__
    for statement in stub.body:
        if isinstance(statement, ast.ImportFrom):
            module = importlib.import_module(statement.module or "")
            found |= {each.name: getattr(module, each.name) for each in statement.names}
    assert found == {name: getattr(txengineio, name) for name in PUBLIC}


def test_a_server_does_not_load_the_client() -> None:
    script = "import sys, txengineio.twistd.options; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "txengineio.server.engine" in loaded.split()
    assert "txengineio.client" not in loaded


def test_there_are_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(txengineio, "nothing")  # noqa: B009  # type checkers know better


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    public = getattr(txengineio, name)
    assert name.startswith("__") or getdoc(public)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_exports_what_it_says_and_documents_it(name: str) -> None:
    module = importlib.import_module(name)
    assert getdoc(module)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    for each in exported:
        public = getattr(module, each)
        if (isclass(public) or isfunction(public)) and not each.startswith("_"):
            assert getdoc(public), each
