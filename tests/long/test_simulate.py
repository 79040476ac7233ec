"""The simulation itself: its time, its network, what a kill leaves, and that it sees what is broken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.simulate.network import Network
from tests.simulate.runner import Runner
from tests.simulate.script import Event, Script, script_of, shortest
from tests.simulate.virtual_loop import Program, Stalled, VirtualLoop
from tests.simulate.world import World


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    network = Network(random.Random(1))
    network.loop = VirtualLoop(network)
    yield network.loop
    network.loop.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as found:
        yield found


def test_an_hour_takes_no_time(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.wait_for(_sleep(3600), 3601))
    assert loop.time() == pytest.approx(3600)


def test_what_nothing_will_wake_is_said(loop: VirtualLoop) -> None:
    with pytest.raises(Stalled):
        loop.run_until_complete(asyncio.Event().wait())


def test_a_killed_program_runs_nothing_more_and_a_frozen_one_goes_on_later(loop: VirtualLoop) -> None:
    said: list[str] = []

    async def work(name: str) -> None:
        try:
            for turn in range(3):
                await asyncio.sleep(1)
                said.append(f"{name}{turn} at {round(loop.now)}")
        finally:
            said.append(f"{name} ends")

    killed, frozen = Program("killed"), Program("frozen")
    loop.start(killed, work("k"))
    loop.start(frozen, work("f"))

    async def trouble() -> None:
        await asyncio.sleep(1.5)
        killed.killed = frozen.frozen = True
        await asyncio.sleep(10)
        loop.thaw(frozen)
        await asyncio.sleep(5)

    loop.run_until_complete(trouble())
    assert said == ["k0 at 1", "f0 at 1", "f1 at 12", "f2 at 12", "f ends"]


class _Peer(asyncio.Protocol):
    """Notes what comes."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.lost: list[Exception | None] = []
        self.paused = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False


async def _pair(loop: VirtualLoop) -> tuple[_Peer, _Peer]:
    far = _Peer()
    await loop.create_server(lambda: far, "10.0.0.1", 2775)
    _, near = await loop.create_connection(_Peer, "10.0.0.1", 2775)
    await asyncio.sleep(0.1)
    return near, far


def test_bytes_come_whole_and_in_order_over_a_partition(loop: VirtualLoop) -> None:
    sent = random.Random(2).randbytes(50_000)

    async def work() -> None:
        near, far = await _pair(loop)
        for at in range(0, len(sent), 500):
            near.transport.write(sent[at : at + 500])
            if at == 10_000:
                loop.network.partition(2775)
                await asyncio.sleep(30)
                assert len(far.got) < 10_500
                loop.network.heal(2775)
            await asyncio.sleep(0.001)
        near.transport.close()
        await asyncio.sleep(5)
        assert bytes(far.got) == sent
        assert (near.lost, far.lost, near.paused) == ([None], [None], False)

    loop.run_until_complete(work())


def test_what_an_aborted_end_had_behind_a_partition_never_comes(loop: VirtualLoop) -> None:
    async def work() -> None:
        near, far = await _pair(loop)
        loop.network.partition(2775)
        near.transport.write(b"never")
        near.transport.abort()
        await asyncio.sleep(1)
        loop.network.heal(2775)
        await asyncio.sleep(1)
        assert (bytes(far.got), len(far.lost)) == (b"", 1)

    loop.run_until_complete(work())


def test_a_peer_that_does_not_read_fills_the_writer(loop: VirtualLoop) -> None:
    async def work() -> None:
        near, far = await _pair(loop)
        far.transport.pause_reading()
        near.transport.set_write_buffer_limits(high=0)
        near.transport.write(b"x" * 10_000)
        assert near.paused
        assert near.transport.get_write_buffer_size() == 10_000 - 4096
        far.transport.resume_reading()
        await asyncio.sleep(1)
        assert (len(far.got), near.paused) == (10_000, False)

    loop.run_until_complete(work())


@pytest.mark.prove
@pytest.mark.parametrize(
    "seed", [2, *(pytest.param(seed, marks=pytest.mark.prove) for seed in (3, 26, 50549))]
)
def test_a_simulated_day_holds_every_promise_and_is_the_same_again(runner: Runner, seed: int) -> None:
    """In 26 a centre restarts while two sessions are open: which ends first followed from no seed."""
    first, *again = (runner.try_one(script_of(seed)) for _ in range(4))
    assert first.broken == ()
    assert [first] * 3 == again
    assert first.parts >= 15


_SPOILT = (
    "DELETE FROM receipts WHERE seq = 2 AND batch_id = 1",
    "UPDATE tallies SET n = n + 1 WHERE rowid = (SELECT min(rowid) FROM tallies)",
    "UPDATE deliveries SET state = 0 WHERE seq = 3 AND batch_id = 1",
)


def test_a_copy_a_lost_receipt_and_a_wrong_tally_are_seen(runner: Runner) -> None:
    """What a broken program would leave is put into the rows of a sound one."""

    def spoil(world: World) -> None:
        world.saw(next(iter(world.taken)))
        for statement in _SPOILT:
            world.desk.write(lambda c, s=statement: c.execute(text(s)))

    usual, runner.at_rest = runner.at_rest, spoil
    try:
        said = "\n".join(runner.try_one(Script(3, 1, ())).broken)
    finally:
        runner.at_rest = usual
    for sign in ("a copy of", "acknowledged receipts", "QUEUED, and the centre has", "loa verify:"):
        assert sign in said


def test_the_shortest_script_keeps_only_what_it_takes() -> None:
    events = tuple(Event(float(n), kind, n, 1.0) for n, kind in enumerate(["kill", "pause", "reset", "deaf"]))
    needs = {"pause", "deaf"}
    found = shortest(Script(1, 1, events), lambda script: needs <= {each.kind for each in script.events})
    assert [each.kind for each in found.events] == ["pause", "deaf"]


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)
