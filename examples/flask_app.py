"""A Flask app, or any other WSGI application, beside an engine in one process.

    python examples/flask_app.py [PORT]

then open /say/hello, and every client gets it. Install Flask: pip install flask
"""

import sys
from typing import cast

from flask import Flask
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import react
from twisted.internet.threads import blockingCallFromThread
from twisted.web.resource import IResource
from twisted.web.wsgi import WSGIResource

from txengineio import Engine, EngineIOProtocol, EngineIOSite


def make_app(engine: Engine, reactor: ReactorBase) -> Flask:
    app = Flask(__name__)

    # Flask runs in threads; the engine may be called in the reactor's thread only.
    @app.route("/say/<text>")
    def say(text: str) -> str:
        threads = cast(IReactorFromThreads, reactor)
        reached = blockingCallFromThread(threads, engine.broadcast, text)
        return f"told {reached}"

    return app


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    engine = Engine(EngineIOProtocol, reactor=reactor)
    app = make_app(engine, reactor)
    flask = cast(IResource, WSGIResource(reactor, reactor.getThreadPool(), app))
    site = EngineIOSite(flask, {"/engine.io/": engine})
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(site)).getHost()
    print(f"A Flask app at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
