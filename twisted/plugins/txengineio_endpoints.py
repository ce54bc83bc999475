"""Makes the endpoint strings ``engineio:…`` known to Twisted."""

from txengineio.integrations.streams.strings import (
    ClientStringParser,
    ServerStringParser,
)

__all__ = ["client", "server"]

server = ServerStringParser()
client = ClientStringParser()
