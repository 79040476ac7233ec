"""The audit page: filtered entries, verification of the hash chain, export as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

from app.api.dependencies import Routes
from app.core import clock
from app.core.ids import LARGEST, Exact
from app.database.connection import Database
from app.security import audit
from app.web.forms import read_fields
from app.web.rendering import Visit, render
from app.web.view_models import audit_sentences

router = Routes(include_in_schema=False)

_PIECE, _EXPORTED = 50, 1000
Begin = Annotated[str, Query(max_length=120)]


class Asked(BaseModel):
    """Filters of the list; days that are none are ignored."""

    who: Begin = ""
    action: Begin = ""
    subject: Begin = ""
    since: Begin = ""
    until: Begin = ""


@router.get("/audit")
def page_audit(
    visit: Visit,
    asked: Annotated[Asked, Depends()],
    before: Annotated[int, Query(ge=0, le=LARGEST), Exact] = 0,
) -> Response:
    said = {name: value.strip().replace("\x00", "") for name, value in asked.model_dump().items()}
    ends = {"since_ms": _midnight(said["since"], 0), "until_ms": _midnight(said["until"], 1)}
    wanted = audit.AuditFilter(said["who"], said["action"], said["subject"], **ends)
    found = visit.db.read(audit.newest, before, _PIECE, wanted)
    return render(
        visit,
        "audit.html",
        acts=[(act, json.dumps(act.detail, ensure_ascii=False) if act.detail else "") for act in found],
        asked=said,
        sentences=audit_sentences,
        following=found[-1].id if len(found) == _PIECE else None,
    )


def _midnight(day: str, later: int) -> int:
    """Return when a day of Viet Nam begins, some days later; 0 for what is no day."""
    try:
        return clock.to_ms(
            clock.midnight(date.fromisoformat(read_fields.iso_day(day)) + timedelta(days=later))
        )
    except (ValueError, OverflowError):
        return 0


@router.get("/audit/verification")
def page_audit_verification(visit: Visit) -> Response:
    """Recompute and verify the whole chain."""
    return render(visit, "chain.html", chain=visit.db.read(audit.verify, audit.kept(visit.settings)))


@router.get("/audit/acts.jsonl")
def page_audit_export(visit: Visit) -> StreamingResponse:
    """Export every entry, oldest first, for archiving elsewhere."""
    headers = {"Content-Disposition": 'attachment; filename="loa-audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(visit.db), media_type="application/x-ndjson", headers=headers)


def _lines(db: Database) -> Iterator[bytes]:
    after = 0
    while piece := db.read(audit.acts, after, _EXPORTED):
        yield b"".join(to_json(act) + b"\n" for act in piece)
        after = piece[-1].id
