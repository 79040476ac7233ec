"""A province whose figures come from every source there is, made once for each engine and copied.

Campaign n stands under directive n, and is named after the source of its figures (SOURCES). A test asks for
the fixture `every_source` (tests/conftest.py), which is a copy of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from string import Formatter
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from app.accounts.service import NewPerson, add_person
from app.core import clock
from app.core.areas import Basis
from app.core.states import DeliveryState as State
from app.core.states import NotSent
from app.database import models as m
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.privacy import do_not_send, person_requests
from app.privacy.person_requests import NewPersonRequest, RequestKind
from app.reports.figures.document_meta import EntrySource
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.reports.release.freeze import Freezer
from app.security import create_key
from carriers.contract import Reason
from tests.long.app.reports.scene import DAY, HOUR, T0, Scene

SOURCES = ("measured", "stated", "stated_by_area", "mixed", "none", "silent")
MEASURED, STATED, BY_AREA, MIXED, NONE, SILENT = range(1, len(SOURCES) + 1)
PASSWORD = "bon tu chang lien quan"
AUTHOR = "Quàng Thị Lan"
PEOPLE: Mapping[str, NewPerson] = {
    "admin": NewPerson(AUTHOR, "admin"),
    "approver": NewPerson("Lò Văn Minh", "approver"),
    "auditor": NewPerson("Cầm Thị Hoa", "auditor"),
    "vnpt": NewPerson("Trực VNPT", "operator", "vnpt"),
    "viettel": NewPerson("Trực Viettel", "operator", "viettel"),
}
AREAS = ("116", "125")


@dataclass(frozen=True, slots=True)
class Held:
    """A run whose carrier sends to its own subscribers, and what it has stated: bodies, the oldest first."""

    id: int
    campaign: int
    carrier: str
    state: str = "sent"
    areas: Sequence[str] = AREAS
    statements: Sequence[Mapping[str, Any]] = ()


_GENERAL = {"eligible": 1000, "sent": 970, "received": 900, "failed": 50, "segments": 1940}
_STATED: dict[str, Any] = {
    "level": "handset",
    "began_at": "2024-01-29T09:00:00+07:00",
    "ended_at": "2024-01-30T09:00:00+07:00",
    "cutoff_at": "2024-02-21T17:00:00+07:00",
    "received_at": "2024-02-22T08:00:00+07:00",
    "number": "125/BC",
    "dated_on": "2024-02-22",
    "general": _GENERAL,
}
_AREAS = {
    "areas": [
        {"code": "116", "eligible": 600, "sent": 580, "received": 540, "failed": 30},
        {"code": "125", "eligible": 400, "sent": 390, "received": 360, "failed": 20},
    ],
    "days": [{"day": "2024-01-29", "hours": "09:00-17:00", "sent": 970, "received": 900}],
    "reasons": [{"key": "expired", "n": 50}],
}
# What has no receipt, and what comes from a paper that somebody has entered.
_WITHOUT_RECEIPTS = {"level": "none", "general": {"eligible": 1000, "sent": 970}}
_PAPER = b"%PDF-1.7\n1 0 obj\n"
_MANUAL = {"kind": "manual", "number": "126/BC", "attachment": sha256(_PAPER).hexdigest()}
HELD = (
    Held(2, STATED, "viettel", statements=[_STATED]),
    Held(3, BY_AREA, "vnpt", statements=[_STATED | _AREAS, _STATED | _AREAS | {"reason": "counted again"}]),
    Held(5, MIXED, "viettel", statements=[_STATED | _AREAS]),
    Held(6, MIXED, "mobifone", statements=[_STATED | _MANUAL]),
    Held(7, MIXED, "gmobile", statements=[_STATED | _WITHOUT_RECEIPTS]),
    Held(8, MIXED, "vietnamobile"),
    Held(10, SILENT, "vnpt", "running"),
    Held(11, SILENT, "viettel"),
)

FROZEN = ((SubjectKind.RUN, 1), (SubjectKind.RUN, 3), (SubjectKind.DIRECTIVE, MIXED))


def fill(db: Database) -> None:
    """Write the scene into an empty database."""
    scene = Scene("finished", name=SOURCES[0])
    for number in range(2, len(SOURCES) + 1):
        _letter(scene, number)
    _measured(scene)
    for run in HELD:
        scene.run(run.id, run.carrier, run.state, campaign=run.campaign, ended_at=T0 + DAY)
        audience = {"areas": list(run.areas), "area_basis": str(Basis.REGISTERED), "estimated": 1000}
        scene.add(m.audiences, run_id=run.id, **audience)
    scene.run(9, "vnpt", "planned", campaign=NONE, started_at=None)
    scene.batch(9, run=9)
    for _ in range(3):
        scene.subscriber(batch=9)
    scene.save(db)
    for person in PEOPLE.values():
        db.write(add_person, person, PASSWORD, "test")
    db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
    db.write(_paper)
    for run in HELD:
        for body in run.statements:
            claim = StatementBody.model_validate({"kind": "stated", **body}).claim(EntrySource.API)
            db.write(statement_service.state, run.id, claim, AUTHOR)
    db.write(_beside)
    asked = NewPersonRequest("0981000037", RequestKind.SEE, clock.local(clock.now()).date(), "đơn 12")
    db.write(person_requests.record, asked, AUTHOR)
    _freeze(db)


def _letter(scene: Scene, number: int) -> None:
    head = {
        "number": f"{number}/CAT-PA05",
        "issued_on": "2024-01-29",
        "issuer": "CAT",
        "subject": "Tuyên truyền",
    }
    head |= {"addressees": ["VNPT", "Viettel", "Sở Tư pháp"], "report_deadline": T0 + 26 * DAY}
    scene.add(m.directives, id=number, created_at=T0, created_by=AUTHOR, **head)
    scene.campaign(number, SOURCES[number - 1])
    scene.rows[m.campaigns][-1]["directive_id"] = number


def _paper(c: Connection) -> None:
    paper = {"sha256": _MANUAL["attachment"], "name": "a.pdf", "size": len(_PAPER), "content": _PAPER}
    paper |= {"media_type": "application/pdf", "created_at": T0, "created_by": AUTHOR}
    _add(c, m.attachments, paper)


def _measured(scene: Scene) -> None:
    """Run 1 with every state of a message, and run 4 whose receipts prove the operator's centre only."""
    for reason in ("repeated", "fixed_line", "too_short"):
        scene.bad(reason)
    for state in State:
        for area in ("03646", None):
            if state not in (State.EXCLUDED, State.QUEUED):
                scene.message(state, area=area)
    scene.message(State.UNKNOWN, reason=int(NotSent.WRITTEN_OFF), submitted_at=T0 + HOUR)
    scene.message(State.UNDELIVERED, area="03670", reason=int(Reason.FILTERED), submitted_at=T0 + DAY)
    scene.run(4, "vnpt", "running", level=1, campaign=MIXED)
    scene.batch(4, run=4)
    for state in (State.RELAYED, State.QUEUED, State.SUBMITTED, State.UNKNOWN):
        scene.message(state, batch=4)


def _beside(c: Connection) -> None:
    """One row of everything else that a page shows."""
    now = clock.now_ms()
    made = {"created_at": now, "created_by": AUTHOR}
    registered = {"carrier": "vnpt", "name": "CA SON LA", "state": "registered", "changed_at": now}
    _add(c, m.sender_names, registered | {"changed_by": AUTHOR})
    for nth, carrier in enumerate(("vnpt", "viettel"), 1):
        telephone = {"phone": 84_912_000_090 + nth, "carrier": carrier, "area": "03646", "added_at": T0 - DAY}
        _add(c, m.panel_telephones, telephone | {"consent_on": "2024-01-02", "added_by": AUTHOR})
    file = {"carrier": "vnpt", "name": "vnpt.csv", "sha256": "f" * 64, "state": "ready", "ended_at": now}
    counts = {"run_id": 1, "campaign_id": 1, "sent": 1, "rejected": 0, "named": 1, "missing": 0, "later": 0}
    _add(c, m.receipt_files, file | made | {"runs": [counts], "lines": 1, "agreed": 1})
    _add(c, m.receipt_files, file | made | {"sha256": "e" * 64, "state": "importing", "ended_at": None})
    notice = {"key": "1", "kind": "directive.due", "channel": "email", "target": "a@b.example", "payload": {}}
    _add(c, m.notices, notice | {"state": "failed", "due_at": now, "created_at": now})
    gone = {
        "kind": "batch",
        "subject_id": 9,
        "name": "x",
        "rule": "x",
        "days": 1,
        "due_at": now,
        "by": AUTHOR,
    }
    _add(c, m.erasures, gone | {"counts": {}, "totals": [], "started_at": now, "ended_at": now})
    inbound = {"link_id": 1, "destination": "8088", "coding": 8, "phone": 84_981_000_000, "text": "TU CHOI"}
    _add(c, m.inbound_messages, inbound | {"received_at": now, "digest": 1, "arrival": "1"})
    foreign = {"link_id": 1, "group_id": 1, "level": 2, "reason": 0, "status": "delivered", "try_at": now}
    _add(c, m.quarantine, foreign | {"received_at": now, "reference": "x"})
    do_not_send.add(c, "vnpt", ["0987000001"], AUTHOR)
    create_key(c, "desk", "operator", "vnpt")


def _add(c: Connection, table: Table, row: Mapping[str, Any]) -> None:
    c.execute(insert(table).values(row))


def _freeze(db: Database) -> None:
    """Freeze a report of each kind; a paper takes most of the time that the scene takes."""
    freezer = Freezer(db, ledger_for(db), letterhead.load(None), AUTHOR)
    for kind, number in FROZEN:
        freezer.freeze(ReportSubject(kind, number))


_TABLES = {
    "run_id": m.runs,
    "batch_id": m.batches,
    "campaign_id": m.campaigns,
    "directive_id": m.directives,
    "report_id": m.frozen_reports,
    "file_id": m.receipt_files,
    "link_id": m.links,
    "notice_id": m.notices,
    "telephone_id": m.panel_telephones,
}


def addresses(db: Database, path: str) -> list[str]:
    """Return a route's path with everything of the scene that may stand in it, one after the other."""

    def numbers(c: Connection) -> dict[str, list[str]]:
        return {name: [str(n) for n in c.scalars(select(table.c.id))] for name, table in _TABLES.items()}

    choices = db.read(numbers)
    person = AUTHOR if "people" in path else "desk"
    choices |= {"carrier": ["vnpt", "viettel"], "name": [person], "line": ["4"], "kid": ["k" * 43]}
    choices |= {"sha256": [str(_MANUAL["attachment"])], "stamp": ["0" * 64], "tag": ["0" * 12]}
    names = [name for _, name, *_ in Formatter().parse(path) if name]
    every = product(*(choices.get(name, ["1"]) for name in names))
    return [path.format(**dict(zip(names, values, strict=True))) for values in every]
