"""A WAMP component that serves the clients of wamp_bridge.py, or of Crossbar.io itself.

    python examples/wamp_answers.py [ROUTER [PREFIX]]

It knows nothing of Engine.IO, and could be written in any language that has WAMP.
"""

import sys
from typing import Any

from autobahn.twisted.component import Component, run
from autobahn.wamp.types import SessionDetails
from twisted.python import log


def main(
    router: str = "ws://127.0.0.1:8080/ws", prefix: str = "com.example.chat"
) -> None:
    component = Component(transports=router, realm="realm1")

    async def joined(session: Any, details: SessionDetails) -> None:
        async def connected(who: str, details: dict[str, object]) -> None:
            await session.call(f"{prefix}.send", who, "welcome")

        async def received(who: str, message: str | bytes) -> None:
            await session.call(f"{prefix}.send", who, message[::-1])

        await session.subscribe(connected, f"{prefix}.connected")
        await session.subscribe(received, f"{prefix}.message")
        print("ready", flush=True)

    component.on_join(joined)

    log.startLogging(sys.stderr, setStdout=False)
    # None leaves logging alone.
    run([component], log_level=None)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
