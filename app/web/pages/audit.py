"""The audit page: filtered entries, verification of the hash chain, export as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from app.api.dependencies import Routes
from app.core.ids import LARGEST, Exact
from app.database.connection import Database
from app.security import audit
from app.web.rendering import Visit, render

router = Routes(include_in_schema=False)

_PIECE, _EXPORTED = 50, 1000
Begin = Annotated[str, Query(max_length=120)]


@router.get("/audit")
def page_audit(
    visit: Visit,
    who: Begin = "",
    action: Begin = "",
    subject: Begin = "",
    before: Annotated[int, Query(ge=0, le=LARGEST), Exact] = 0,
) -> Response:
    said = [each.strip().replace("\x00", "") for each in (who, action, subject)]
    found = visit.db.read(audit.newest, before, _PIECE, audit.AuditFilter(*said))
    return render(
        visit,
        "audit.html",
        acts=[(act, json.dumps(act.detail, ensure_ascii=False) if act.detail else "") for act in found],
        asked=dict(zip(("who", "action", "subject"), said, strict=True)),
        following=found[-1].id if len(found) == _PIECE else None,
    )


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
