"""One client that sends as much as it can, beside others that wait for answers."""

import select
import socket
from contextlib import ExitStack

from typing_extensions import override

from benchmarks import frames
from benchmarks.load.echo import EchoLoad, EchoMessages
from benchmarks.load.loop import Address, LoadError, Loop, connect
from benchmarks.load.sessions import open_websocket, receive_frame

# What costs a server the most for its bytes, in frames that all peers take.
FLOODS = {
    "messages": frames.client_frame(frames.TEXT, b"4a"),
    "pings": frames.client_frame(frames.PING, b""),
    "fragments": frames.client_frame(frames.TEXT, b"4", final=False)
    + frames.client_frame(frames.CONTINUATION, b"a"),
}
_FLOOD_SIZE = 65_536
# The load generator serves the others, too: short writes.
_SEND_BUFFER = 131_072
_RECEIVE_SIZE = 262_144

_SWITCHING = b"HTTP/1.1 101 "
_ASK = frames.client_frame(frames.TEXT, b"4L")
_ANSWER = b"4L"


class Flooder:
    """Sends all that the server takes, reads all that it sends, and discards it.

    A server that throws it out sees it again at once: `visits` counts how often.
    """

    def __init__(self, loop: Loop, address: Address, flood: bytes) -> None:
        self.visits = 0
        self._address = address
        self._data = memoryview(flood * (_FLOOD_SIZE // len(flood)))
        self._loop = loop
        self._come()

    def _come(self) -> None:
        self.visits += 1
        self._accepted = False
        self._unsent = self._data[:0]
        self._socket = connect(self._address)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._socket.sendall(frames.websocket_request(str(self._address)))
        self._socket.setblocking(False)
        self._loop.add(self._socket.fileno(), self)

    def close(self) -> None:
        """Leave for good."""
        if self._socket.fileno() >= 0:
            self._loop.remove(self._socket.fileno())
            self._socket.close()

    def ready(self, events: int) -> None:
        """Read and write, each once, so that others have their turn."""
        try:
            if events & ~select.EPOLLOUT:
                self._read()
            if events & select.EPOLLOUT:
                self._write()
        except BlockingIOError:
            return
        except ConnectionError:
            self.close()
            self._come()

    def _read(self) -> None:
        data = self._socket.recv(_RECEIVE_SIZE)
        if not data:
            raise ConnectionResetError
        if not self._accepted:
            if not data.startswith(_SWITCHING):
                raise LoadError(f"no WebSocket for the flood: {data[:200]!r}")
            self._accepted = True
            self._loop.watch_writing(self._socket.fileno(), True)

    def _write(self) -> None:
        unsent = self._unsent or self._data
        self._unsent = unsent[self._socket.send(unsent) :]


class FloodedEchoLoad(EchoLoad):
    """Clients with one message in flight each, beside one that floods."""

    def __init__(
        self, address: Address, messages: EchoMessages, *, connections: int, flood: str
    ) -> None:
        super().__init__(address, messages, connections=connections)
        self._flood = FLOODS[flood]
        self._opened = ExitStack()

    @override
    def prepare(self) -> None:
        """Connect who asks for the timer, the others, and the one who floods."""
        self._timer, self._rest = open_websocket(self.address)
        self._opened.enter_context(self._timer)
        self.lateness()
        super().prepare()
        self._flooder = Flooder(self.loop, self.address, self._flood)

    def lateness(self) -> float:
        """Return by how many seconds a timer was late, at most, since the last call.

        Raises:
            LoadError: The application says something else.
        """
        self._timer.sendall(_ASK)
        frame, self._rest = receive_frame(self._timer, self._rest)
        if not frame.payload.startswith(_ANSWER):
            raise LoadError(f"not how late a timer is: {frame.payload!r}")
        return float(frame.payload.removeprefix(_ANSWER))

    @override
    def finish(self) -> None:
        """Wait for the echoes under way, without the flood."""
        self._flooder.close()
        super().finish()

    @override
    def close(self) -> None:
        """Give all sockets back."""
        self._opened.close()
        super().close()
