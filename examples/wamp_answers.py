"""A WAMP component that serves the clients of wamp_bridge.py, or of Crossbar.io itself.

    python examples/wamp_answers.py [ROUTER [PREFIX]]

It knows nothing of Engine.IO, and could be written in any language that has WAMP.
"""

import sys

from autobahn.twisted.component import Component, run
from twisted.logger import globalLogBeginner, textFileLogObserver


def main(router="ws://127.0.0.1:8080/ws", prefix="com.example.chat"):
    component = Component(transports=router, realm="realm1")

    @component.on_join
    async def joined(session, details):
        async def connected(who, details):
            await session.call(f"{prefix}.send", who, "welcome")

        async def received(who, message):
            await session.call(f"{prefix}.send", who, message[::-1])

        await session.subscribe(connected, f"{prefix}.connected")
        await session.subscribe(received, f"{prefix}.message")
        print("ready", flush=True)

    log = textFileLogObserver(sys.stderr)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    run([component], log_level=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
