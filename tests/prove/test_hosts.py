"""Two and four workers and two API processes on hosts of their own, with one PostgreSQL among them.

A host is cut off and comes back, another loses its power, what one API is told the other knows: no number
gets a second copy, nothing is lost, and the carrier sees one rate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.core.states import ChunkState, DeliveryState
from app.database import schema
from app.database.connection import Database
from app.database.models import chunks
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import follow_up_unknown, followed_up, settled
from tests.faults.hosts import PRIVATE, WHY, Host, Network, own_network
from tests.faults.processes import Home, Program, smpp_link
from tests.faults.server import own_server
from tests.faults.view import View, queue
from tests.faults.watching import watched

COUNT = 2400
CHUNK = 200
RATE = 300
WINDOW = 100
SUB_BATCH = 200
LEASE_S = 2
# Of a second: how long a busy machine may keep a sender between its turn and the wire.
JITTER = 0.02
BEHAVIOUR = SmscBehaviour(
    answer_delay_s=0.05, receipt_delay_s=0.3, receipt_window=500, receipts_on="any", receipt_timeout_s=1.0
)


@pytest.fixture
def network() -> Iterator[Network]:
    with own_network() as found:
        yield found


@pytest.fixture
def home(network: Network, tmp_path: Path) -> Iterator[Home]:
    """Settings and an empty database that every host of the network reaches."""
    with own_server(network.address) as server:
        db = Database(server.url)
        schema.upgrade(db)
        db.close()
        found = Home(tmp_path, server.url, measured=False)
        try:
            yield found
        finally:
            found.end()


@pytest.mark.parametrize("workers", [2, 4])
async def test_hosts_come_and_go_and_the_carrier_sees_one_sender(
    home: Home, network: Network, workers: int
) -> None:
    """T22, T31, T74: the fencing number keeps out a host that comes back, and the rate is shared by all."""
    queue(home.url, COUNT, CHUNK)
    view = View(home.url)
    async with Smsc(BEHAVIOUR, host=network.address) as smsc:
        link = smpp_link("viettel", smsc.port, host=network.address, segments_per_second=RATE, window=WINDOW)
        own = {"lease_seconds": LEASE_S, "sub_batch": SUB_BATCH, "host": "0.0.0.0", "behind_tls": True}
        own |= {"trusted_proxies": [network.address]}
        home.configure({"viettel-1": link | {"private_line": WHY}}, PRIVATE, **own)
        key = (await home.command("key", "add", "two-hosts")).splitlines()[-1]
        async with served(home, network, key) as (first, second), watched() as watch:
            arrivals = smsc.arrivals()
            senders = [network.add() for _ in range(workers)]
            programs = [host.start(home, "worker") for host in senders]
            await home.until(lambda: smsc.binds() == workers, "all are bound")
            await all_send(home, view, programs)
            await cut_off(home, view, senders[-1])
            assert watch.surplus(arrivals[:], RATE) <= JITTER * RATE
            senders[-1].mend()
            await ordered(first, second)
            await home.until(lambda: smsc.taken() >= COUNT * 2 // 3, "two thirds are sent")
            await senders[0].lose_power()
            smsc.drop_from(senders[0].address)
            await settled(home, smsc, COUNT)
            assert programs[-1].alive()
            # What a cut host had handed over comes all at once when the cable is mended: its window, and what
            # waited behind that, a sub-batch in all.
            assert watch.surplus(arrivals[:], RATE) <= SUB_BATCH + JITTER * RATE
        await followed_up(home, smsc, COUNT)


async def test_what_a_cut_bind_had_under_way_never_comes_after_it_was_given_up(
    home: Home, network: Network
) -> None:
    """T41: a round writes to unknown numbers; the network must not bring the first copies after that."""
    queue(home.url, CHUNK, CHUNK)
    view = View(home.url)
    async with Smsc(BEHAVIOUR, host=network.address) as smsc:
        link = smpp_link("viettel", smsc.port, host=network.address, segments_per_second=100, window=WINDOW)
        slow = link | {"response_timeout_s": 1.0, "private_line": WHY}
        home.configure({"viettel-1": slow}, PRIVATE, lease_seconds=LEASE_S)
        away = network.add()
        worker = away.start(home, "worker")
        await home.until(lambda: smsc.taken() >= CHUNK // 4, "a quarter is sent")
        away.cut()
        await home.until(lambda: "bind is down" in worker.words(), "the bind is given up")
        network.add().start(home, "worker")
        await home.until(lambda: view.listed(), "what was under way is unknown")
        await home.until(lambda: view.tallied(DeliveryState.QUEUED) == 0, "the rest is sent")
        await home.until(lambda: view.listed().isdisjoint(smsc.numbers()), "what was taken is settled")
        unknown = view.listed()
        assert unknown
        await asyncio.to_thread(follow_up_unknown, home.url, len(unknown))
        await home.until(lambda: unknown <= set(smsc.numbers()), "they are written to again")
        away.mend()
        await home.until(lambda: worker.words().count("bind is up") == 2, "the host is back")
        await asyncio.sleep(5)  # TCP would have tried again by now
        assert smsc.report()["copies_max"] == 1


@asynccontextmanager
async def served(
    home: Home, network: Network, key: str
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two hosts with an API each, and a caller of each."""
    hosts = [network.add() for _ in range(2)]
    for host in hosts:
        program = host.start(home, "serve")
        await home.until(lambda one=program: "listening" in one.words(), "the API listens")
    login = {"Authorization": f"Bearer {key}"}
    bases = [f"http://{host.address}:{home.port}" for host in hosts]
    async with (
        httpx.AsyncClient(base_url=bases[0], headers=login, timeout=30) as first,
        httpx.AsyncClient(base_url=bases[1], headers=login, timeout=30) as second,
    ):
        yield first, second


def held(view: View, program: Program) -> dict[int, int]:
    """The chunks that a worker holds: first line -> fencing number."""
    c = chunks.c
    own = c.owner.contains(f":{program.process.pid}:"), c.state == ChunkState.LEASED
    return dict(view.rows(select(c.first_seq, c.attempt).where(*own)))


async def all_send(home: Home, view: View, programs: Sequence[Program]) -> None:
    """Every worker has had work of the link."""
    seen: set[int] = set()

    def shared() -> bool:
        seen.update(n for n, program in enumerate(programs) if held(view, program))
        return len(seen) == len(programs)

    await home.until(shared, "every host sends")


async def cut_off(home: Home, view: View, host: Host) -> None:
    """The host's cable is pulled while it holds work; returns when another host has taken that over."""
    (program,) = host.programs
    await home.until(lambda: held(view, program), "the host holds a chunk")
    host.cut()
    lost = held(view, program)

    def taken_over() -> bool:
        now = select(chunks.c.first_seq, chunks.c.attempt).where(chunks.c.first_seq.in_(lost))
        return all(attempt > lost[first] for first, attempt in view.rows(now))

    await home.until(lambda: lost and taken_over(), "another host has taken its work over")
    assert program.alive()


async def ordered(first: httpx.AsyncClient, second: httpx.AsyncClient) -> None:
    """What one API is told, the other one knows."""
    assert (await first.post("/v1/runs/1/pause")).json()["state"] == "paused"
    assert (await second.get("/v1/runs/1")).json()["state"] == "paused"
    assert (await second.post("/v1/runs/1/resume")).json()["state"] == "running"
