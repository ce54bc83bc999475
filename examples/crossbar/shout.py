"""An application for Crossbar.io to serve; see config.json.

    crossbar start --cbdir examples/crossbar

It is at /engine.io/, where clients look for it.
"""

from txengineio import EngineIOProtocol


class Shout(EngineIOProtocol):
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message.upper())
