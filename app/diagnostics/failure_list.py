"""A carrier's list of failures, read by hand for a day, and told to the ledger where a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from app.core.config import LinkSettings
from app.core.errors import Invalid
from app.diagnostics.links import reading
from app.dispatch.link_store import register
from app.receipts import failure_list
from app.receipts.failure_list import FailureListCounts
from app.receipts.receipt_writer import Inbox
from app.runtime.worker import build, facts
from app.security import audit
from carriers.contract import ListedFailures, Receipt


async def read(name: str, link: LinkSettings, day: date, sender: str) -> Sequence[Receipt]:
    """The carrier's list of failures; Conflict where it can't be read."""
    carrier = build(name, link)
    if not isinstance(carrier, ListedFailures):
        raise Invalid(f"Link {name}: a link of kind {link.kind} has no list of failures.")
    async with reading(carrier):
        return await carrier.failures(day, sender)


async def take_in(
    inbox: Inbox, who: str, name: str, link: LinkSettings, what: tuple[str, date], found: Sequence[Receipt]
) -> FailureListCounts:
    """Tell the ledger of a list (sender ID, day), each entry once; a person's order, so on the record."""
    lane = await inbox.db.awrite(register, facts(name, link, build(name, link)))
    told = await failure_list.tell(inbox, lane, what, found)
    detail = {"sender": what[0], "day": str(what[1]), "new": told.new}
    await inbox.db.awrite(
        lambda c: audit.note(c, who, "failures told to the ledger", f"link {name}", **detail)
    )
    return told
