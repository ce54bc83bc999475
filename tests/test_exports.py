"""The public names: everything that users may rely on, and nothing by accident."""

from __future__ import annotations

import importlib
import pkgutil
from inspect import getdoc, isclass, isfunction

import pytest

import txengineio

PUBLIC = {
    "BufferOverflow",
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
    "LocalProtocolError",
    "PacketDecodeError",
    "PayloadTooLarge",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestRejected",
    "Session",
    "SessionClosed",
    "TransportError",
    "__version__",
    "connect",
}

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(txengineio.__path__, "txengineio.")
    if module.name not in ("txengineio.crossbar", "txengineio.wamp")
)


def test_the_public_names_are_these() -> None:
    assert set(txengineio.__all__) == PUBLIC
    assert len(txengineio.__all__) == len(PUBLIC)


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
