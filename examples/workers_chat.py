"""A chat whose members are on all workers, and see each other.

    cd examples
    twistd -n engineio --port 8080 --workers 3 --app workers_chat:Chat

then, in two terminals or more: python -m txengineio connect http://127.0.0.1:8080
"""

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from txengineio import EngineIOProtocol, Session


class Chat(EngineIOProtocol[Session]):
    # Of this session alone: no worker has a list of all members.
    name: str | None = None

    def connectionMade(self) -> None:
        cluster = self.session.engine.cluster
        worker, _, _ = self.session.id.partition("-")
        # Without --workers there is nobody else.
        members = len(self.session.engine.sessions) if not cluster else cluster.sessions
        self.session.send(f"worker {worker}, {members} members: what is your name?")

    def messageReceived(self, message: str | bytes) -> None:
        if self.name is None:
            self.name = str(message)[:20]
            self.tell("has joined")
        else:
            self.tell(f"says: {str(message)[:1000]}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.name is not None:
            self.tell("has left")

    def tell(self, what: str) -> None:
        # To the members on all workers.
        self.session.engine.broadcast(f"{self.name} {what}")
