"""The receipt log: matched receipts and quarantined ones, as received, numbers masked."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Routes
from app.database.listing import ListPart, ListRequest
from app.receipts import receipt_log
from app.receipts.receipt_log import Before, QuarantineReason
from app.web import display_names, query_params
from app.web.forms.list_export import Column, ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render
from app.web.translations import Said, say
from app.web.view_models import delivery_labels

router = Routes(include_in_schema=False)
ON_A_PAGE = 50

WHY: dict[QuarantineReason, Said] = {
    QuarantineReason.NO_SUCH_REFERENCE: say(
        "No submission has this reference, and no message to this number waits without one."
    ),
    QuarantineReason.SEVERAL_HAVE_IT: say(
        "The carrier gave this reference to several messages, and it names no number: nobody knows which is "
        "meant."
    ),
    QuarantineReason.NO_MESSAGE: say(
        "It names no reference, and no message went to this number over these links lately, or several did."
    ),
    QuarantineReason.NOTHING_NAMED: say("It names neither a reference nor a number."),
}


_RECEIPT: dict[Said, Column] = {
    say("Came at"): "receipt.received_at",
    say("Link"): "receipt.link",
    say("Carrier"): lambda each, _: display_names.network(each.receipt.carrier),
    say("What it says"): lambda each, speaker: speaker.say(delivery_labels.RECEIPTS[each.receipt.status]),
    say("Reason"): lambda each, speaker: speaker.say(delivery_labels.REASONS.get(each.receipt.reason, "")),
    say("Level"): lambda each, speaker: speaker.say(delivery_labels.LEVELS[each.receipt.level]),
    say("Carrier's code"): "receipt.code",
    say("Reference"): "receipt.reference",
    say("Telephone"): "receipt.phone",
    say("Carrier's own time"): "receipt.done_at",
}
MATCHED = ListFile(
    "receipts",
    _RECEIPT
    | {
        say("Campaign"): "campaign_id",
        say("Batch"): "batch_id",
        say("Line"): "line",
    },
)
WAITING = ListFile(
    "quarantine",
    _RECEIPT
    | {
        say("Why it waits"): lambda each, speaker: speaker.say(WHY[each.why]),
        say("Next look"): "try_at",
        say("As it came"): "receipt.raw",
    },
)


@router.get("/receipts")
async def page_receipts(
    visit: Visit, query: Annotated[ListQuery, Depends()], link: str = "", kind: str = ""
) -> Response:
    """List receipts of one link or all, newest first; invalid parameters are ignored."""
    quarantined = kind == "quarantine"

    def links(connection: Connection) -> tuple[receipt_log.Names, receipt_log.Names]:
        known = receipt_log.links_of(connection, visit.who.carrier)
        return known, {number: row for number, row in known.items() if number == query_params.number(link)}

    def work(connection: Connection) -> tuple[dict[str, Any], ListPart[Any], dict[str, str]]:
        known, chosen = links(connection)
        asked = {"link": link if chosen else "", "kind": "quarantine" if quarantined else ""}
        values = {"links": known, "waiting": receipt_log.how_many_wait(connection, known)}
        return values, part(connection, query.request(), ON_A_PAGE, chosen or known), asked

    part = _waiting if quarantined else _matched
    if wants_file(query):
        known, chosen = await visit.db.aread(links)
        file = WAITING if quarantined else MATCHED
        return list_file(visit, file, query.request(), partial(part, of=chosen or known))
    values, found, asked = await visit.db.aread(work)
    values |= {"why": WHY, "days": visit.settings.retention_days, "labels": delivery_labels}
    shown = list_view(visit, query, found, asked)
    return render(visit, "receipts.html", quarantined=quarantined, list=shown, **values)


def _matched(connection: Connection, asked: ListRequest, limit: int, of: receipt_log.Names) -> ListPart[Any]:
    at, _, skip = asked.after.partition("-")
    last = _last(asked)
    place = Before(min(_number(at) or last, last), query_params.number(skip))
    found, following = receipt_log.matched(connection, of, place, limit, asked.since_ms)
    total = receipt_log.how_many(connection, of, asked.since_ms, last)
    return ListPart(found, total, f"{following.at}-{following.skip}" if following else "")


def _waiting(connection: Connection, asked: ListRequest, limit: int, of: receipt_log.Names) -> ListPart[Any]:
    times, below = (asked.since_ms, _last(asked)), _number(asked.after) or receipt_log.LATEST
    found, following = receipt_log.waiting(connection, of, below, limit, times)
    return ListPart(found, receipt_log.how_many_wait(connection, of, times), str(following or ""))


def _last(asked: ListRequest) -> int:
    """Return the last ms that is wanted."""
    return asked.until_ms - 1 if asked.until_ms else receipt_log.LATEST


def _number(said: str) -> int:
    """Parse a number that may exceed an id; 0 for anything else."""
    return min(int(said), receipt_log.LATEST) if said.isascii() and said.isdecimal() and len(said) < 17 else 0
