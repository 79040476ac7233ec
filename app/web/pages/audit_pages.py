"""The audit page: filtered entries, verification of the hash chain, export as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

from app.api.dependencies import Routes
from app.database.connection import Database
from app.security import audit
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render
from app.web.translations import Speaker, say
from app.web.view_models import audit_sentences

router = Routes(include_in_schema=False)

_PIECE, _EXPORTED = 50, 1000
Begin = Annotated[str, Query(max_length=120)]


class Asked(BaseModel):
    """The list's own filters."""

    who: Begin = ""
    action: Begin = ""
    subject: Begin = ""

    def wanted(self) -> audit.AuditFilter:
        said = self.said()
        return audit.AuditFilter(said["who"], said["action"], said["subject"])

    def said(self) -> dict[str, str]:
        return {name: value.strip().replace("\x00", "") for name, value in self.model_dump().items()}


def _happened(act: audit.Act, speaker: Speaker) -> str:
    said, name, _ = audit_sentences.subject_of(act)
    subject = speaker.say(said, name=name).unescape() if said else name
    sentence = audit_sentences.sentence_of(act.action)
    return speaker.say(sentence, subject=subject).unescape() if sentence else f"{act.action} {subject}"


FILE = ListFile(
    "audit",
    {
        say("No."): "id",
        say("When"): "at",
        say("By whom"): "who",
        say("What happened"): _happened,
        say("Act"): "action",
        say("On what"): "subject",
        say("As it is kept"): lambda act, _: _with_detail(act)[1],
        say("From where"): "origin",
        say("Hash"): "hash",
    },
)


@router.get("/audit")
def page_audit(
    visit: Visit, own: Annotated[Asked, Depends()], query: Annotated[ListQuery, Depends()]
) -> Response:
    said = own.said()
    if wants_file(query):
        return list_file(visit, FILE, query.request(["at"]), partial(audit.listed, wanted=own.wanted()))
    found = visit.db.read(audit.listed, query.request(["at"]), _PIECE, own.wanted())
    shown = list_view(visit, query, found.of(_with_detail), said)
    return render(visit, "audit.html", list=shown, sentences=audit_sentences)


def _with_detail(act: audit.Act) -> tuple[audit.Act, str]:
    return act, json.dumps(act.detail, ensure_ascii=False) if act.detail else ""


@router.get("/audit/verification")
def page_audit_verification(visit: Visit) -> Response:
    """Recompute and verify the whole chain."""
    return render(visit, "chain.html", chain=visit.db.read(audit.verify, audit.kept(visit.settings)))


@router.get("/audit/acts.jsonl")
def page_audit_export(
    visit: Visit, own: Annotated[Asked, Depends()], query: Annotated[ListQuery, Depends()]
) -> StreamingResponse:
    """Export the list's entries, every one without a filter, oldest first, for archiving elsewhere."""
    days = query.request()
    wanted = replace(own.wanted(), since_ms=days.since_ms, until_ms=days.until_ms)
    headers = {"Content-Disposition": 'attachment; filename="loa-audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(visit.db, wanted), media_type="application/x-ndjson", headers=headers)


def _lines(db: Database, wanted: audit.AuditFilter) -> Iterator[bytes]:
    after = 0
    while piece := db.read(audit.acts, after, _EXPORTED, wanted):
        yield b"".join(to_json(act) + b"\n" for act in piece)
        after = piece[-1].id
