"""How links stand: said by each process in short transactions, read by page, command, API and metric."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, select, update

from app.campaigns.forecast import Rate, rates
from app.core import clock
from app.core.states import DeliveryState, LinkState
from app.database.connection import Database, shared_ms
from app.database.models import link_health as table
from app.database.models import links as links_table
from app.dispatch import link_store
from app.dispatch.claims import SendContext
from app.dispatch.link_store import HealthSweep, write_health
from app.dispatch.send_loop import SendLoop
from app.observability import link_status
from app.observability.link_status import LinkHealthState, LinkStatus, Standstill, facts
from app.observability.metrics import Metrics
from carriers.contract import Halted, LinkHealth, LinkOptions, ReceiptLevel
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp.carrier import SmppCarrier
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.world import World, build
from tests.engines import by_default
from tests.operations import carry_out

database_url = by_default


Q, U = int(DeliveryState.QUEUED), int(DeliveryState.UNKNOWN)
UP, LOST = LinkHealth(connected_since=0.0), LinkHealth(lost_since=0.0, refusal="refused")


def stand(db: Database, link: int, *found: LinkHealth) -> LinkStatus:
    """How the link stands when processes a, b ... have said these."""
    for holder, health in zip("abc", found, strict=False):
        db.write(write_health, [(link, holder, health)])
    return db.read(facts)[link]


def _standstills(connection: Connection) -> dict[str, Standstill]:
    return link_status.standstills(link_status.links_now(connection))


def _rates(connection: Connection) -> dict[str, Rate]:
    return rates(link_status.links_now(connection))


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ([], LinkHealthState.CLOSED),
        ([LinkHealth()], LinkHealthState.UNTRIED),
        ([UP], LinkHealthState.CONNECTED),
        ([LOST], LinkHealthState.LOST),
        ([replace(UP, probing="no answer")], LinkHealthState.PROBING),
        ([LOST, UP], LinkHealthState.CONNECTED),
        ([replace(UP, probing="no answer"), UP], LinkHealthState.CONNECTED),
        ([replace(UP, probing="no answer"), LOST], LinkHealthState.PROBING),
        ([LOST, LinkHealth()], LinkHealthState.LOST),
        ([replace(UP, waiting_since=1.0)], LinkHealthState.WAITING),
        ([replace(UP, waiting_since=1.0), UP], LinkHealthState.CONNECTED),
        ([replace(UP, waiting_since=1.0), LOST], LinkHealthState.WAITING),
        ([replace(UP, waiting_since=1.0, probing="no answer")], LinkHealthState.PROBING),
    ],
)
def test_a_link_stands_as_the_best_of_its_processes(
    db: Database, found: list[LinkHealth], state: LinkHealthState
) -> None:
    world = build(db, 1)
    assert stand(db, world.link.id, *found).state is state


@pytest.mark.longer
def test_a_link_that_puts_off_everything_is_no_link_at_work_after_a_while(db: Database) -> None:
    world, here = build(db, 1), clock.monotonic()
    refusal = {"connected_since": here - 900, "refused_at": here - 1, "refusal": "0x58"}
    long, short = (LinkHealth(**refusal, refusing_since=here - ago) for ago in (120, 1))
    assert stand(db, world.link.id, short).state is LinkHealthState.CONNECTED  # a pace is being looked for
    assert stand(db, world.link.id, long, UP).state is LinkHealthState.CONNECTED
    found = stand(db, world.link.id, long, long)
    assert (found.state, found.refusal) == (LinkHealthState.REFUSING, "0x58")
    assert link_status.is_away(found)
    assert link_status.since(found) == found.refusing_since
    (shown,) = carry_out(db, "list_links")
    assert (shown.health, shown.refusal) == ("refusing", "0x58")
    text = Metrics(db).text().decode()
    (seconds,) = [line.split()[-1] for line in text.splitlines() if line.startswith("loa_link_refusing_")]
    assert 100 < float(seconds) < 300
    assert db.read(_standstills)["viettel"].state is LinkHealthState.REFUSING


@pytest.mark.longer
def test_a_link_that_waits_for_answers_says_since_when_and_is_written_once(db: Database) -> None:
    world, here = build(db, 1), clock.monotonic()
    waits = LinkHealth(connected_since=here - 900, answered_at=here - 12, waiting_since=here - 11)
    found = stand(db, world.link.id, waits, LOST)
    assert link_status.is_away(found)
    assert link_status.since(found) == found.waiting_since
    assert found.waiting_since is not None
    assert db.read(_standstills)["viettel"].state is LinkHealthState.WAITING
    assert db.read(_rates)["viettel"].segments_per_second == 0
    (shown,) = carry_out(db, "list_links")
    assert (shown.health, clock.to_ms(shown.waiting_since)) == ("waiting", found.waiting_since)
    assert stand(db, world.link.id, replace(waits, waiting_since=None)).state is LinkHealthState.CONNECTED


@pytest.mark.longer
def test_a_link_that_the_settings_no_longer_name_is_left_and_not_lost(db: Database) -> None:
    world = build(db, 1)
    here, other = link_store.own_host(), "elsewhere"

    def left(holder: str, named: list[str], age_ms: int) -> LinkHealthState:
        db.write(lambda c: c.execute(delete(table)))
        db.write(write_health, [(world.link.id, f"{holder}:1:x", UP)])
        db.write(lambda c: c.execute(update(table).values(seen_at=table.c.seen_at - age_ms)))
        db.write(link_store.mark_removed, named, here)
        return db.read(facts)[world.link.id].state

    assert left(here, ["viettel-1"], 31_000) is LinkHealthState.CLOSED
    assert left(here, ["viettel-2"], 0) is LinkHealthState.CONNECTED
    assert left(other, ["viettel-2"], 31_000) is LinkHealthState.CLOSED  # its own settings may name it
    assert left(here, ["viettel-2"], 31_000) is LinkHealthState.REMOVED
    assert not link_status.is_away(db.read(facts)[world.link.id])
    assert db.read(_standstills) == {}
    assert "viettel-1" not in "".join(
        line for line in Metrics(db).text().decode().splitlines() if line.startswith("loa_link_")
    )
    again = link_store.LinkRecord("viettel-1", "viettel", "viettel-1", 100.0, ReceiptLevel.HANDSET)
    db.write(link_store.register, again)
    assert db.read(facts)[world.link.id].state is LinkHealthState.CLOSED


@pytest.mark.parametrize(("host", "days"), [("", 8), ("a container that is no more", 8)])
def test_a_link_renamed_after_a_long_standstill_is_left_and_its_rate_counts_no_more(
    db: Database, host: str, days: int
) -> None:
    """Loa stood still for longer than rows of processes are kept, then began with another name."""
    world = build(db, 1)
    db.write(write_health, [(world.link.id, f"{host or link_store.own_host()}:1:x", UP)])
    db.write(lambda c: c.execute(update(table).values(seen_at=table.c.seen_at - days * 86_400_000)))
    renamed = link_store.LinkRecord("viettel-2", "viettel", "viettel-2", 100.0, ReceiptLevel.HANDSET)
    link = db.write(link_store.register, renamed)
    for _ in range(2):
        db.write(write_health, [(link.id, f"{link_store.own_host()}:2:x", UP)])
        db.write(link_store.mark_removed, ["viettel-2"], link_store.own_host())
    assert db.read(facts)[world.link.id].state is LinkHealthState.REMOVED
    assert db.read(_rates)["viettel"].segments_per_second == 100.0
    assert db.read(lambda c: c.execute(select(table.c.link_id)).scalars().all()) == [link.id]


def test_a_link_that_no_process_has_had_for_long_is_away_and_its_rate_counts_no_more(db: Database) -> None:
    """The settings may name it still: what is not tried yet is something else."""
    world = build(db, 1)
    stand(db, world.link.id, UP)
    db.write(lambda c: c.execute(update(table).values(seen_at=table.c.seen_at - 8 * 86_400_000)))
    other = link_store.LinkRecord("viettel-2", "viettel", "viettel-2", 100.0, ReceiptLevel.HANDSET)
    db.write(write_health, [(db.write(link_store.register, other).id, "b", UP)])
    assert link_status.is_away(db.read(facts)[world.link.id])
    assert db.read(_rates)["viettel"].segments_per_second == 100.0


def test_moments_are_kept_by_the_shared_clock_and_the_newest_refusal_counts(db: Database) -> None:
    world, here = build(db, 1), clock.monotonic()
    older = LinkHealth(lost_since=here - 60, refused_at=here - 50, refusal="older")
    newer = LinkHealth(lost_since=here - 40, refused_at=here - 30, refusal="newer", answered_at=here - 90)
    found = stand(db, world.link.id, newer, older)
    now = db.write(shared_ms)
    assert (found.refusal, found.processes) == ("newer", 2)
    for moment, ago in ((found.lost_since, 40_000), (found.refused_at, 30_000), (found.answered_at, 90_000)):
        assert moment is not None
        assert abs(now - ago - moment) < 8_000


def test_a_process_that_is_gone_has_the_link_no_more(db: Database) -> None:
    world = build(db, 1)
    stand(db, world.link.id, UP)
    db.write(lambda c: c.execute(update(table).values(seen_at=table.c.seen_at - 31_000)))
    found = db.read(facts)[world.link.id]
    assert (found.state, found.processes, found.connected_since) == (LinkHealthState.CLOSED, 0, None)
    assert found.lost_since is not None
    db.write(write_health, [(world.link.id, "b", UP)])
    db.write(link_store.mark_closed, ["b"])
    assert db.read(facts)[world.link.id].state is LinkHealthState.CLOSED


async def test_a_link_that_was_closed_in_order_says_when_and_which_answer_was_its_last(db: Database) -> None:
    world, carrier = build(db, 1), unopened()
    sweep = HealthSweep(db, lambda: [(world.link.id, "a", carrier)])
    await sweep.step()
    opened = db.write(shared_ms)
    carrier.answered()  # by itself no news
    await sweep.close()
    closed = db.write(shared_ms)
    found = db.read(facts)[world.link.id]
    assert found.state is LinkHealthState.CLOSED
    assert found.lost_since is not None
    assert opened <= found.lost_since <= closed
    assert found.answered_at is not None
    assert opened - 1000 <= found.answered_at <= closed + 1000
    db.write(write_health, [(world.link.id, "b", UP)])
    assert db.read(facts)[world.link.id].state is LinkHealthState.CONNECTED


def test_rows_of_processes_that_are_long_gone_are_forgotten(db: Database) -> None:
    world = build(db, 1)
    stand(db, world.link.id, UP)
    db.write(lambda c: c.execute(update(table).values(seen_at=table.c.seen_at - 8 * 86_400_000)))
    db.write(write_health, [(world.link.id, "b", UP)])
    assert db.read(lambda c: c.execute(select(table.c.holder)).scalars().all()) == ["b"]


@pytest.mark.longer
async def test_only_news_and_a_sign_of_life_are_written(db: Database) -> None:
    world, carrier = build(db, 1), unopened()
    sweep = HealthSweep(db, lambda: [(world.link.id, "a", carrier)])

    def seen(c: Connection) -> int:
        return int(c.execute(select(table.c.seen_at)).scalar_one())

    await sweep.step()
    first = db.read(seen)
    carrier.answered()  # by itself no news, else each answer would be a write
    await asyncio.sleep(0.05)
    await sweep.step()
    assert db.read(seen) == first
    carrier.update()
    await sweep.step()
    assert db.read(facts)[world.link.id].state is LinkHealthState.LOST


def unopened() -> SmppCarrier:
    options: dict[str, object] = {"host": "127.0.0.1", "port": 1, "system_id": "x", "password": "x"}
    return SmppCarrier(LinkOptions("viettel-1", "viettel", 10.0, options))


# ---- the link


def test_a_refusal_of_one_host_halts_nobody_while_another_has_the_link_up(db: Database) -> None:
    world = build(db, 1)
    refused = Halted("0x0E", "the carrier rejects the password")
    stand(db, world.link.id, LinkHealth(), UP)
    assert not db.write(link_store.halt_unless_up_elsewhere, world.link.id, "a", refused)
    assert db.read(link_store.state, world.link.id) is LinkState.RUNNING
    # Its own connection is no other's.
    assert db.write(link_store.halt_unless_up_elsewhere, world.link.id, "b", refused)
    assert db.read(link_store.state, world.link.id) is LinkState.HALTED


@pytest.mark.longer
async def test_a_host_with_a_wrong_password_stands_aside_and_halts_once_it_is_alone(db: Database) -> None:
    world, carrier = build(db, 3), PaperCarrier()
    world.fan_out()
    carrier.refusal = Halted("0x0E", "the password is wrong")
    stand(db, world.link.id, UP)
    loop = loop_for(world, carrier)
    task = asyncio.create_task(loop.run())
    try:
        await asyncio.sleep(0.5)
        assert db.read(link_store.state, world.link.id) is LinkState.RUNNING
        db.write(link_store.mark_closed, ["a"])
        await until(lambda: db.read(link_store.state, world.link.id) is LinkState.HALTED)
    finally:
        loop.stop()
        await asyncio.wait_for(task, 20)
    assert world.states() == {Q: 3}


@asynccontextmanager
async def sending(db: Database, smsc: Smsc) -> AsyncIterator[tuple[World, HealthSweep]]:
    world = build(db, 400, chunk=100)
    world.fan_out()
    db.write(lambda c: c.execute(update(links_table).values(segments_per_second=100_000.0)))
    options: dict[str, object] = {"host": "127.0.0.1", "port": smsc.port, "system_id": "loa", "password": "x"}
    # Longer than a busy machine stands still: what is not answered then is unknown, whoever was silent.
    options |= {"window": 10, "response_timeout_s": 1.5, "reconnect_min_s": 0.3, "probe_max_s": 1.0}
    carrier = SmppCarrier(LinkOptions("viettel-1", "viettel", 100_000.0, options))
    loop = SendLoop(world.link, carrier, SendContext(db, world.ledger, Metrics(), 100, 8.0))
    await carrier.open()
    task = asyncio.create_task(loop.run())
    try:
        yield world, HealthSweep(db, lambda: [(world.link.id, loop.owner, carrier)])
    finally:
        loop.stop()
        await asyncio.wait_for(task, 30)
        await carrier.close()


@pytest.mark.longer
async def test_a_centre_that_answers_no_submit_costs_one_window_and_the_probes_and_is_seen(
    db: Database,
) -> None:
    async with Smsc(SmscBehaviour(answer_delay_s=0.01)) as smsc, sending(db, smsc) as (world, sweep):
        await until(lambda: smsc.taken() >= 50)
        smsc.change(unanswered=1.0)
        silent_since = clock.monotonic()
        await asyncio.sleep(4)
        await sweep.step()
        found = db.read(facts)[world.link.id]
        assert found.state is LinkHealthState.PROBING
        assert found.probing is not None
        assert "no answer to" in found.probing
        assert 'loa_link_probing{carrier="viettel",link="viettel-1"} 1.0' in Metrics(db).text().decode()
        unknown = world.states().get(U, 0)
        probes = clock.monotonic() - silent_since  # less than one a second
        assert 10 <= unknown <= 10 + 1 + probes + 1  # before, all 400
        smsc.change(unanswered=0.0)
        await until(lambda: Q not in world.states())
        await sweep.step()
        assert db.read(facts)[world.link.id].state is LinkHealthState.CONNECTED
        assert world.states()[U] <= unknown + 2
    world.check()


@pytest.mark.longer
async def test_a_centre_that_throttles_everything_is_seen_though_it_answers(db: Database) -> None:
    async with Smsc(SmscBehaviour(throttle=1.0)) as smsc, sending(db, smsc) as (world, sweep):
        async with asyncio.timeout(20):
            while db.read(facts)[world.link.id].refusing_since is None:
                await sweep.step()
                await asyncio.sleep(0.05)
        found = db.read(facts)[world.link.id]
        assert (found.state, found.refusal) == (LinkHealthState.CONNECTED, "0x58")  # for some seconds yet
        assert found.refusing_since is not None
        db.write(lambda c: c.execute(update(table).values(refusing_since=table.c.refusing_since - 20_000)))
        assert db.read(facts)[world.link.id].state is LinkHealthState.REFUSING
        smsc.change(throttle=0.0)
        await until(lambda: smsc.taken() >= 10)
        async with asyncio.timeout(20):
            while (
                db.read(facts)[world.link.id].state is LinkHealthState.REFUSING
            ):  # its answers are on their way yet
                await sweep.step()
                await asyncio.sleep(0.05)
        found = db.read(facts)[world.link.id]
        assert (found.state, found.refusing_since) == (LinkHealthState.CONNECTED, None)
    world.check()
