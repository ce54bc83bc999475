"""A Flask app, or any other of WSGI, with an engine beside it in one process.

    python examples/flask_app.py [PORT]

then open /say/hello, and every client gets it. Install Flask: pip install flask
"""

import sys

from flask import Flask
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.threads import blockingCallFromThread
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.wsgi import WSGIResource

from txengineio import Engine, EngineIOProtocol, EngineIOResource

engine = Engine(Factory.forProtocol(EngineIOProtocol))
app = Flask(__name__)


# Flask runs in threads, and the engine only in that of the reactor.
@app.route("/say/<text>")
def say(text):
    reached = blockingCallFromThread(reactor, engine.broadcast, text)
    return f"told {reached}"


class Root(Resource):
    """Leaves to WSGI what has no child of its own."""

    def getChild(self, path, request):
        request.postpath.insert(0, request.prepath.pop())
        return WSGIResource(reactor, reactor.getThreadPool(), app)


root = Root()
root.putChild(b"engine.io", EngineIOResource(engine))


def listening(port):
    print(f"A Flask app at http://127.0.0.1:{port.getHost().port}/", flush=True)


def failed(failure):
    print(f"cannot listen: {failure.value}", file=sys.stderr)
    reactor.stop()


if __name__ == "__main__":
    number = sys.argv[1] if len(sys.argv) > 1 else "8080"
    endpoint = serverFromString(reactor, f"tcp:{number}:interface=127.0.0.1")
    endpoint.listen(Site(root)).addCallbacks(listening, failed)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    reactor.run()
