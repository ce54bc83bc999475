"""What a server process of the tests is started with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["LOOPBACK", "TLS", "Launch"]

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """What a TLS server needs: PEM files.

    Attributes:
        key: The private key.
        certificate: The certificate.
        client_ca: Who signs the clients' certificates; they are asked for one then.
        client_required: Whether clients that have none are refused.
    """

    key: str
    certificate: str
    client_ca: str | None = None
    client_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the server is started with.

    Attributes:
        engine: The options of the engine.
        port: The TCP port on the loopback interface; 0: any.
        unix: The path of a Unix socket to listen on instead.
        tls: Serve TLS.
        static: Folders by their path, "" for the root. The engine is then a resource in
            an ordinary site, with another engine beside it at ``/other/``.
        short_path: Whether simple frames may go around Autobahn's parser, and whole
            requests around Twisted's.
        client_script: The package of the client for browsers to serve below the path of
            a Socket.IO server.
        nodes: The directory where the processes of one test find each other.
    """

    engine: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    unix: str | None = None
    tls: TLS | None = None
    static: dict[str, str] | None = None
    short_path: bool = True
    client_script: str | None = None
    nodes: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Launch:
        values = json.loads(text)
        if values.get("tls") is not None:
            values["tls"] = TLS(**values["tls"])
        return cls(**values)
