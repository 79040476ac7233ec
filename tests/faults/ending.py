"""How a run must end after a fault: every number once, every receipt applied, every figure right."""

from __future__ import annotations

import asyncio

from app.campaigns import approval, lifecycle
from app.core.states import DeliveryState
from app.database.connection import Database
from app.dispatch import unknown_decisions
from app.dispatch.unknown_decisions import UnknownOrder
from app.ledger.ledger import ledger_for
from app.ledger.unreached import Outcome
from app.reports.verification.verify import examine
from app.security import Caller
from carriers.simulators.smsc import Smsc
from tests.app.campaigns.past import follow, start
from tests.app.world import FIRST_PHONE
from tests.faults.processes import Home
from tests.faults.view import View

_OPEN = (DeliveryState.QUEUED, DeliveryState.SUBMITTED)


async def all_delivered(home: Home, smsc: Smsc, count: int, never: int = 0) -> None:
    """All runs finish by themselves, with every number delivered; then Loa is stopped, and all is recounted.

    never: how many stay unknown as well, whom a round has written to instead.
    """
    view = View(home.url)
    await home.until(view.over, "the run is finished")
    seen = smsc.report()
    assert (seen["distinct_numbers"], seen["copies_max"]) == (count, 1)
    assert seen["receipts_outstanding"] == 0
    unknown = {DeliveryState.UNKNOWN: never} if never else {}
    assert view.states() == {DeliveryState.DELIVERED: count} | unknown
    await stopped(home)
    verified(home)


async def settled(home: Home, smsc: Smsc, count: int) -> set[int]:
    """All is sent and reported; the numbers that are unknown are those that the carrier never got."""
    view = View(home.url)
    every = set(range(FIRST_PHONE, FIRST_PHONE + count))

    def as_the_carrier_knows() -> bool:
        return view.tallied(*_OPEN) == 0 and view.listed() == every - set(smsc.numbers())

    await home.until(as_the_carrier_knows, "all is sent, and what the carrier had is settled")
    never = view.listed()
    assert smsc.report()["copies_max"] == 1
    delivered, unknown = (view.phones(state) for state in (DeliveryState.DELIVERED, DeliveryState.UNKNOWN))
    assert (len(delivered), unknown) == (count - len(never), never)
    return never


async def followed_up(home: Home, smsc: Smsc, count: int) -> None:
    """People write to the unknown ones by a round: exactly to those, and all are delivered once."""
    await stopped(home)
    unknown = View(home.url).listed()
    if unknown:
        await asyncio.to_thread(follow_up_unknown, home.url, len(unknown))
    before = smsc.report()["messages"]
    home.sender()
    # Where none was unknown the run is over already: nobody is told to stop who has not quite begun.
    await home.until(smsc.binds, "the link is up")
    await all_delivered(home, smsc, count, len(unknown))
    assert smsc.report()["messages"] - before == len(unknown)


def follow_up_unknown(url: str, copies: int) -> None:
    """Follow up what is unknown of the first campaign, with so many second copies confirmed; write it off."""
    db = Database(url)
    try:
        urgent = {"purpose": "canh_bao_khan"}
        second = follow(db, 1, outcomes=(Outcome.UNKNOWN,), second_copies=copies, changes=urgent)
        db.write(lifecycle.submit, second, "lan")
        chief = Caller("boss", "approver")
        db.write(approval.approve, second, chief, reason="it is a test at any hour", acknowledged=True)
        start(db, second)
        unknown_decisions.write_off(db, ledger_for(db), UnknownOrder(1, "boss", reason="written to again"))
    finally:
        db.close()


async def stopped(home: Home) -> None:
    """SIGTERM to all that runs: they end in order, and leave no claim."""
    for program in home.programs:
        if program.alive():
            assert await program.stop() == 0, program.words()
    assert View(home.url).leases() == 0


def verified(home: Home) -> None:
    """What `loa verify` says, in this process."""
    db = Database(home.url)
    try:
        assert examine(db, ledger_for(db)).differences == ()
    finally:
        db.close()
