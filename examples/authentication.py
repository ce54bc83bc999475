"""Only users of a database may open a session, with their name and password.

    python examples/authentication.py [PORT [DATABASE]]

The user ada, whose password is lovelace, is there. From engine.io-client on Node.js:
``new Socket(url, {extraHeaders: {Authorization: `Basic ${btoa("ada:lovelace")}`}})``
"""

import hashlib
import secrets
import sys
from functools import partial

from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread
from twisted.web.server import Request

from txengineio import Admit, Engine, EngineIOProtocol, Session


class Greeter(EngineIOProtocol[Session[str]]):
    def connectionMade(self) -> None:
        self.session.send(f"Hello {self.session.user}")


slow_hash = partial(hashlib.scrypt, n=2**14, r=8, p=1)


def add_users(cursor: Transaction) -> None:
    cursor.execute("CREATE TABLE IF NOT EXISTS users (name PRIMARY KEY, salt, hash)")
    user = "ada", (salt := secrets.token_bytes(16)), slow_hash(b"lovelace", salt=salt)
    cursor.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", user)


async def allow(users: ConnectionPool, request: Request) -> Admit[str] | str:
    name = request.getUser().decode(errors="replace")
    query = "SELECT salt, hash FROM users WHERE name = ?"
    # Nobody can tell by the time it takes whether there is such a user.
    salt, expected = [*await users.runQuery(query, (name,)), (b"", b"")][0]
    given = await deferToThread(slow_hash, request.getPassword(), salt=salt)
    knows = secrets.compare_digest(given, expected)
    return Admit(name) if knows else "wrong name or password"


async def main(reactor: ReactorBase, port: str = "8080", db: str = ":memory:") -> None:
    users = ConnectionPool("sqlite3", db, cp_max=1, check_same_thread=False)
    await users.runInteraction(add_users)
    engine = Engine(Greeter, allow_request=partial(allow, users))
    listening = await engine.listen(f"tcp:{port}:interface=127.0.0.1")
    address = listening.getHost()
    print(f"Engine.IO at http://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
