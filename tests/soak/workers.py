"""A soak with workers: ``python -m tests.soak.workers [SECONDS] [--seed N]``.

Clients number what they send to ``twistd engineio --workers 3``, which echoes it. Its
workers are killed, stopped for a while, stopped until their supervisor kills them, and
replaced, at random. Then what clients and application have seen is compared, as
`tests.soak.history` tells, and nothing may be left: descriptors, processes, files.

The seed says what is done, and when. In which order processes get to run it cannot say.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import Random, randrange
from typing import Any, Protocol

from twisted.internet import asyncioreactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.soak.history import (
    Failure,
    Fate,
    Session,
    bystanders,
    check,
    check_failures,
    returns,
)
from tests.soak.ledger import read_ledgers
from tests.soak.messages import make_message
from tests.soak.numbered import KINDS, NotOpened
from tests.soak.server import raise_file_limit
from tests.soak.supervised import SupervisedServer, Worker

__all__ = ["Harm", "Server", "WorkersSoak", "main"]

WORKERS = 3
WORKER_TIMEOUT = 3.0
WAYS = ("polling", "websocket", "upgrade")
PLACES = 2
"""Clients of each kind on each way."""

SIZES = (0, 10, 300, 300, 20_000)
FAULTS_APART = (1.0, 4.0)

BYSTANDERS = 3
"""Sessions of other workers that a kill ends, at most."""

PATIENCE = 60.0
"""Seconds until all workers serve again, and everybody has left."""


class Server(Protocol):
    """What clients talk to, and to whose processes something is done."""

    port: int
    fates: dict[str, Fate]
    outages: list[tuple[float, float]]
    ledger: Path

    @property
    def is_settled(self) -> bool: ...

    async def start(self) -> None: ...

    async def watch(self) -> None: ...

    async def until(self, holds: Callable[[], object]) -> None: ...

    def living(self) -> list[Worker]: ...

    def kill(self, worker: Worker) -> None: ...

    def replace(self, worker: Worker) -> None: ...

    async def stop_for(self, worker: Worker, seconds: float) -> None: ...

    def descriptors(self) -> dict[str, int]: ...

    async def end(self) -> list[str]: ...

    def destroy(self) -> None: ...


Harm = Callable[[Worker, Random], Awaitable[None]]


class WorkersSoak:
    """One run.

    Args:
        seed: What chance begins with.
        folder: For the files of the server.
        server: What is harmed; by default one with workers.

    Attributes:
        things: What something is done to, in words.
        killing: What ends a process with what is on its way through it.
        allowance: Descriptors that may be more at the end than at the beginning.
        bystanders_of_a_kill: Sessions of others that it ends, at most.
        problems: Everything that must not be.
        done: How often what was done to workers.
        sessions: All that a client has opened.
        back: Seconds after a kill until each of its clients had a session again.
        bystanders: How many sessions of others were ended by kills.
        left_open: Clients that do not notice the loss of what they have sent, so often.
    """

    things = "workers"
    killing: tuple[str, ...] = ("kill", "stop for good")
    allowance = 0
    bystanders_of_a_kill = BYSTANDERS

    def __init__(self, seed: int, folder: Path, server: Server | None = None) -> None:
        self.problems: list[str] = []
        self.done: Counter[str] = Counter()
        self.sessions: list[Session] = []
        self.back: list[float] = []
        self.bystanders = 0
        self.left_open = 0
        self._folder = folder
        self._random = Random(seed)
        self._server = server or SupervisedServer(WORKERS, WORKER_TIMEOUT, folder)
        self._failures: list[Failure] = []
        self._end = 0.0

    async def run(self, seconds: float, within: float) -> None:
        """Run for so many seconds; clients are to be back within so many."""
        await self._server.start()
        watching = asyncio.create_task(self._server.watch())
        try:
            before = self._server.descriptors()
            self._end = time.monotonic() + seconds
            async with asyncio.TaskGroup() as group:
                for number, (kind, way) in enumerate(
                    (kind, way) for kind in KINDS for way in WAYS for _ in range(PLACES)
                ):
                    chance = Random(self._random.random())
                    group.create_task(self._come_and_go(number, kind, way, chance))
                group.create_task(self._do_harm(Random(self._random.random())))
            await self._server.until(lambda: self._server.is_settled)
            await self._compare_descriptors(before)
            self.problems += await self._server.end()
        finally:
            watching.cancel()
            self._server.destroy()
        self._judge(within)

    # --- clients ----------------------------------------------------------------------

    async def _come_and_go(
        self, place: int, kind: str, way: str, chance: Random
    ) -> None:
        """Be one client, which opens one session after the other."""
        count = 0
        while time.monotonic() < self._end:
            name = f"{kind}-{way}-{place}.{count}"
            count += 1
            session = Session(client=name, place=place)
            try:
                await self._visit(session, kind, way, chance)
            except NotOpened as problem:
                detail = f"{name}: {problem}"
                self._failures.append(Failure(time.monotonic(), detail))
            except TimeoutError:
                self._unanswered(session)
            except Exception as problem:
                self.problems.append(f"{name}: {problem!r}")
            if session.sid:
                self.sessions.append(session)

    def _unanswered(self, session: Session) -> None:
        """Note a client that has waited for too long."""
        self.problems.append(f"{session.client}: no answer came")

    async def _visit(
        self, session: Session, kind: str, way: str, chance: Random
    ) -> None:
        peer = KINDS[kind](session, self._server.port, way)
        async with asyncio.timeout(PATIENCE):
            await peer.open()
            for _ in range(chance.randint(2, 40)):
                if session.ends:
                    break
                await peer.send(_some_messages(session, chance))
                if chance.random() < 0.5:
                    await peer.settle()
                await asyncio.sleep(chance.random() * 0.2)
            await peer.settle()
            session.is_complete = not session.ends
            await peer.close()

    # --- workers ----------------------------------------------------------------------

    def harms(self) -> Mapping[str, Harm]:
        """Return what may be done, by its name."""
        return {
            "kill": self._kill,
            "stop for a moment": self._stop_for_a_moment,
            "stop for good": self._stop_for_good,
            "replace": self._replace,
        }

    async def _do_harm(self, chance: Random) -> None:
        """Do something to the workers now and then."""
        while True:
            await asyncio.sleep(chance.uniform(*FAULTS_APART))
            if time.monotonic() > self._end:
                return
            harms = self.harms()
            name = chance.choice([*harms])
            if living := self._server.living():
                self.done[name] += 1
                worker = chance.choice(living)
                self._note(f"{name} {worker.node}")
                await harms[name](worker, chance)
                self._note(f"{name} {worker.node}: done")

    def _note(self, line: str) -> None:
        """Write down when something is done, as the logs have it."""
        with (self._folder / "done").open("a") as file:
            file.write(f"{datetime.now(UTC):%H:%M:%S.%f} {line}\n")

    async def _kill(self, worker: Worker, _chance: Random) -> None:
        self._server.kill(worker)

    async def _stop_for_a_moment(self, worker: Worker, chance: Random) -> None:
        await self._server.stop_for(worker, chance.uniform(0.1, WORKER_TIMEOUT / 2))

    async def _stop_for_good(self, worker: Worker, _chance: Random) -> None:
        await self._server.stop_for(worker, 2 * WORKER_TIMEOUT)

    async def _replace(self, worker: Worker, _chance: Random) -> None:
        self._server.replace(worker)

    # --- what has come of it ----------------------------------------------------------

    async def _compare_descriptors(self, before: dict[str, int]) -> None:
        """Wait until there are no more than at the beginning."""
        others = before.keys() - {"supervisor"}
        most = before | dict.fromkeys(others, max(before.values()) + self.allowance)
        deadline = time.monotonic() + PATIENCE
        while True:
            after = self._server.descriptors()
            left = {name: each for name, each in after.items() if each > most[name]}
            if not left:
                return
            if time.monotonic() > deadline:
                self.problems.append(f"open descriptors: {left}, before: {before}")
                return
            await asyncio.sleep(0.2)

    def _failed_attempts(self) -> list[Failure]:
        """List the attempts to open a session that have come to nothing."""
        return self._failures

    def _judge(self, within: float) -> None:
        fates = self._server.fates
        ledgers = read_ledgers(self._server.ledger)
        self.problems += check(self.sessions, ledgers, fates)
        self.problems += check_failures(self._failed_attempts(), fates)
        for session, seconds in returns(self.sessions, fates, self._server.outages):
            self.back.append(seconds)
            if seconds > within:
                late = f"{session.client}: was back {seconds:.1f} s after a kill"
                self.problems.append(late)
        self.bystanders = len([*bystanders(self.sessions, fates)])
        kills = sum(self.done[name] for name in self.killing)
        if self.bystanders > self.bystanders_of_a_kill * kills:
            many = f"{self.bystanders} sessions of others ended by {kills} kills"
            self.problems.append(many)


def _some_messages(session: Session, chance: Random) -> list[str]:
    """Make the next messages of a session."""
    start = session.sent
    session.sent += chance.randint(1, 5)
    return [
        make_message(session.client, number, chance.choice(SIZES))
        for number in range(start, session.sent)
    ]


def _say(soak: WorkersSoak) -> None:
    messages = sum(len(each.received) for each in soak.sessions)
    kinds = Counter(each.client.partition("-")[0] for each in soak.sessions)
    _tell(f"{len(soak.sessions)} sessions {dict(kinds)}, {messages} messages")
    _tell(f"done to {soak.things}: {dict(soak.done)}")
    _tell(f"sessions of others that a kill ended: {soak.bystanders}")
    if cut_off := Counter(each.cut_off_by for each in soak.sessions if each.cut_off_by):
        _tell(f"sessions that ended as their way was cut off: {dict(cut_off)}")
    if soak.left_open:
        _tell(f"clients that waited for an answer in vain: {soak.left_open}")
    if soak.back:
        slowest = max(soak.back)
        _tell(
            f"{len(soak.back)} clients of killed workers were back, "
            f"the last after {slowest:.1f} s"
        )
    _tell("\n".join(soak.problems) or "no problem")


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201


async def _soak(kind: type[WorkersSoak], arguments: argparse.Namespace) -> int:
    raise_file_limit()
    _tell(f"seed {arguments.seed}: again with --seed {arguments.seed}")
    with ExitStack() as stack:
        folder = arguments.folder or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="soak-")
        )
        soak = kind(arguments.seed, Path(folder))
        await soak.run(arguments.seconds, arguments.within)
    _say(soak)
    return 1 if soak.problems else 0


def main(kind: type[WorkersSoak], description: str, within: float) -> None:
    """Run a soak as the command line says."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("seconds", nargs="?", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=randrange(1_000_000))
    parser.add_argument(
        "--within", type=float, default=within, help="seconds until clients are back"
    )
    parser.add_argument("--folder", help="an empty one, to keep logs and ledger in")
    arguments = parser.parse_args()
    asyncioreactor.install()

    def begin(_reactor: Any) -> Deferred[None]:
        soaking = asyncio.ensure_future(_soak(kind, arguments))
        return Deferred.fromFuture(soaking).addCallback(sys.exit)

    react(begin)


if __name__ == "__main__":
    main(WorkersSoak, __doc__ or "", within=5.0)
