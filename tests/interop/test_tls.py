"""Sessions over TLS: https, wss, and clients with certificates of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.certificates import PASSPHRASE, Certificates, make_certificates
from tests.interop.curl import Curl
from tests.interop.launch import TLS, Launch
from tests.interop.messages import ECHOES
from tests.interop.servers import (
    HERE,
    PYTHON_CLIENT,
    ServerProcess,
    run_client,
    running_server,
)

pytestmark = pytest.mark.socket

ENGINE = {"ping_interval": 300.0}
SCENARIOS = ["opening", "echoes", "ordered", "close_by_client", "close_by_server"]
NODE_PROGRAM = HERE / "node" / "session.mjs"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def server_for(certificates: Certificates, client_required: bool) -> Launch:
    tls = TLS(
        key=certificates.server_key,
        certificate=certificates.server,
        client_ca=certificates.authority,
        client_required=client_required,
    )
    return Launch(engine=ENGINE, tls=tls)


@pytest.fixture(scope="module")
def asking(certificates: Certificates) -> Iterator[ServerProcess]:
    """A server that asks for a client's certificate, but needs none."""
    with running_server(server_for(certificates, client_required=False)) as server:
        yield server


@pytest.fixture(scope="module")
def demanding(certificates: Certificates) -> Iterator[ServerProcess]:
    """A server that refuses a client without a certificate."""
    with running_server(server_for(certificates, client_required=True)) as server:
        yield server


def pem(certificates: Certificates) -> dict[str, str]:
    return {
        "ca": certificates.authority,
        "cert": certificates.client,
        "key": certificates.client_key,
    }


def pkcs12(certificates: Certificates) -> dict[str, str]:
    return {
        "ca": certificates.authority,
        "pfx": certificates.client_pkcs12,
        "passphrase": PASSPHRASE,
    }


@pytest.mark.behaviour("B105")
@pytest.mark.parametrize("mode", ["polling", "keepalive", "websocket", "upgrade"])
def test_javascript_client_that_trusts_the_authority(
    node: str, asking: ServerProcess, certificates: Certificates, mode: str
) -> None:
    results = run_client(
        [node, NODE_PROGRAM],
        url=asking.url,
        mode=mode,
        connection={"ca": certificates.authority},
        names=SCENARIOS,
        echoes=ECHOES,
    )
    transport = "websocket" if mode in {"websocket", "upgrade"} else "polling"
    assert results["opening"]["transport"] == transport
    assert results["opening"]["trouble"] == []
    assert results["echoes"] == ECHOES
    assert results["ordered"]["echoed"] == [f"c{number}" for number in range(1000)]
    assert results["ordered"]["streamed"] == [f"s{number}" for number in range(1000)]
    assert results["close_by_client"]["server"] == "transport close"
    assert results["close_by_server"]["client"] == "transport close"


@pytest.mark.behaviour("B104", "B106", "B107", "B108")
@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
@pytest.mark.parametrize("form", [pem, pkcs12])
def test_javascript_client_with_a_certificate(
    node: str,
    demanding: ServerProcess,
    certificates: Certificates,
    form: Callable[[Certificates], dict[str, str]],
    mode: str,
) -> None:
    results = run_client(
        [node, NODE_PROGRAM],
        url=demanding.url,
        mode=mode,
        connection=form(certificates),
        names=["echoes", "greeting"],
        echoes=ECHOES,
    )
    assert results["echoes"] == ECHOES
    assert results["greeting"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("mode", ["polling", "websocket"])
def test_client_without_a_certificate_is_refused_where_one_is_needed(
    node: str, demanding: ServerProcess, certificates: Certificates, mode: str
) -> None:
    results = run_client(
        [node, NODE_PROGRAM],
        url=demanding.url,
        mode=mode,
        connection={"ca": certificates.authority},
        names=["refused"],
    )
    assert results["refused"]["client"] == "transport error"
    assert results["refused"]["status"] is None


@pytest.mark.parametrize("mode", ["polling", "websocket"])
def test_client_that_does_not_know_the_authority_refuses(
    node: str, asking: ServerProcess, mode: str
) -> None:
    results = run_client(
        [node, NODE_PROGRAM], url=asking.url, mode=mode, names=["refused"]
    )
    assert results["refused"]["client"] == "transport error"
    assert results["refused"]["status"] is None


@pytest.mark.parametrize(
    ("client", "mode"),
    [
        ("threads", "polling"),
        ("asyncio", "polling"),
        ("asyncio", "websocket"),
        ("asyncio", "upgrade"),
    ],
)
def test_python_client_with_a_certificate(
    demanding: ServerProcess, certificates: Certificates, client: str, mode: str
) -> None:
    results = run_client(
        PYTHON_CLIENT,
        client=client,
        url=demanding.url,
        mode=mode,
        connection=pem(certificates),
        names=SCENARIOS,
        echoes=ECHOES,
    )
    assert results["opening"]["transports"][-1] == results["opening"]["transport"]
    assert results["echoes"] == ECHOES
    assert results["ordered"]["echoed"] == [f"c{number}" for number in range(1000)]
    assert results["ordered"]["streamed"] == [f"s{number}" for number in range(1000)]
    assert results["close_by_client"]["server"] == "transport close"
    assert results["close_by_server"]["server"] == "forced close"


# All that can be relied upon with this client, against any server: its threads read and
# write one TLS connection at the same time, which OpenSSL does not support.
@pytest.mark.parametrize("mode", ["websocket", "upgrade"])
def test_python_client_with_threads_gets_messages_by_wss(
    demanding: ServerProcess, certificates: Certificates, mode: str
) -> None:
    results = run_client(
        PYTHON_CLIENT,
        client="threads",
        url=demanding.url,
        mode=mode,
        connection=pem(certificates),
        names=["greeting_then_close"],
    )
    assert results["greeting_then_close"]["received"] == ["a", "b", "c"]


@pytest.mark.skipif(find_spec("h2") is None, reason="needs h2, see: make http2")
def test_a_body_over_the_limit_ends_the_session_over_http_2_too(
    require_program: RequireProgram,
    asking: ServerProcess,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"4" + b"x" * 1_000_000)
    program = Curl(require_program("curl", "curl"), asking.url)
    tls = ("--http2", "--cacert", certificates.authority)
    handshake = "/engine.io/?EIO=4&transport=polling"
    opened = program.request(handshake, *tls)
    assert opened.version == "HTTP/2"
    target = f"{handshake}&sid={json.loads(opened.body[1:])['sid']}"
    post = ("--data-binary", f"@{body}", "--header", "Content-Type: text/plain")
    assert program.request(target, *tls, *post).status == 413
    refused = program.request(target, *tls)
    assert (refused.status, json.loads(refused.body)["code"]) == (400, 1)
