"""How a run must end after a fault: every number once, every receipt applied, every figure right."""

from __future__ import annotations

from app.core.states import DeliveryState
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import examine
from carriers.simulators.smsc import Smsc
from tests.app.world import FIRST_PHONE
from tests.faults.processes import Home
from tests.faults.view import View

_OPEN = (DeliveryState.QUEUED, DeliveryState.SUBMITTED)


async def all_delivered(home: Home, smsc: Smsc, count: int) -> None:
    """The run finishes by itself, with every number delivered; then Loa is stopped, and all is recounted."""
    view = View(home.url)
    await home.until(view.over, "the run is finished")
    seen = smsc.report()
    assert (seen["distinct_numbers"], seen["copies_max"]) == (count, 1)
    assert seen["receipts_outstanding"] == 0
    assert view.states() == {DeliveryState.DELIVERED: count}
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


async def sent_again(home: Home, smsc: Smsc, count: int) -> None:
    """A person sends the unknown ones again: exactly those, and the run ends with all delivered once."""
    await stopped(home)
    unknown = View(home.url).listed()
    said = await home.command("unknown", "resend", "1", "--all")
    *_progress, said = said.splitlines()  # how far it is goes before
    assert said == f"{len(unknown)} deliveries of run 1 are queued again.", said
    before = smsc.report()["messages"]
    home.sender()
    # Where none was unknown the run is over already: nobody is told to stop who has not quite begun.
    await home.until(smsc.binds, "the link is up")
    await all_delivered(home, smsc, count)
    assert smsc.report()["messages"] - before == len(unknown)


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
