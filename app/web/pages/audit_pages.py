"""The audit page: filtered entries, verification of the hash chain, export as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

from app.api.dependencies import Routes
from app.database.connection import Database
from app.operations import OPERATIONS
from app.security import audit
from app.security.audit import Act
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render
from app.web.translations import Said, Speaker, say

# The sentence after the person's name; {subject} is what it was done to.
SENTENCES: Mapping[str, Said] = {
    "advice.acknowledge": say("confirmed the marked parts of the text of {subject}"),
    "approval.signed": say("re-signed older approvals"),
    "attachment.keep": say("saved {subject}"),
    "audit.algorithm": say("changed the algorithm of the audit's hashes"),
    "audit.sealed": say("sealed older rows of the audit"),
    "batch.again": say("uploaded the file of {subject} again"),
    "batch.import": say("imported {subject}"),
    "batch.register": say("uploaded {subject}"),
    "campaign.answers": say("created {subject} for this week's answers"),
    "campaign.voided": say("voided the approval of {subject} by an edit"),
    "database.restored": say("recorded that the database was restored from a backup"),
    "database.entered-again": say("confirmed that lists and requests since the backup were entered again"),
    "database.trusted": say("took over the database of another host"),
    "do-not-send.seal": say("resealed the do-not-send list of {subject}"),
    "do-not-send.reply": say("added numbers to the do-not-send list of {subject} at their owners' request"),
    "erasure": say("erased under the retention rules: {subject}"),
    "link.receipt_level": say("stated in the settings what the receipts of {subject} prove"),
    "link.test": say("sent a test message through {subject}"),
    "link.test_answer": say("received the answer to a test message through {subject}"),
    "numbers.shown": say("viewed full numbers of {subject}"),
    "panel.answer": say("received the answer of a test telephone about {subject}"),
    "panel.erase": say("erased the number of {subject}"),
    "person.factor.ask": say("started to set up a second factor"),
    "person.factor.remove": say("removed the second factor of {subject}"),
    "person.factor.reseal": say("re-encrypted second factors with the new key"),
    "person.factor.set": say("set a second factor"),
    "person.find": say("looked up {subject}"),
    "person.sign": say("re-signed older accounts"),
    "plan.create": say("made {subject}"),
    "plan.round": say("changed a call round of {subject}"),
    "publication.report": say("recorded where the text of {subject} was published"),
    "publication.withdraw": say("removed a publication address of {subject}"),
    "receipts.failure_list": say("counted numbers on a failure list of {subject}"),
    "receipts.import": say("imported the result file {subject}"),
    "receipts.register": say("uploaded {subject}"),
    "recording.add": say("added a recording to {subject}"),
    "recording.remove": say("removed a recording of {subject}"),
    "rejected.end": say("ended an order for rejected messages of {subject}"),
    "rejected.resend": say("requeued rejected messages of {subject}"),
    "report.freeze": say("froze {subject}"),
    "report.signed": say("uploaded a signed PDF of {subject}"),
    "retention.shorten": say("confirmed shorter retention terms"),
    "rows.keep": say("recorded the state of {subject} as it is"),
    "run.stopped": say("stopped {subject} because it differs from what was approved"),
    "run.suspended": say(
        "paused {subject} because too many messages failed or were sent today, or its budget is used up"
    ),
    "tallies.repaired": say("recounted {subject}"),
    "snapshot.set-aside": say("set aside a snapshot of {subject} taken while the clock was ahead"),
    "submissions.repaired": say("recorded messages of {subject} as accepted, according to their receipts"),
}
# Kinds of acts to choose from, by the beginning of their names.
KINDS: Mapping[str, Said] = {
    "campaign.": say("campaigns and approvals"),
    "budget.": say("budgets"),
    "run.": say("runs"),
    "batch.": say("batches"),
    "unknown.": say("unknown outcomes"),
    "rejected.": say("rejected messages"),
    "report.": say("reports"),
    "directive.": say("directives"),
    "link.": say("links"),
    "person.": say("people"),
    "person-request.": say("personal data requests"),
    "key.": say("keys"),
    "sender-name.": say("the register of sender names"),
    "numbers.shown": say("numbers viewed"),
}
_SUBJECTS: Mapping[str, tuple[Said, str]] = {
    "attachment": (say("attachment {name}"), ""),
    "batch": (say("batch {name}"), "/batches/"),
    "campaign": (say("campaign {name}"), "/campaigns/"),
    "carrier": (say("carrier {name}"), ""),
    "directive": (say("directive {name}"), "/directives/"),
    "key": (say("key {name}"), ""),
    "link": (say("link {name}"), ""),
    "notice": (say("notice {name}"), ""),
    "person": (say("person {name}"), ""),
    "person-request": (say("personal data request {name}"), "/person-requests/"),
    "phone": (say("number {name}"), ""),
    "receipt-file": (say("result file {name}"), "/receipt-files/"),
    "report": (say("report {name}"), "/reports/"),
    "run": (say("run {name}"), "/runs/"),
    "sender-name": (say("sender name {name}"), ""),
}


def sentence_of(action: str) -> Said | None:
    """Return what is said of an act after the person's name; None if there is no sentence."""
    declared = (Said(each.audit) for each in OPERATIONS.values() if each.audit and each.action == action)
    return SENTENCES.get(action) or next(declared, None)


def subject_of(act: Act) -> tuple[Said | None, str, str]:
    """Return what the act was done to: its sentence (None: none known), its name, and its page ("": none)."""
    kind, _, name = act.subject.partition("/")
    if not name or kind not in _SUBJECTS:
        return None, act.subject, ""
    said, page = _SUBJECTS[kind]
    return said, name, page and page + name


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
    said, name, _ = subject_of(act)
    subject = speaker.say(said, name=name).unescape() if said else name
    sentence = sentence_of(act.action)
    return speaker.say(sentence, subject=subject).unescape() if sentence else f"{act.action} {subject}"


FILE = ListFile(
    "audit",
    {
        say("No."): "id",
        say("When"): "at",
        say("User"): "who",
        say("Event"): _happened,
        say("Action code"): "action",
        say("Subject of the entry"): "subject",
        say("Stored entry"): lambda act, _: _with_detail(act)[1],
        say("From address"): "origin",
        say("Hash"): "hash",
    },
)


@router.get("/audit")
def page_audit(
    visit: Visit, criteria: Annotated[Asked, Depends()], query: Annotated[ListQuery, Depends()]
) -> Response:
    said = criteria.said()
    if wants_file(query):
        return list_file(
            visit, FILE, query.request(["at"]), partial(audit.listed, criteria=criteria.wanted())
        )
    found = visit.db.read(audit.listed, query.request(["at"]), _PIECE, criteria.wanted())
    shown = list_view(visit, query, found.of(_with_detail), said)
    return render(
        visit, "audit.html", list=shown, sentence_of=sentence_of, subject_of=subject_of, kinds=KINDS
    )


def _with_detail(act: audit.Act) -> tuple[audit.Act, str]:
    return act, json.dumps(act.detail, ensure_ascii=False) if act.detail else ""


@router.get("/audit/verification")
def page_audit_verification(visit: Visit) -> Response:
    """Recompute and verify the whole chain."""
    return render(visit, "chain.html", chain=visit.db.read(audit.verify, audit.kept(visit.settings)))


@router.get("/audit/acts.jsonl")
def page_audit_export(
    visit: Visit, criteria: Annotated[Asked, Depends()], query: Annotated[ListQuery, Depends()]
) -> StreamingResponse:
    """Export the list's entries, every one without a filter, oldest first, for archiving elsewhere."""
    days = query.request()
    wanted = replace(criteria.wanted(), since_ms=days.since_ms, until_ms=days.until_ms)
    headers = {"Content-Disposition": 'attachment; filename="loa-audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(visit.db, wanted), media_type="application/x-ndjson", headers=headers)


def _lines(db: Database, criteria: audit.AuditFilter) -> Iterator[bytes]:
    after = 0
    while piece := db.read(audit.listed, after, _EXPORTED, criteria).items:
        yield b"".join(to_json(act) + b"\n" for act in piece)
        after = piece[-1].id
