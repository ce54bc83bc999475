"""Only users of a database may open a session, with their name and password.

    python examples/authentication.py [PORT [DATABASE]]

The user ada, whose password is lovelace, is there. From engine.io-client on Node.js:
``new Socket(url, {extraHeaders: {Authorization: `Basic ${btoa("ada:lovelace")}`}})``
"""

import hashlib
import secrets
import sys
from functools import partial

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from txengineio import Engine, EngineIOProtocol


class Greeter(EngineIOProtocol):
    def messageReceived(self, message):
        self.session.send(f"{message} to you who are allowed in")


slow_hash = partial(hashlib.scrypt, n=2**14, r=8, p=1)


def add_users(cursor):
    cursor.execute("CREATE TABLE IF NOT EXISTS users (name PRIMARY KEY, salt, hash)")
    salt = secrets.token_bytes(16)
    user = "ada", salt, slow_hash(b"lovelace", salt=salt)
    cursor.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", user)


async def allow(users, request):
    name = request.getUser().decode(errors="replace")
    query = "SELECT salt, hash FROM users WHERE name = ?"
    # Nobody can tell by the time it takes whether there is such a user.
    salt, expected = [*await users.runQuery(query, (name,)), (b"", b"")][0]
    given = await deferToThread(slow_hash, request.getPassword(), salt=salt)
    return secrets.compare_digest(given, expected) or "wrong name or password"


async def main(reactor, port="8080", database=":memory:"):
    users = ConnectionPool("sqlite3", database, cp_max=1, check_same_thread=False)
    await users.runInteraction(add_users)
    engine = Engine(Factory.forProtocol(Greeter), allow_request=partial(allow, users))
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await engine.listen(endpoint)).getHost()
    print(f"Engine.IO at http://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred()


if __name__ == "__main__":
    react(lambda *args: Deferred.fromCoroutine(main(*args)), sys.argv[1:])
