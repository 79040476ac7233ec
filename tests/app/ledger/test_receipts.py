"""Receipts on both engines: early, late, twice, in any order, for nobody, and for the unknown."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import deliveries, quarantine, receipts, submissions, unknowns
from app.ledger.contract import Arrival, DeliveryKey, Reservation, SubmitOutcome
from carriers.contract import (
    Accepted,
    Partial,
    Reason,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    Unknown,
)
from tests.app.world import FIRST_PHONE, World, accepted, build, receipt

GOOD, BAD, GONE = ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED, ReceiptStatus.EXPIRED
ON_ITS_WAY = ReceiptStatus.IN_TRANSIT


def sent(db: Database, count: int = 10) -> World:
    """A world whose deliveries were all taken, with references m2, m3 ..."""
    world = build(db, count, chunk=max(count, 10))
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    return world


def parts(db: Database, refs: tuple[str | None, ...], **more: object) -> World:
    """A world with one delivery of several parts."""
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    result = Partial(refs, **more) if more else Accepted(refs)  # type: ignore[arg-type]
    db.write(world.ledger.record, world.link, lease, [SubmitOutcome(lease.items[0], result)], None, 30.0)
    return world


def count(db: Database, table: object) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


def look_again(world: World, times: int = 2) -> None:
    """Let every quarantined receipt fall due, as often as said."""
    for _ in range(times):
        world.db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
        world.db.write(world.ledger.rematch, 1000)


def test_each_receipt_moves_its_own_delivery(db: Database) -> None:
    world = sent(db)
    arrivals = [receipt(world.link, "m2"), receipt(world.link, "m3", BAD), receipt(world.link, "m4", GONE)]
    applied = db.write(world.ledger.apply, arrivals)
    assert (applied.matched, applied.changed, applied.quarantined) == (3, 3, 0)
    assert [world.delivery(seq)["state"] for seq in (2, 3, 4, 5)] == [
        DeliveryState.DELIVERED,
        DeliveryState.UNDELIVERED,
        DeliveryState.EXPIRED,
        DeliveryState.SUBMITTED,
    ]
    assert len(applied.latencies) == 3
    world.check()


def test_an_operators_receipt_is_never_the_handsets(db: Database) -> None:
    world = sent(db)
    db.write(world.ledger.apply, [receipt(world.link, "m2", level=ReceiptLevel.OPERATOR)])
    assert world.delivery(2)["state"] == DeliveryState.RELAYED
    db.write(world.ledger.apply, [receipt(world.link, "m2")])
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    world.check()


def test_a_repeated_receipt_is_kept_and_changes_nothing(db: Database) -> None:
    world = sent(db)
    arrivals = [receipt(world.link, "m2"), receipt(world.link, "m2")]
    assert db.write(world.ledger.apply, arrivals).repeated == 1
    assert db.write(world.ledger.apply, arrivals).repeated == 2
    assert world.tallied() == {int(DeliveryState.SUBMITTED): 9, int(DeliveryState.DELIVERED): 1}
    assert count(db, receipts) == 4
    world.check()


def test_an_early_receipt_waits_and_is_matched_when_its_reference_is_recorded(db: Database) -> None:
    world = build(db, 10)
    world.fan_out()
    lease = world.claim()
    assert lease
    early = [receipt(world.link, f"m{item.seq}") for item in lease.items]
    assert db.write(world.ledger.apply, early).quarantined == 10
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    assert world.states() == {int(DeliveryState.DELIVERED): 10} == world.tallied()
    assert count(db, quarantine) == 0
    world.check()


def test_a_receipt_that_raced_the_record_is_found_by_the_sweep(db: Database) -> None:
    world = sent(db)
    db.write(lambda c: c.execute(update(submissions).where(submissions.c.seq == 2).values(reference="late")))
    assert db.write(world.ledger.apply, [receipt(world.link, "m2")]).quarantined == 1
    db.write(lambda c: c.execute(update(submissions).where(submissions.c.seq == 2).values(reference="m2")))
    assert db.write(world.ledger.rematch, 100).matched == 0  # not due yet
    look_again(world, times=1)
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    assert count(db, quarantine) == 0


@pytest.mark.longer
def test_a_receipt_for_nobody_is_kept_and_asked_for_less_and_less_often(db: Database) -> None:
    world = sent(db)
    db.write(world.ledger.apply, [receipt(world.link, "foreign"), receipt(world.link, None)])
    look_again(world, times=5)
    rows = db.read(lambda c: c.execute(select(quarantine)).all())
    assert len(rows) == 2
    assert all(row.tries == 5 and row.try_at > clock.now_ms() + 10_000 for row in rows)
    assert world.states() == {int(DeliveryState.SUBMITTED): 10}


def test_equal_references_of_two_carriers_do_not_meet(db: Database) -> None:
    world = sent(db)
    other = world.link.__class__(9, "vnpt-1", "vnpt", 9)
    assert db.write(world.ledger.apply, [receipt(other, "m2")]).quarantined == 1
    assert world.delivery(2)["state"] == DeliveryState.SUBMITTED


def test_a_reused_reference_belongs_to_the_phone_it_names(db: Database) -> None:
    world = sent(db)
    db.write(lambda c: c.execute(update(submissions).where(submissions.c.seq == 3).values(reference="m2")))
    db.write(world.ledger.apply, [receipt(world.link, "m2", phone=FIRST_PHONE + 1)])
    assert world.delivery(2)["state"] == DeliveryState.SUBMITTED
    assert world.delivery(3)["state"] == DeliveryState.DELIVERED
    assert db.write(world.ledger.apply, [receipt(world.link, "m2", phone=FIRST_PHONE + 7)]).quarantined == 1


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({0: GOOD, 1: GOOD, 2: GOOD}, DeliveryState.DELIVERED),
        ({0: GOOD, 1: BAD, 2: GOOD}, DeliveryState.UNDELIVERED),
        ({0: GOOD, 1: GONE, 2: GOOD}, DeliveryState.EXPIRED),
        ({0: BAD, 1: GOOD}, DeliveryState.SUBMITTED),
        ({2: GOOD}, DeliveryState.SUBMITTED),
        ({0: ON_ITS_WAY, 1: GOOD, 2: GOOD}, DeliveryState.SUBMITTED),
    ],
)
def test_a_long_message_is_delivered_only_when_all_its_parts_are(
    db: Database, said: dict[int, ReceiptStatus], state: DeliveryState
) -> None:
    world = parts(db, ("a", "b", "c"))
    order = list(said.items())
    random.Random(4).shuffle(order)
    for part, status in order:
        db.write(world.ledger.apply, [receipt(world.link, "abc"[part], status)])
    assert world.delivery(2)["state"] == state
    world.check()


def test_a_message_with_a_refused_part_is_never_delivered(db: Database) -> None:
    world = parts(db, ("a", None), refused=(1,), code="0x65", reason=Reason.FILTERED)
    assert world.delivery(2)["state"] == DeliveryState.SUBMITTED
    db.write(world.ledger.apply, [receipt(world.link, "a")])
    row = world.delivery(2)
    assert (row["state"], row["reason"]) == (DeliveryState.UNDELIVERED, Reason.FILTERED)
    world.check()


@pytest.mark.longer
def test_a_correction_after_delivery_is_kept_and_takes_nothing_back(db: Database) -> None:
    world = sent(db)
    for status in (GOOD, BAD, ON_ITS_WAY):
        db.write(world.ledger.apply, [receipt(world.link, "m2", status)])
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    assert count(db, receipts) == 3
    world.check()


def lost(db: Database, parts_: int = 1, refs: tuple[str | None, ...] = ()) -> World:
    """A world of ten, whose first delivery's answer was lost."""
    world = build(db, 10)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(lease.items[0], Unknown("no answer in 15 s", refs or (None,) * parts_))]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    return world


def test_a_receipt_with_a_reference_we_never_saw_settles_the_unknown_of_its_phone(db: Database) -> None:
    world = lost(db)
    db.write(world.ledger.apply, [receipt(world.link, "x1", phone=FIRST_PHONE)])
    look_again(world)
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    assert count(db, unknowns) == count(db, quarantine) == 0
    assert db.write(world.ledger.apply, [receipt(world.link, "x1", phone=FIRST_PHONE)]).repeated == 1
    world.check()


def test_a_receipt_that_is_only_on_its_way_shows_that_an_unknown_was_taken(db: Database) -> None:
    world = lost(db)
    db.write(world.ledger.apply, [receipt(world.link, "x1", ON_ITS_WAY, phone=FIRST_PHONE)])
    look_again(world)
    assert world.delivery(2)["state"] == DeliveryState.SUBMITTED
    assert count(db, unknowns) == 0
    world.check()


def test_all_parts_of_an_unknown_long_message_are_settled_one_by_one(db: Database) -> None:
    world = lost(db, refs=("a", None, None))
    arrivals = [receipt(world.link, reference, phone=FIRST_PHONE) for reference in ("a", "y", "z")]
    db.write(world.ledger.apply, arrivals)
    look_again(world, times=3)
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    assert count(db, unknowns) == 0
    world.check()


def test_a_phone_with_two_unknowns_is_left_to_a_person(db: Database) -> None:
    world = lost(db)
    row = db.read(lambda c: c.execute(select(unknowns)).one())._mapping
    db.write(lambda c: c.execute(unknowns.insert().values(**{**row, "campaign_id": 99})))
    db.write(world.ledger.apply, [receipt(world.link, "x1", phone=FIRST_PHONE)])
    look_again(world, times=4)
    assert world.delivery(2)["state"] == DeliveryState.UNKNOWN
    assert count(db, quarantine) == 1


@pytest.mark.longer
def test_a_receipt_of_another_link_settles_nothing(db: Database) -> None:
    world = lost(db)
    other = world.link.__class__(9, "vnpt-1", "vnpt", 9)
    db.write(world.ledger.apply, [receipt(other, "x1", phone=FIRST_PHONE)])
    look_again(world)
    assert world.delivery(2)["state"] == DeliveryState.UNKNOWN


@pytest.mark.longer
def test_a_receipt_that_came_before_the_crash_was_noticed_still_settles(db: Database) -> None:
    world = build(db, 20)
    world.fan_out()
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(11, 10), -1.0)
    db.write(world.ledger.apply, [receipt(world.link, "x1", phone=FIRST_PHONE)])
    look_again(world, times=3)
    assert count(db, quarantine) == 1
    assert world.claim("heir")
    db.write(world.ledger.rematch, 100)  # due at once, since an unknown of its phone appeared
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    world.check()


@pytest.mark.longer
def test_a_written_off_unknown_stays_unknown_and_a_receipt_still_settles_it(db: Database) -> None:
    world = lost(db)
    key = DeliveryKey(world.campaign, world.batch, 2)
    assert db.write(world.ledger.write_off, [key], "an officer") == 1
    assert db.write(world.ledger.write_off, [key], "an officer") == 0
    row = world.delivery(2)
    assert (row["state"], row["reason"]) == (DeliveryState.UNKNOWN, NotSent.WRITTEN_OFF)
    world.check()
    db.write(world.ledger.apply, [receipt(world.link, "x1", phone=FIRST_PHONE)])
    look_again(world)
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    world.check()


def test_a_rejected_message_needs_no_receipt(db: Database) -> None:
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Rejected("0x0B", Reason.NO_SUCH_NUMBER)) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    row = world.delivery(2)
    assert (row["state"], row["reason"]) == (DeliveryState.REJECTED, Reason.NO_SUCH_NUMBER)
    world.check()


def _expected(statuses: list[ReceiptStatus]) -> DeliveryState:
    if all(status is GOOD for status in statuses):
        return DeliveryState.DELIVERED
    failed = [status for status in statuses if status is not GOOD]
    return DeliveryState.UNDELIVERED if BAD in failed else DeliveryState.EXPIRED


@pytest.mark.longer
def test_two_appliers_at_once_in_random_order_with_duplicates_end_in_the_right_states(db: Database) -> None:
    """Final states are compared, not only counts: a wrong multi-part rule can leave the counts right."""
    dice = random.Random(11)
    world = build(db, 400, chunk=400)
    world.fan_out()
    lease = world.claim()
    assert lease
    size = {item.seq: dice.randint(1, 4) for item in lease.items}
    outcomes = [
        SubmitOutcome(item, Accepted(tuple(f"{item.seq}.{part}" for part in range(size[item.seq]))))
        for item in lease.items
    ]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    truth = {seq: [dice.choice([GOOD, GOOD, GOOD, BAD, GONE]) for _ in range(n)] for seq, n in size.items()}
    reasons = {GOOD: Reason.NONE, BAD: Reason.NO_SUCH_NUMBER, GONE: Reason.EXPIRED}
    arrivals: list[Arrival] = [
        receipt(world.link, f"{seq}.{part}", status, reason=reasons[status])
        for seq, statuses in truth.items()
        for part, status in enumerate(statuses)
    ]
    arrivals += dice.sample(arrivals, len(arrivals) // 10)
    arrivals += [receipt(world.link, f"foreign{n}") for n in range(50)]
    dice.shuffle(arrivals)
    groups = [arrivals[start : start + 50] for start in range(0, len(arrivals), 50)]

    def apply(group: list[Arrival]) -> None:
        db.write(world.ledger.apply, group)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(apply, groups))
    query = select(deliveries.c.seq, deliveries.c.state)
    found = dict(db.read(lambda c: [tuple(row) for row in c.execute(query)]))
    assert found == {seq: int(_expected(statuses)) for seq, statuses in truth.items()}
    assert count(db, quarantine) == 50
    assert count(db, receipts) == len(arrivals) - 50
    world.check()


@pytest.mark.longer
def test_folding_the_tallies_changes_no_sum(db: Database) -> None:
    world = sent(db, 100)
    for seq in range(2, 60):
        db.write(world.ledger.apply, [receipt(world.link, f"m{seq}")])
        if seq % 20 == 0:
            db.write(world.ledger.fold_tallies)
    before = world.tallied()
    db.write(world.ledger.fold_tallies)
    assert world.tallied() == before
    from app.database.models import tallies

    assert count(db, tallies) == 6  # submitted and delivered in each of two areas and in none
    world.check()
