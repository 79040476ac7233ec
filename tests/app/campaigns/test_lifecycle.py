"""A campaign's way from draft to submission, and what an edit undoes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select, update

from app.campaigns import approval, directives, lifecycle, optimistic_lock, queries, runs, texts
from app.campaigns.drafts import TextForm
from app.core import clock
from app.core.errors import AppError, Conflict, Invalid, NotFound
from app.core.states import CampaignState
from app.database.connection import Database
from app.database.models import audit, campaigns, run_batches
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, HOURS, amend, new_batch, new_campaign, new_run
from tests.engines import by_default
from tests.exact import exactly

database_url = by_default

CHIEF = Caller("chief", "admin")


def state(db: Database, campaign_id: int) -> str:
    return str(db.read(optimistic_lock.campaign, campaign_id).state)


def decisions(db: Database, campaign_id: int) -> list[str]:
    return [each.decision for each in db.read(queries.dossier, campaign_id).decisions]


def test_a_new_campaign_is_a_draft_of_version_one_and_leaves_a_note(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    row = db.read(optimistic_lock.campaign, campaign_id)
    assert (row.state, row.version, row.created_by) == ("draft", 1, "author")
    notes = db.read(lambda c: c.execute(select(audit.c.who, audit.c.action)).all())
    assert [tuple(each) for each in notes] == [("author", "campaign.create")]


def test_a_campaign_under_an_unknown_directive_is_refused(db: Database) -> None:
    with pytest.raises(Invalid, match=exactly("Directive 7 does not exist.")):
        db.write(new_campaign, replace(DRAFT, directive_id=7))


def test_a_campaign_names_its_directive(db: Database) -> None:
    letter = directives.DirectiveFields("303/CAT-PA05", date(2024, 1, 29), "CAT", "Phối hợp tuyên truyền")
    directive_id = db.write(directives.create, letter, "author")
    campaign_id = db.write(new_campaign, replace(DRAFT, directive_id=directive_id))
    assert db.read(optimistic_lock.campaign, campaign_id).directive_id == directive_id


def test_an_edit_replaces_the_content_and_counts_the_version(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    db.write(lifecycle.edit, campaign_id, 1, replace(DRAFT, text="Khac"), HOURS, "author")
    row = db.read(optimistic_lock.campaign, campaign_id)
    assert (row.texts, row.version) == ({"": "Khac"}, 2)


def test_a_change_of_one_field_keeps_the_others_and_the_author_s_diacritics(db: Database) -> None:
    own = replace(DRAFT, text="Cảnh giác lừa đảo.", day_ends="18:00")
    campaign_id = db.write(new_campaign, own)
    db.write(amend, campaign_id, {"name": "After Tet"}, HOURS, "author")
    row = db.read(optimistic_lock.campaign, campaign_id)
    assert (row.name, row.day_ends, row.wording) == ("After Tet", "18:00", "Cảnh giác lừa đảo.")
    assert row.texts == {"": "Canh giac lua dao."}
    db.write(amend, campaign_id, {"form": TextForm.ACCENTED}, HOURS, "author")
    assert db.read(optimistic_lock.campaign, campaign_id).texts[""] == "Cảnh giác lừa đảo."
    db.write(amend, campaign_id, {"text_key": "gia-danh-cong-an"}, HOURS, "author")
    wording = db.read(optimistic_lock.campaign, campaign_id).wording
    assert wording == texts.with_sender(texts.find("gia-danh-cong-an").accented, DRAFT.sender)


def test_an_edit_of_another_version_is_refused(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    with pytest.raises(
        lifecycle.VersionChanged,
        match=exactly("The campaign is now at version 1, not 2. Reload and try again."),
    ) as caught:
        db.write(lifecycle.edit, campaign_id, 2, DRAFT, HOURS, "author")
    assert caught.value.status == 412


@pytest.mark.parametrize("before", ["submitted", "approved", "rejected"])
def test_any_edit_makes_the_campaign_a_draft_again(db: Database, before: str) -> None:
    campaign_id, _ = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    if before == "approved":
        db.write(approval.approve, campaign_id, CHIEF)
    if before == "rejected":
        db.write(approval.reject, campaign_id, CHIEF, "wrong name")
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, DRAFT, HOURS, "author")
    row, fresh = db.read(optimistic_lock.campaign, campaign_id), db.write(new_campaign)
    same = {"id", "version", "created_at", "editors"}  # apart from which it is as a new one
    like = db.read(optimistic_lock.campaign, fresh)._asdict()
    assert {name: value for name, value in row._asdict().items() if name not in same} == {
        name: value for name, value in like.items() if name not in same
    }
    assert decisions(db, campaign_id)[1:] == (["voided"] if before == "approved" else [])


@pytest.mark.longer
@pytest.mark.parametrize("change", ["add a run", "remove a run"])
def test_a_change_of_the_audience_voids_an_approval_too(db: Database, change: str) -> None:
    campaign_id, run_id = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    if change == "add a run":
        other = db.write(new_batch, carrier="viettel")
        db.write(lifecycle.add_run, campaign_id, "viettel", [other], "author")
    else:
        db.write(lifecycle.remove_run, run_id, "author")
    assert state(db, campaign_id) == "draft"
    assert decisions(db, campaign_id) == ["approved", "voided"]


@pytest.mark.longer
def test_nothing_can_be_edited_once_a_run_has_started(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    db.write(runs.act, runs.Verb.START, run_id, "operator")
    version = db.read(optimistic_lock.campaign, campaign_id).version
    with pytest.raises(Conflict, match="has started"):
        db.write(lifecycle.edit, campaign_id, version, DRAFT, HOURS, "author")
    assert state(db, campaign_id) == "approved"
    assert decisions(db, campaign_id) == ["approved"]


def test_a_write_over_a_campaign_that_has_changed_is_refused(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    seen = db.read(optimistic_lock.campaign, campaign_id)
    db.write(lifecycle.edit, campaign_id, 1, DRAFT, HOURS, "somebody else")
    with pytest.raises(
        Conflict, match=exactly("Campaign 1 was changed in the meantime. Reload and try again.")
    ):
        db.write(optimistic_lock.change_campaign, seen, name="mine")
    with pytest.raises(
        Conflict, match=exactly("Campaign 1 was changed in the meantime. Reload and try again.")
    ):
        db.write(optimistic_lock.hold_campaign, seen)


def test_a_run_takes_batches_of_its_carrier_once(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    ids = [db.write(new_batch, sha256=str(n) * 64) for n in (1, 2)]
    run_id = db.write(lifecycle.add_run, campaign_id, "vnpt", [*ids, ids[0]], "author")
    rows = db.read(lambda c: c.execute(select(run_batches.c.batch_id, run_batches.c.run_id)).all())
    assert sorted(tuple(row) for row in rows) == [(ids[0], run_id), (ids[1], run_id)]


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ({"carrier": "viettel"}, Invalid, "Batch 1 belongs to viettel, not to vnpt"),
        ({"state": "importing"}, Conflict, "is importing"),
        ({"state": "failed"}, Conflict, "is failed"),
        ({"accepted": 0}, Invalid, "no valid number"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(
    db: Database, batch: dict[str, object], error: type[AppError], words: str
) -> None:
    campaign_id, batch_id = db.write(new_campaign), db.write(new_batch, **batch)
    with pytest.raises(error, match=words):
        db.write(lifecycle.add_run, campaign_id, "vnpt", [batch_id], "author")


@pytest.mark.parametrize("counts", [{"rejected": 900, "accepted": 100}, {"other_range": 500}])
def test_a_file_that_is_plainly_wrong_is_taken_only_by_who_says_to_know_it_and_the_audit_keeps_that(
    db: Database, counts: dict[str, int]
) -> None:
    campaign_id, batch_id = db.write(new_campaign), db.write(new_batch, lines=1000, **counts)
    for known in ((), (batch_id + 1,)):
        with pytest.raises(Invalid, match="may be the wrong file"):
            db.write(lifecycle.add_run, campaign_id, "vnpt", [batch_id], "author", known)
    db.write(lifecycle.add_run, campaign_id, "vnpt", [batch_id], "author", (batch_id,))
    detail = db.read(lambda c: c.scalar(select(audit.c.detail).where(audit.c.action == "run.add")))
    assert detail == {"campaign": campaign_id, "batches": [batch_id], "known": [batch_id]}


def test_a_run_needs_batches_that_exist(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    with pytest.raises(Invalid, match="at least one batch"):
        db.write(lifecycle.add_run, campaign_id, "vnpt", [], "author")
    with pytest.raises(Invalid, match=exactly("Batch 9 does not exist.")):
        db.write(lifecycle.add_run, campaign_id, "vnpt", [9], "author")


def test_a_carrier_has_one_run_in_a_campaign(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    other = db.write(new_batch, sha256="1" * 64)
    with pytest.raises(
        Conflict, match=exactly("The campaign already has a run at vnpt. Remove that run first.")
    ):
        db.write(lifecycle.add_run, campaign_id, "vnpt", [other], "author")


def test_a_batch_that_is_in_the_campaign_is_not_taken_twice(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    batch_id = db.read(queries.run, run_id).batch_ids[0]
    with pytest.raises(Conflict, match=exactly("Batch 1 is already in this campaign.")):
        db.write(lifecycle._check_batches, campaign_id, "vnpt", [batch_id], ())


@pytest.mark.longer
def test_a_removed_run_leaves_room_for_another(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    batch_ids = db.read(queries.run, run_id).batch_ids
    db.write(lifecycle.remove_run, run_id, "author")
    with pytest.raises(NotFound, match=f"no run {run_id}"):
        db.read(queries.run, run_id)
    again = db.write(lifecycle.add_run, campaign_id, "vnpt", batch_ids, "author")
    assert db.read(queries.run, again).batch_ids == batch_ids


@pytest.mark.longer
def test_the_number_of_a_removed_run_is_given_to_no_other(db: Database) -> None:
    """An order that was written for the removed one would start another."""
    campaign_id, first = db.write(new_run)
    batch_ids = db.read(queries.run, first).batch_ids
    had = [first]
    for _ in range(11):  # 9 and 10 are numbers, not words
        db.write(lifecycle.remove_run, had[-1], "author")
        had.append(db.write(lifecycle.add_run, campaign_id, "vnpt", batch_ids, "author"))
    db.write(lifecycle.withdraw, campaign_id, "author")
    _, other = db.write(new_run, carrier="viettel")
    assert len({*had, other}) == len(had) + 1
    assert [*had, other] == sorted([*had, other])


@pytest.mark.longer
def test_a_campaign_is_withdrawn_with_its_runs_and_an_edit_reopens_it(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    batch_ids = db.read(queries.run, run_id).batch_ids
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    for _ in range(2):  # told twice, done once
        db.write(lifecycle.withdraw, campaign_id, "author")
    assert state(db, campaign_id) == "withdrawn"
    assert decisions(db, campaign_id) == ["approved", "voided"]
    assert db.read(queries.dossier, campaign_id).runs == []
    with pytest.raises(Conflict, match=exactly("The campaign is withdrawn and cannot become submitted.")):
        db.write(lifecycle.submit, campaign_id, "author")
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, DRAFT, HOURS, "author")
    assert state(db, campaign_id) == "draft"
    db.write(lifecycle.add_run, campaign_id, "vnpt", batch_ids, "author")


@pytest.mark.longer
def test_what_has_begun_is_not_withdrawn(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    db.write(runs.act, runs.Verb.START, run_id, "operator")
    with pytest.raises(Conflict, match="has started"):
        db.write(lifecycle.withdraw, campaign_id, "author")
    assert state(db, campaign_id) == "approved"


def test_a_campaign_without_a_run_is_not_submitted(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    with pytest.raises(Conflict, match="has no run"):
        db.write(lifecycle.submit, campaign_id, "author")


def test_a_submission_is_kept_once(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.submit, campaign_id, "somebody else")
    row = db.read(optimistic_lock.campaign, campaign_id)
    assert (row.state, row.submitted_by, row.version) == (CampaignState.SUBMITTED, "author", version)


def test_a_campaign_whose_window_is_over_is_not_submitted(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    past = clock.now_ms() - 1000
    db.write(lambda c: c.execute(update(campaigns).values(window_end=past)))
    with pytest.raises(Conflict, match="window ended at"):
        db.write(lifecycle.submit, campaign_id, "author")


@pytest.mark.longer
def test_an_approved_campaign_is_not_submitted_again(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    with pytest.raises(Conflict, match="is approved"):
        db.write(lifecycle.submit, campaign_id, "author")
