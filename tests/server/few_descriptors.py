"""A server that runs out of file descriptors; run by test_faults.

A client in a process of its own opens more connections than the server may have, and
closes them. It prints as JSON what one that was there before has got meanwhile,
and what a new one gets afterwards.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from twisted.internet import defer, endpoints, protocol, task
from typing_extensions import override

from txengineio import Engine, EngineIOProtocol

DESCRIPTORS = 64

CLIENT = """
import socket, sys, http.client, json
port = int(sys.argv[1])
first = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
first.request("GET", "/engine.io/?EIO=4&transport=polling")
sid = json.loads(first.getresponse().read()[1:])["sid"]
others = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
session = "/engine.io/?EIO=4&transport=polling&sid=" + sid
first.request("POST", session, "4during")
first.getresponse().read()
first.request("GET", session)
during = first.getresponse().read().decode()
for other in others:
    other.close()
last = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
last.request("GET", "/engine.io/?EIO=4&transport=polling")
print(json.dumps({"during": during, "after": last.getresponse().status}))
"""


class Echo(EngineIOProtocol):
    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


async def run(reactor: Any) -> None:
    engine = Engine(protocol.Factory.forProtocol(Echo), reactor=reactor)
    endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port: Any = await engine.listen(endpoint)
    number = str(port.getHost().port)
    # Not by the reactor: its pipes would need descriptors, too.
    client = subprocess.Popen([sys.executable, "-c", CLIENT, number])
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    while client.poll() is None:
        await task.deferLater(reactor, 0.05)


if __name__ == "__main__":
    task.react(lambda reactor: defer.ensureDeferred(run(reactor)))
