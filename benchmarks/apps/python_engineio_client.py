"""An exchange with python-engineio's client for asyncio."""

import asyncio

import engineio

from benchmarks.apps.exchange import Exchange


async def main() -> None:
    """Exchange the messages."""
    exchange = Exchange.from_command_line()
    client = engineio.AsyncClient()
    over = asyncio.Event()

    async def received(message: str) -> None:
        if exchange.received():
            await client.send(message)
        if exchange.is_over:
            over.set()

    client.on("message", received)
    await client.connect(exchange.url, transports=[exchange.transport])
    for message in exchange.begin():
        await client.send(message)
    await over.wait()
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
