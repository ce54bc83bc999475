"""Engine.IO over TLS: https and wss.

    python examples/tls.py [PORT [PEM]]

PEM has the private key and the certificate; without it one is made that clients do not
trust unless they are told to. ``twistd engineio --listen ssl:8443:privateKey=PEM``
does the same.
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import react

from txengineio import Engine, EngineIOProtocol


class Echo(EngineIOProtocol):
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


def make_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=127.0.0.1")
    address = x509.IPAddress(ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=30))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), False)
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
        file.write(key.private_bytes(pem, *form))
        file.write(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    return file.name


async def main(reactor: ReactorBase, port: str = "8443", pem: str = "") -> None:
    engine = Engine(Factory.forProtocol(Echo), reactor=reactor)
    settings = f"interface=127.0.0.1:privateKey={pem or make_pem()}"
    endpoint = serverFromString(reactor, f"ssl:{port}:{settings}")
    address = (await engine.listen(endpoint)).getHost()
    print(f"Engine.IO at https://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
