"""What has to be true when a simulation has come to rest: carrier and ledger, number by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection, func, select, union_all

from app.core.phone import mask
from app.core.states import DeliveryState
from app.database.models import budgets, deliveries, faults, quarantine, receipts
from app.ledger import money
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import examine
from tests.simulate.start import CHUNK, LEFT_OUT, LIMITED, PARTS
from tests.simulate.world import World, which_text

_TAKEN = {
    DeliveryState.SUBMITTED,
    DeliveryState.RELAYED,
    DeliveryState.DELIVERED,
    DeliveryState.UNDELIVERED,
    DeliveryState.EXPIRED,
}
# What a centre does that makes it put off one part of a message and take the other.
_PUT_OFF = {"queue is full", "throttles", "takes little a second"}


def broken(world: World) -> list[str]:
    """Return a sentence for each promise that is broken."""
    return [
        *world.broken,
        *_faults(world),
        *_copies(world),
        *_receipts(world),
        *_budget(world),
        *_recounted(world),
    ]


def _faults(world: World) -> Iterator[str]:
    """A fault that nobody foresaw is one, even if nothing came of it."""
    for problem in world.loop.problems:
        error = problem.get("exception")
        if error is None:  # a task that was collected: of a program that was killed
            continue
        yield f"a callback failed: {problem['message']} {type(error).__name__}: {error}"
    for source, subject, reason in world.desk.read(_noted):
        yield f"the worker met a fault that nobody foresaw: {source} {subject}: {reason}"


def _noted(c: Connection) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in c.execute(select(faults.c.source, faults.c.subject, faults.c.reason))]


def _copies(world: World) -> Iterator[str]:
    """Taken by the centre, and what the ledger has of it: accepted <= taken <= accepted + unknown."""
    took: Counter[tuple[int, int]] = Counter()
    for (phone, text), _ in world.taken.items():
        took[which_text(text) + 1, phone] += 1
    rows = world.desk.read(_states)
    # A receipt for a number with an id that no answer had is taken for that of a message whose answer was
    # lost: nobody could tell them apart.
    kinds = {each.kind for each in world.script.events}
    foreign, refused, put_off = (
        "reports foreign ids" in kinds,
        "refuses some" in kinds,
        bool(kinds & _PUT_OFF),
    )
    for (campaign, phone), state in rows.items():
        has = took.pop((campaign, phone), 0)
        said = f"{mask(phone)} of campaign {campaign} is {DeliveryState(state).name}"
        # Where one part was refused, the others are on their way. Where one was put off for longer than a
        # part is tried again, what came of the message is no message, and is not called delivered.
        incomplete = refused or (put_off and state == DeliveryState.UNDELIVERED)
        least = 1 if incomplete else PARTS[campaign - 1]
        if state in _TAKEN and has < least and not foreign:
            yield f"{said}, and the centre took {has} of {PARTS[campaign - 1]} parts"
        unsent = state in (DeliveryState.QUEUED, DeliveryState.NOT_SENT)
        if unsent and has == PARTS[campaign - 1]:
            yield f"{said}, and the centre has taken all its parts"
        waits = campaign == LIMITED - 1 or world.waits_for_another(campaign, phone)
        if state == DeliveryState.QUEUED and not waits:
            yield f"{said} at the end"
        if phone == LEFT_OUT and has:
            yield f"{said}, who had asked for no messages, and got {has} parts"
    if took:
        yield f"the centre took messages that no delivery has: {dict(took)}"


def _states(c: Connection) -> dict[tuple[int, int], int]:
    """Return each message's state."""
    d = deliveries.c
    rows = c.execute(select(d.campaign_id, d.phone, d.state))
    return {(row.campaign_id, row.phone): row.state for row in rows}


def _budget(world: World) -> Iterator[str]:
    """What is spent of the budget is what was sent, or perhaps sent: no more, and no less."""
    spent, sent = world.desk.read(_spent)
    if spent != sent:
        yield f"{spent} parts of the budget are spent, and {sent} were sent or are unknown"


def _spent(c: Connection) -> tuple[int, int]:
    d = deliveries.c
    sent = select(func.coalesce(func.sum(d.segments), 0)).where(d.campaign_id == 3, d.state.in_(money.BILLED))
    return c.execute(select(budgets.c.segments)).scalar_one(), c.execute(sent).scalar_one()


def _receipts(world: World) -> Iterator[str]:
    """Every receipt that was acknowledged is a row, of its message or in quarantine."""
    kept = world.desk.read(_reported)
    told: Counter[int] = Counter()
    for centre in world.centres:
        for phone, ids in centre.acknowledged():
            told[phone] += ids
    for phone, ids in told.items():
        if kept.get(phone, 0) < ids:
            yield f"of {ids} acknowledged receipts for {mask(phone)}, {kept.get(phone, 0)} are kept"


def _reported(c: Connection) -> dict[int, int]:
    r, q, d = receipts.c, quarantine.c, deliveries.c
    own = (d.campaign_id == r.campaign_id) & (d.batch_id == r.batch_id) & (d.seq == r.seq)
    every = union_all(
        select(d.phone, r.reference, r.link_id).join(receipts, own), select(q.phone, q.reference, q.link_id)
    ).subquery()
    distinct = select(every.c.phone, every.c.reference, every.c.link_id).distinct().subquery()
    counted = select(distinct.c.phone, func.count()).group_by(distinct.c.phone)
    return {int(phone): int(n) for phone, n in c.execute(counted)}


def _recounted(world: World) -> Iterator[str]:
    """`loa verify`: tallies are what the rows make, and rows what the journal makes of them."""
    world.desk.write(ledger_for(world.desk, CHUNK).fold_tallies)
    for difference in examine(world.desk, ledger_for(world.desk, CHUNK)).differences:
        yield f"loa verify: {difference.sentence}"


def unknown(c: Connection) -> int:
    """Count what is unknown at the end."""
    return c.execute(select(func.count()).where(deliveries.c.state == DeliveryState.UNKNOWN)).scalar_one()
