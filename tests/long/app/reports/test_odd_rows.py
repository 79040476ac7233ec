"""One odd message never keeps a report back: its figures add up, and it is a line of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, delete, insert, update

from app.core.states import ChunkState, RunState
from app.database import models as m
from app.database.connection import Database, Joined, shared_ms
from app.ledger.contract import ResultKind
from app.ledger.ledger import ledger_for
from app.reports.export.formats import document
from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Contradicted, Freezer, build, naming
from app.reports.verification.tally_repair import SETTLED, repair, settle
from app.reports.verification.verify import recount, verify
from tests.long.app.reports.scene import S, varied

D = m.deliveries.c
RUN, DIRECTIVE = ReportSubject(SubjectKind.RUN, 1), ReportSubject(SubjectKind.DIRECTIVE, 1)


def freeze(db: Database, subject: ReportSubject = RUN) -> Frozen:
    return Freezer(db, ledger_for(db), letterhead.load(None), "an").freeze(subject)[0]


def figures(db: Database, report: Frozen) -> dict[str, Any]:
    return dict(json.loads(db.read(archive.figures, report)))


def whole(db: Database) -> Database:
    varied(db)
    db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
    return db


def of_state(db: Database, state: S) -> int:
    query = m.deliveries.select().where(D.state == int(state), D.batch_id == 1).order_by(D.seq)
    return int(db.read(lambda c: c.execute(query).first()).seq)


def unrecorded(db: Database) -> None:
    """A delivered message that was put off before, as ledgers have it from before the mend."""
    s = m.submissions.c
    one = update(m.submissions).where(s.batch_id == 1, s.seq == of_state(db, S.DELIVERED))
    db.write(lambda c: c.execute(one.values(result=int(ResultKind.DEFERRED), reference=None)))


@pytest.mark.parametrize("subject", [RUN, DIRECTIVE])
def test_an_odd_message_is_named_in_the_report_and_loud_in_the_recount(
    db: Database, subject: ReportSubject
) -> None:
    before = figures(db, freeze(whole(db), subject))
    unrecorded(db)
    [said] = verify(db, ledger_for(db), 1)
    assert "are recorded as DELIVERED, but they were never submitted" in said.sentence
    report = freeze(db, subject)
    found = figures(db, report)
    run, was = (found, before) if subject is RUN else (found["runs"][0]["measured"], before["runs"][0])
    assert run["unexplained_messages"] == 1
    assert run["general"] == (was if subject is RUN else was["measured"])["general"]
    assert verify_archive.prove(db, report).sound
    paper = db.read(archive.content, report, "csv")[1].decode()
    assert subject is DIRECTIVE or "chưa giải thích được" in paper
    assert "unexplained_messages" not in json.dumps(before)


def test_the_repair_records_what_receipts_have_proved_once_and_the_line_is_gone(db: Database) -> None:
    whole(db)
    unrecorded(db)
    first = freeze(db)
    told = list[tuple[int, int, int]]()
    assert settle(db, "an", say=lambda *what: told.append(what)) == 1
    assert told == [(1, 1, 1)]
    assert settle(db, "an") == 0
    acts = m.audit.select().where(m.audit.c.action == SETTLED)
    [act] = db.read(lambda c: c.execute(acts).all())
    assert (act.subject, act.detail) == ("campaign/1", {"batch": 1, "n": 1})
    assert verify(db, ledger_for(db)) == []
    second = freeze(db)
    assert second.version == 2
    assert "unexplained_messages" not in figures(db, second)
    assert [each.where for each in second.changes if "giải thích" in each.where] == ["chưa giải thích được"]
    for report in (first, second):
        assert verify_archive.prove(db, report).sentences == ()


def test_a_sound_ledger_gets_no_submission(db: Database) -> None:
    assert settle(whole(db), "an") == 0


def test_a_message_that_several_checks_find_is_counted_once(db: Database) -> None:
    whole(db)
    line = of_state(db, S.UNKNOWN)
    u = m.unknowns.c
    db.write(lambda c: c.execute(delete(m.unknowns).where(u.batch_id == 1, u.seq == line)))
    one = update(m.deliveries).where(D.batch_id == 1, D.seq == line)
    db.write(lambda c: c.execute(one.values(delivered=1, phone=84_999_000_000)))
    found = db.read(recount, 1, ledger_for(db))
    assert found.unexplained == {1: 1}
    assert len(found.rows) >= 3


RECEIPT = {"received_at": 1, "status": "expired", "level": 2, "reason": 0, "part": 0, "changed": True}


def odd_rows(line: int) -> dict[str, Executable]:
    """Ways to spoil one message, or what belongs to it."""

    def row(**values: Any) -> Executable:
        return update(m.deliveries).where(D.batch_id == 1, D.seq == line).values(values)

    def gone(table: Any) -> Executable:
        return delete(table).where(table.c.batch_id == 1, table.c.seq == line)

    key = {"campaign_id": 1, "batch_id": 1, "seq": line}
    return {
        **{f"stands as {state.name}": row(state=int(state)) for state in S if state is not S.EXCLUDED},
        **{f"has no {name}": row(**{name: None}) for name in ("submitted_at", "done_at", "link_id", "area")},
        **{f"has other {name}": row(**{name: 3}) for name in ("parts", "delivered", "relayed", "failed")},
        **{f"has other {name}": row(**{name: 7}) for name in ("attempts", "faults", "resends", "segments")},
        "has another reason": row(reason=8),
        "has another number": row(phone=84_999_000_000),
        "was sent at no time of ours": row(submitted_at=1),
        "has lost its submission": gone(m.submissions),
        "has lost its receipts": gone(m.receipts),
        "has lost its place among the unknown": gone(m.unknowns),
        "has lost its subscriber": gone(m.subscribers),
        "has lost its delivery": gone(m.deliveries),
        "has a receipt that moved nothing": insert(m.receipts).values(
            **key, **RECEIPT, link_id=1, group_id=1, raw=""
        ),
        "is in a chunk that is done": update(m.chunks).values(state=int(ChunkState.DONE)),
        "is in no chunk": delete(m.chunks),
        "is of a run that is over": update(m.runs).values(state=RunState.FINISHED.value),
    }


class Undone(Exception):
    """Takes back what a case has changed."""


_BY_NIGHT = [
    pytest.param(s, marks=pytest.mark.prove) for s in (S.SUBMITTED, S.REJECTED, S.NOT_SENT, S.EXPIRED)
]


@pytest.mark.parametrize("state", [S.DELIVERED, S.UNKNOWN, *_BY_NIGHT])
def test_no_change_of_a_single_row_keeps_a_report_back(db: Database, state: S) -> None:
    whole(db)
    line, ledger, blocked = of_state(db, state), ledger_for(db), dict[str, str]()

    def change(connection: Connection, odd: Executable) -> None:
        inside = Joined(db, connection)
        connection.execute(odd)
        repair(inside, ledger, "an")
        settle(inside, "an")
        found = recount(connection, 1, ledger)
        assert found.figures == []
        for subject in (RUN, DIRECTIVE):
            built = build(connection, subject, shared_ms(connection))
            odd = {run_id: Contradicted(n, 0) for run_id, n in found.unexplained.items()}
            assert document(naming(built, odd))
        raise Undone

    for name, odd in odd_rows(line).items():
        try:
            db.write(change, odd)
        except Undone:
            continue
        except Exception as error:
            blocked[name] = f"{type(error).__name__}: {error}"
    assert blocked == {}
