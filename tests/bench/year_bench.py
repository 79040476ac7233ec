"""What receipts and sweeps cost beside the campaigns of a year, and what they cost alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from sqlalchemy import Connection, insert

from app.core import clock
from app.core.states import CampaignState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import campaigns, runs, tallies
from app.dispatch import run_sweeps as sweeps
from app.ledger.contract import Arrival, DeliveryToSend
from tests.app.ledger.test_claim_cost import open_more
from tests.app.world import World, accepted, receipt
from tests.bench.machinery import analyze, fresh_url, now
from tests.bench.path_bench import filled

_GROUP = 200
_PATIENCE_MS = 5 * clock.DAY_MS
_STATES = (DeliveryState.SUBMITTED, DeliveryState.UNDELIVERED, DeliveryState.DELIVERED)
_ROUNDS = 20
_CLAIMS, _WAITING_CHUNKS = 60, 50_000


def year(engine: str, past: int, keys: int, groups: int) -> dict[str, float]:
    """Medians in ms: a group of receipts alone and beside `past` campaigns with so many keys of the tallies,
    in turns; and the two sweeps that look at what ever was, when nothing has come.

    The past's campaigns ended one after the other in the last year, each with a receipt that never came.
    """
    with fresh_url(engine) as one, fresh_url(engine) as other:
        dbs = Database(one), Database(other)
        try:
            worlds = [filled(db, groups * _GROUP) for db in dbs]
            _fill_past(worlds[1], past, keys)
            waiting = [_sent(world) for world in worlds]
            took: tuple[list[float], list[float]] = ([], [])
            for group in range(groups):
                for world, items, times in zip(worlds, waiting, took, strict=True):
                    times.append(_timed(_receive, world, items[group * _GROUP : (group + 1) * _GROUP]))
            medians = [statistics.median(times[groups // 5 :]) for times in took]
            return {"alone": medians[0], "beside": medians[1]} | _at_rest(worlds[1])
        finally:
            for db in dbs:
                db.close()


def _timed(work: Callable[..., object], *args: object) -> float:
    started = now()
    work(*args)
    return (now() - started) * 1000


def _sent(world: World) -> list[DeliveryToSend]:
    """Every message of the campaign, taken by the carrier."""
    world.fan_out()
    items: list[DeliveryToSend] = []
    while lease := world.claim():
        world.db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
        world.db.write(world.ledger.release, lease, 0.0)
        items += lease.items
    return items


def _receive(world: World, items: list[DeliveryToSend]) -> None:
    some: list[Arrival] = [receipt(world.link, f"m{item.seq}", phone=item.phone) for item in items]
    if world.db.write(world.ledger.apply, some).changed != len(items):
        raise SystemExit("Not every receipt moved its message.")


def _at_rest(world: World) -> dict[str, float]:
    """What a worker asks each second and each five, where nothing has come."""
    db, ledger = world.db, world.ledger
    db.write(ledger.fold_tallies)
    db.write(sweeps.advance, ledger, _PATIENCE_MS)
    asked = [_timed(db.read, sweeps.due_steps, ledger, _PATIENCE_MS) for _ in range(_ROUNDS)]
    folds = [_timed(db.read, ledger.to_fold) for _ in range(_ROUNDS)]
    if db.read(sweeps.due_steps, ledger, _PATIENCE_MS) or db.read(ledger.to_fold):
        raise SystemExit("There is something to do where nothing has come.")
    return {"runs_at_rest": statistics.median(asked), "tallies_at_rest": statistics.median(folds)}


def claim_ms(engine: str) -> float:
    """The median in ms of a claim of 1,000 messages while 50 million wait, without its commit."""
    with fresh_url(engine) as url:
        db = Database(url)
        try:
            world = filled(db, _CLAIMS * 1000)
            world.fan_out()
            open_more(world, _WAITING_CHUNKS)
            analyze(db)
            return statistics.median(db.write(_claim, world) for _ in range(_CLAIMS))
        finally:
            db.close()


def _claim(connection: Connection, world: World) -> float:
    started = now()
    lease = world.ledger.claim(connection, world.link, [world.run], "bench", 60.0)
    took = (now() - started) * 1000
    if lease is None or len(lease.items) != 1000:
        raise SystemExit("A claim found no whole chunk.")
    return took


def _fill_past(world: World, past: int, keys: int) -> None:
    for number in range(past):
        world.db.write(_campaign, world, number, past)
        world.db.write(_tallies, 1000 + number, keys // past)
    world.db.write(world.ledger.fold_tallies)
    world.db.write(sweeps.advance, world.ledger, _PATIENCE_MS)


def _campaign(connection: Connection, world: World, number: int, past: int) -> None:
    ended = clock.now_ms() - 365 * clock.DAY_MS * (number + 1) // past
    made = {"id": 1000 + number, "created_at": ended}
    texts = {
        "name": "x",
        "purpose": "tuyen_truyen",
        "sender": "CA",
        "texts": {"": "x"},
        "created_by": "bench",
    }
    hours = {"day_starts": "00:00", "day_ends": "24:00", "state": CampaignState.APPROVED.value}
    connection.execute(insert(campaigns).values(made | texts | hours))
    run = {"campaign_id": 1000 + number, "carrier": "viettel", "state": RunState.SENT.value}
    connection.execute(insert(runs).values(made | run | {"ended_at": ended}))
    world.ledger.open_campaign(connection, 1000 + number)


def _tallies(connection: Connection, campaign: int, keys: int) -> None:
    key = {"campaign_id": campaign, "run_id": campaign, "batch_id": campaign, "reason": 0}
    rows = [
        key | {"area": f"{n // 3:05d}", "state": int(_STATES[n % 3]), "n": 5, "segments": 5}
        for n in range(keys)
    ]
    connection.execute(insert(tallies), rows)
