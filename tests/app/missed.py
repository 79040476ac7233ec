"""A run that still sends, whose people were missed in every way there is."""

from __future__ import annotations

from collections.abc import Callable

from app.core import clock
from app.database.connection import Database
from app.ledger.contract import Arrival, DeliveryToSend, SubmitOutcome
from carriers.contract import (
    Accepted,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.app.world import FIRST_PHONE, World, build

PEOPLE = 20
REFUSED: dict[int, SubmitResult] = {
    **dict.fromkeys((0, 1, 2), Rejected("TEMPLATE", Reason.FILTERED)),
    **dict.fromkeys((3, 4), Rejected("ALIAS", Reason.FILTERED)),
    5: Rejected("10", Reason.NO_SUCH_NUMBER),
    6: Rejected("DUPLICATE MESSAGE", Reason.OTHER),
    **dict.fromkeys((7, 8, 9), Unknown("the answer was lost")),
}
FAILED = {
    10: (ReceiptStatus.UNDELIVERED, Reason.HANDSET, "21"),
    11: (ReceiptStatus.UNDELIVERED, Reason.BARRED, "13"),
    12: (ReceiptStatus.EXPIRED, Reason.EXPIRED, "27"),
    13: (ReceiptStatus.EXPIRED, Reason.EXPIRED, "27"),
    14: (ReceiptStatus.DELIVERED, Reason.NONE, "000"),
}
# The rest were accepted, and wait for their receipts.


def answered(world: World, answer: Callable[[int, DeliveryToSend], SubmitResult]) -> None:
    """Let a carrier answer a chunk; the nth of its messages by `answer`."""
    lease = world.claim()
    assert lease is not None
    outcomes = [SubmitOutcome(item, answer(nth, item)) for nth, item in enumerate(lease.items)]
    world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)


def missed(db: Database, people: int = PEOPLE) -> World:
    """The run, with 20 people or a multiple: 15 % filtered by template, 10 % by alias, 15 % unknown, ..."""
    world = build(db, people, chunk=max(100, people))
    world.rewrite(day_starts="07:00", day_ends="22:00")
    world.fan_out()
    answered(world, lambda nth, _: REFUSED.get(nth % PEOPLE, Accepted((f"m{nth}",))))
    arrivals = [
        Arrival(
            world.link,
            Receipt(
                f"m{nth}",
                f"{FIRST_PHONE + nth}",
                status,
                ReceiptLevel.HANDSET,
                reason,
                code,
                clock.now(),
                "r",
            ),
        )
        for nth in range(people)
        for status, reason, code in [FAILED.get(nth % PEOPLE, (None, Reason.NONE, ""))]
        if status is not None
    ]
    db.write(world.ledger.apply, arrivals)
    return world
