"""What receipts and sweeps cost beside the campaigns of a year, and what they cost alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import Connection, insert

from app.core import clock
from app.core.states import CampaignState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, runs, submissions, tallies
from app.dispatch import run_sweeps as sweeps
from app.ledger.contract import SUBMISSION, Arrival, DeliveryToSend, ResultKind
from tests.app.ledger.test_claim_cost import open_more
from tests.app.world import FIRST_PHONE, World, accepted, receipt
from tests.bench.machinery import analyze, fresh_url, now
from tests.bench.path_bench import filled

_GROUP = 200
_KINDS = {"receipts": (_GROUP, 0), "mixed": (_GROUP - 2, 2), "foreign": (0, 1)}  # own, and foreign ones
_OF_RECENT = 500  # messages of each recent campaign
_PATIENCE_MS = 5 * clock.DAY_MS
_STATES = (DeliveryState.SUBMITTED, DeliveryState.UNDELIVERED, DeliveryState.DELIVERED)
_ROUNDS = 20
_CLAIMS, _WAITING_CHUNKS = 60, 50_000


def year(engine: str, past: int, recent: int, keys: int, groups: int) -> dict[str, float]:
    """Medians in ms, in turns alone and beside `past` campaigns with so many keys of the tallies and `recent`
    ones: a group of receipts, the same with two that no campaign knows, and one such receipt by itself; and
    the two sweeps that look at what ever was, when nothing has come.

    The past's campaigns ended one after the other in the last year, each with a receipt that never came; the
    recent ones two days ago, each with messages to numbers that our receipts name.
    """
    with fresh_url(engine) as one, fresh_url(engine) as other:
        dbs = Database(one), Database(other)
        try:
            worlds = [filled(db, groups * sum(own for own, _ in _KINDS.values())) for db in dbs]
            _fill_past(worlds[1], past, keys)
            _fill_recent(worlds[1], recent)
            waiting = [_sent(world) for world in worlds]
            found: dict[str, float] = {}
            for kind, (own, foreign) in _KINDS.items():
                took: tuple[list[float], list[float]] = ([], [])
                for _ in range(groups):
                    for world, items, times in zip(worlds, waiting, took, strict=True):
                        mine = [items.pop() for _ in range(own)]
                        times.append(_timed(_receive, world, mine, foreign))
                medians = [statistics.median(times[groups // 5 :]) for times in took]
                found |= {f"{kind}_alone": medians[0], f"{kind}_beside": medians[1]}
            return found | _at_rest(worlds[1])
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


def _receive(world: World, items: list[DeliveryToSend], foreign: int) -> None:
    some: list[Arrival] = [receipt(world.link, f"m{item.seq}", phone=item.phone) for item in items]
    some += [receipt(world.link, uuid4().hex, phone=FIRST_PHONE + n) for n in range(foreign)]
    applied = world.db.write(world.ledger.apply, some)
    if (applied.changed, applied.quarantined) != (len(items), foreign):
        raise SystemExit("Not every receipt moved its message, or a foreign one did.")


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


def _fill_recent(world: World, recent: int) -> None:
    for number in range(recent):
        world.db.write(_sent_lately, world, 100_000 + number)
    while world.db.read(world.ledger.to_note):
        world.db.write(world.ledger.note_last)


def _sent_lately(connection: Connection, world: World, campaign: int) -> None:
    ended = clock.now_ms() - 2 * clock.DAY_MS
    _open(connection, world, campaign, ended)
    key = {"campaign_id": campaign, "batch_id": campaign, "run_id": campaign, "link_id": world.link.id}
    sent = {"submitted_at": ended, "state": int(DeliveryState.SUBMITTED)}
    rows = [key | sent | {"seq": n, "phone": FIRST_PHONE + n} for n in range(_OF_RECENT)]
    connection.execute(insert(deliveries), rows)
    link = (world.link.id, world.link.group_id, int(ResultKind.ACCEPTED))
    answers = [(campaign, campaign, n, 1, 0, ended, *link, uuid4().hex, "", None) for n in range(_OF_RECENT)]
    world.ledger.engine.add_missing(connection, submissions, SUBMISSION, answers)


def _campaign(connection: Connection, world: World, number: int, past: int) -> None:
    _open(connection, world, 1000 + number, clock.now_ms() - 365 * clock.DAY_MS * (number + 1) // past)


def _open(connection: Connection, world: World, campaign: int, ended: int) -> None:
    made = {"id": campaign, "created_at": ended}
    texts = {
        "name": "x",
        "purpose": "tuyen_truyen",
        "sender": "CA",
        "texts": {"": "x"},
        "created_by": "bench",
    }
    hours = {"day_starts": "00:00", "day_ends": "24:00", "state": CampaignState.APPROVED.value}
    connection.execute(insert(campaigns).values(made | texts | hours))
    run = {"campaign_id": campaign, "carrier": "viettel", "state": RunState.SENT.value}
    connection.execute(insert(runs).values(made | run | {"started_at": ended, "ended_at": ended}))
    world.ledger.open_campaign(connection, campaign)


def _tallies(connection: Connection, campaign: int, keys: int) -> None:
    key = {"campaign_id": campaign, "run_id": campaign, "batch_id": campaign, "reason": 0}
    rows = [
        key | {"area": f"{n // 3:05d}", "state": int(_STATES[n % 3]), "n": 5, "segments": 5}
        for n in range(keys)
    ]
    connection.execute(insert(tallies), rows)
