"""The receipt log: matched receipts and quarantined ones, as received, numbers masked."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from sqlalchemy import Connection

from app.api.dependencies import Routes
from app.receipts import receipt_log
from app.receipts.receipt_log import Before, QuarantineReason
from app.web import query_params
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


@router.get("/receipts")
async def page_receipts(visit: Visit, link: str = "", kind: str = "", before: str = "") -> Response:
    """List receipts of one link or all, newest first; invalid parameters are ignored."""
    quarantined = kind == "quarantine"

    def work(connection: Connection) -> dict[str, Any]:
        known = receipt_log.links_of(connection, visit.who.carrier)
        chosen = {number: row for number, row in known.items() if number == query_params.number(link)}
        asked = {
            "link": query_params.number(link) if chosen else 0,
            "kind": "quarantine" if quarantined else "",
        }
        part = _waiting if quarantined else _matched
        found, following = part(connection, chosen or known, before)
        waiting = receipt_log.how_many_wait(connection, known)
        return {"links": known, "asked": asked, "found": found, "next": following, "waiting": waiting}

    found = await visit.db.aread(work)
    days = visit.settings.retention_days
    return render(
        visit, "receipts.html", quarantined=quarantined, fates=delivery_labels, why=WHY, days=days, **found
    )


def _matched(
    connection: Connection, of: receipt_log.Names, before: str
) -> tuple[list[receipt_log.Matched], str]:
    at, _, skip = before.partition("-")
    place = Before(_number(at) or receipt_log.LATEST, query_params.number(skip))
    found, following = receipt_log.matched(connection, of, place, ON_A_PAGE)
    return found, f"{following.at}-{following.skip}" if following else ""


def _waiting(
    connection: Connection, of: receipt_log.Names, before: str
) -> tuple[list[receipt_log.QuarantinedReceipt], str]:
    found, following = receipt_log.waiting(connection, of, _number(before) or receipt_log.LATEST, ON_A_PAGE)
    return found, str(following or "")


def _number(said: str) -> int:
    """Parse a number that may exceed an id; 0 for anything else."""
    return min(int(said), receipt_log.LATEST) if said.isascii() and said.isdecimal() and len(said) < 17 else 0
