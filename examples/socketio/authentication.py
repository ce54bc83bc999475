"""A database decides who may connect: the answer to ``connect`` waits for it.

    twistd -n socketio --app authentication:sio

in this folder. Clients connect with ``auth: {token: "ada's"}``; others are refused, and
told why. Run by ``python examples/socketio/authentication.py [PORT]``, it needs no
twistd.
"""

import sys
from typing import Any

from socketio.exceptions import ConnectionRefusedError
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet import reactor as global_reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Site

from txengineio.socketio import Server, SocketIOResource

USERS = "CREATE TABLE users AS SELECT 'ada' AS name, 'ada''s' AS token"

reactor: Any = global_reactor
sio = Server()
# A database in memory belongs to one connection. With a file there may be more.
database = ConnectionPool(
    "sqlite3", ":memory:", check_same_thread=False, cp_min=1, cp_max=1
)
ready = database.runOperation(USERS)


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str):
        raise ConnectionRefusedError("a token, please")
    query = "SELECT name FROM users WHERE token = ?"
    rows: Any = await database.runQuery(query, (token,))
    if not rows:
        raise ConnectionRefusedError("wrong token", {"address": environ["REMOTE_ADDR"]})
    sio.save_session(sid, {"name": rows[0][0]})


@sio.event
def whoami(sid: str) -> str:
    return str(sio.get_session(sid)["name"])


if __name__ == "__main__":
    root = Resource()
    root.putChild(b"socket.io", SocketIOResource(sio))
    port = int((sys.argv[1:] or ["8080"])[0])
    endpoint = TCP4ServerEndpoint(reactor, port, interface="127.0.0.1")
    endpoint.listen(Site(root)).addCallback(
        lambda listening: print(
            f"http://127.0.0.1:{listening.getHost().port}", flush=True
        )
    )
    reactor.run()
