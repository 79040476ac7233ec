"""The consolidated report counts what was approved or sent, and says by table only what has changed."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from app.campaigns import directives
from app.cli import app
from app.core import clock
from app.core.errors import Conflict
from app.core.states import DeliveryState as S
from app.core.states import RunState
from app.database import models as m
from app.database.connection import Database
from app.directives.status import status
from app.ledger.ledger import ledger_for
from app.reports.counting import consolidated
from app.reports.counting.consolidated import ConsolidationTerms
from app.reports.counting.differences import differences
from app.reports.counting.scope import Scope
from app.reports.export.formats import Format, document, prepare, render
from app.reports.figures.version import Version
from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release.freeze import Freezer, build
from app.reports.release.verify_archive import prove
from tests.long.app.reports.kept import freeze_at
from tests.long.app.reports.letter_2024 import AFTER, DEADLINE
from tests.long.app.reports.scene import DAY, HOUR, T0, Scene

DIRECTIVE = ReportSubject(SubjectKind.DIRECTIVE, 1)
CARRIERS = {2: "viettel", 3: "vietnamobile", 4: "mobifone", 5: "gmobile"}
BAIT = "Bấm vào đây để nhận tiền"


def freezer(db: Database) -> Freezer:
    return Freezer(db, ledger_for(db), letterhead.load(None), "officer")


# ---- what has changed since the version before ----------------------------------------------------------


@pytest.mark.prove
def test_a_directive_with_stated_figures_frozen_again_is_the_same_version(replayed: Database) -> None:
    first, new = freeze_at(freezer(replayed), DIRECTIVE, AFTER)
    again, newer = freezer(replayed).freeze(DIRECTIVE)
    assert (new, newer, again.id) == (True, False, first.id)


@pytest.mark.prove
def test_another_deadline_makes_another_version_though_no_figure_has_changed(replayed: Database) -> None:
    freeze_at(freezer(replayed), DIRECTIVE, AFTER)
    later = clock.now() + timedelta(days=3)
    replayed.write(directives.put_off, 1, later, "By letter 311", "lan")
    second, new = freezer(replayed).freeze(DIRECTIVE)
    assert (new, second.version, second.changes) == (True, 2, ())
    assert not freezer(replayed).freeze(DIRECTIVE)[1]


def test_only_figures_that_differ_stand_in_the_table_of_changes(replayed: Database) -> None:
    before = replayed.read(build, DIRECTIVE, DEADLINE)
    after = replayed.read(build, DIRECTIVE, AFTER)
    kept = json.loads(render(before, Format.JSON).content)
    assert differences(kept, document(before)) == ()
    found = differences(kept, document(after))
    assert found
    assert [each.where for each in found if each.after is None] == []
    assert not any("Viettel" in each.where or "MobiFone" in each.where for each in found)


# ---- campaigns that nobody approved ---------------------------------------------------------------------


def drafts(db: Database) -> Database:
    """Campaign 1 has gone out. 2 is a draft, 3 rejected, 4 approved after two days, 5 was edited since."""
    scene = Scene("finished")
    scene.message(S.DELIVERED)
    states = {2: "draft", 3: "rejected", 4: "approved", 5: "draft"}
    for id, state in states.items():
        scene.campaign(id, f"Chiến dịch {id}")
        values = {"directive_id": 1, "state": state, "texts": {"": BAIT if id != 4 else "Đã duyệt."}}
        scene.rows[m.campaigns][-1].update(values)
        scene.run(id, CARRIERS[id], "planned")
        scene.rows[m.runs][-1].update(campaign_id=id, started_at=None)
        scene.batch(id, run=id)
        scene.subscriber(batch=id)
    scene.approved_at[4] = T0 + 2 * DAY
    for id, decision, day in ((3, "rejected", 1), (5, "approved", 1), (5, "voided", 2)):
        more = {"reason": None, "by": "binh", "digest": "x", "at": T0 + day * DAY}
        scene.add(m.approvals, campaign_id=id, decision=decision, **more)
    scene.save(db)
    return db


def test_drafts_and_rejected_campaigns_are_in_no_table_and_no_annex(db: Database) -> None:
    drafts(db)
    carriers = {
        day: [line.carrier for line in db.read(consolidated.build, 1, T0 + day * DAY + HOUR).lines]
        for day in (0, 1, 2)
    }
    assert carriers == {0: ["vnpt"], 1: ["vnpt", "gmobile"], 2: ["vnpt", "mobifone"]}
    report = db.read(consolidated.build, 1, T0 + 3 * DAY)
    for form in (Format.CSV, Format.JSON):
        content = render(report, form, letterhead.load(None)).content.decode()
        assert BAIT not in content
        assert "Viettel" not in content


def test_nobody_is_asked_for_a_draft(db: Database) -> None:
    drafts(db)
    found = db.read(status, 1, clock.from_ms(T0 + 3 * DAY))
    assert [run.carrier for run in found.runs] == ["vnpt", "mobifone"]
    assert [(each.who, each.what) for each in found.missing] == [
        ("mobifone", "Chiến dịch 4 (đợt 4): chưa bắt đầu gửi")
    ]


@pytest.mark.prove
def test_a_report_of_before_is_proved_by_the_rules_of_before(db: Database) -> None:
    drafts(db)
    until = db.wait_for_commits(None)
    old = db.read(consolidated.build, 1, until, ConsolidationTerms(rules=1))
    assert len(old.lines) == 5
    first = freezer(db)._keep(prepare(old), DIRECTIVE, Version(1))
    assert "rules" not in json.loads(db.read(archive.figures, first))
    second, new = freezer(db).freeze(DIRECTIVE)
    assert new
    assert {each.where.split(", ")[1].split(" ")[0] for each in second.changes} >= {"Viettel"}
    for each in (first, second):
        proof = prove(db, each)
        assert (proof.sentences, proof.note) == ((), None)


# ---- one cut-off, and none before the beginning ---------------------------------------------------------


def test_reports_of_a_campaign_that_are_frozen_together_have_one_cut_off(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOA_DATABASE_URL", database_url)
    with closing(Database(database_url)) as db:
        scene = Scene("finished")
        scene.run(2, "viettel", "finished")
        scene.run(3, "mobifone", "planned", started_at=None)
        scene.batch(2, run=2)
        for batch in (1, 2):
            scene.message(S.DELIVERED, batch=batch)
        scene.save(db)
    result = CliRunner().invoke(app, ["report", "freeze", "--campaign", "1"])
    assert result.exit_code == 0, result.output
    with closing(Database(database_url)) as db:
        found = db.read(archive.listed, 0, 10).items
        assert [(each.subject, each.subject_id) for each in found] == [("run", 1), ("run", 2), DIRECTIVE]
        assert len({each.cut_off_at for each in found}) == 1
        whole = json.loads(db.read(archive.figures, found[-1]))
        assert [line["report_version"] for line in whole["runs"]] == [1, 1, 0]
        assert prove(db, found[-1]).note is None


def test_nothing_is_frozen_of_a_time_before_it_began(db: Database) -> None:
    drafts(db)
    with pytest.raises(Conflict, match="Run 1 started on 29/01/2024 09:00:00, after this cut-off"):
        freezer(db).freeze(ReportSubject(SubjectKind.RUN, 1), T0 - 1)
    with pytest.raises(Conflict, match="Run 2 has not started"):
        freezer(db).freeze(ReportSubject(SubjectKind.RUN, 2))
    with pytest.raises(Conflict, match="Directive 1 is dated 2024-01-29, after this cut-off"):
        freezer(db).freeze(DIRECTIVE, T0 - DAY)


def test_a_letter_of_which_nothing_has_come_yet_has_no_final_report(db: Database) -> None:
    scene = Scene("planned")
    scene.rows[m.campaigns][-1]["directive_id"] = None
    scene.save(db)
    with pytest.raises(Conflict, match="No messages or reports exist under directive 1 yet"):
        freezer(db).freeze(DIRECTIVE)


@pytest.mark.parametrize(("at", "counts"), [(T0, True), (T0 + 1, False)])
def test_what_began_or_ended_at_the_cut_off_counts(at: int, counts: bool) -> None:
    run: Any = SimpleNamespace(state=RunState.FINISHED.value, started_at=at, ended_at=at, closing="ended")
    assert Scope(run, ()).begun(T0) is counts
    assert Scope(run, ()).closed(T0) is counts
