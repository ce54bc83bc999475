"""Tests of applications, in memory: the engine and the client are the real ones.

====================  ================================================================
``recording``         protocols that record what happens to them
``packet_transport``  what carries a session's packets, without bytes: it records them
``sessions``          sessions that record, for a protocol that is tested alone
``transport``         one end of a TCP connection in memory
``network``           connections in memory between clients and a server
``memory``            an engine and its clients in memory, on one clock
``client``            one client of them, and what can happen to it
``leaks``             which sessions were not closed
``trial``             what test cases of trial and unittest take of this
``pytest_plugin``     what tests of pytest take of it
====================  ================================================================

Only ``pytest_plugin`` needs pytest.
"""

from __future__ import annotations

from txengineio.testing.client import MemoryClient
from txengineio.testing.leaks import LeakedSessions, SessionWatch
from txengineio.testing.memory import MemoryEngine
from txengineio.testing.network import MemoryConnection, MemoryNetwork
from txengineio.testing.packet_transport import RecordingTransport
from txengineio.testing.recording import RecordingApplication, RecordingProtocol
from txengineio.testing.sessions import RecordingClientSession, RecordingSession
from txengineio.testing.transport import MemoryTransport
from txengineio.testing.trial import SessionTestMixin

__all__ = [
    "LeakedSessions",
    "MemoryClient",
    "MemoryConnection",
    "MemoryEngine",
    "MemoryNetwork",
    "MemoryTransport",
    "RecordingApplication",
    "RecordingClientSession",
    "RecordingProtocol",
    "RecordingSession",
    "RecordingTransport",
    "SessionTestMixin",
    "SessionWatch",
]
