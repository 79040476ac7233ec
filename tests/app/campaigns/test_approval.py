"""An approval holds for exactly what was read, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from app.campaigns import approval, lifecycle, optimistic_lock, queries
from app.core.clock import VIETNAM
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import audit, batches, campaigns
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, HOURS, new_batch, new_run
from tests.engines import other_by_hand
from tests.exact import exactly

CHIEF = Caller("chief", "admin")


def submitted(db: Database) -> int:
    campaign_id, _ = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    return campaign_id


def digest(db: Database, campaign_id: int) -> str:
    return db.read(lambda c: approval.digest(c, optimistic_lock.campaign(c, campaign_id)))


LINK = replace(DRAFT, text="Bam http://bit.ly/x, goi 0912345678.")


@pytest.mark.longer
def test_a_link_or_a_number_in_the_text_is_acknowledged_by_who_approves(db: Database) -> None:
    campaign_id, _ = db.write(new_run, LINK)
    db.write(lifecycle.submit, campaign_id, "author")
    found = db.read(queries.dossier, campaign_id)
    assert [each.severity for each in found.advice[""]] == ["error", "error"]
    with pytest.raises(Invalid, match=r"The text links to bit\.ly.*\(acknowledged\)") as refused:
        db.write(approval.approve, campaign_id, CHIEF, found.digest)
    assert len(refused.value.faults) == 2
    db.write(approval.approve, campaign_id, CHIEF, found.digest, acknowledged=True)
    acts = db.read(lambda c: c.execute(select(audit.c.action, audit.c.detail).order_by(audit.c.id)).all())
    assert acts[-1].action == "advice.acknowledge"
    assert len(acts[-1].detail["advice"]) == 2


def test_a_sound_text_needs_no_acknowledgement(db: Database) -> None:
    campaign_id = submitted(db)
    assert db.read(queries.dossier, campaign_id).advice == {}
    db.write(approval.approve, campaign_id, CHIEF)


@other_by_hand
@pytest.mark.parametrize(
    "change",
    [
        {"text": "Canh giac lua dao!"},
        {"sender": "CA SONLA"},
        {"purpose": "canh_bao_khan"},
        {"window_start": datetime(2030, 1, 1, tzinfo=VIETNAM)},
        {"window_end": datetime(2030, 1, 1, tzinfo=VIETNAM)},
        {"day_starts": "08:00"},
        {"day_ends": "20:00"},
    ],
    ids=str,
)
def test_the_digest_changes_with_all_that_decides_what_is_sent(db: Database, change: dict[str, Any]) -> None:
    campaign_id, _ = db.write(new_run)
    before = digest(db, campaign_id)
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, replace(DRAFT, **change), HOURS, "author")
    assert digest(db, campaign_id) != before


@pytest.mark.longer
def test_the_digest_changes_with_the_audience(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    seen = [digest(db, campaign_id)]
    db.write(lambda c: c.execute(update(batches).values(sha256="f" * 64)))
    seen.append(digest(db, campaign_id))
    other = db.write(new_batch, carrier="viettel")
    db.write(lifecycle.add_run, campaign_id, "viettel", [other], "author")
    seen.append(digest(db, campaign_id))
    db.write(lifecycle.remove_run, run_id, "author")
    seen.append(digest(db, campaign_id))
    assert len(set(seen)) == 4


def test_the_digest_stays_the_same_when_only_the_name_changes(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    before = digest(db, campaign_id)
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, replace(DRAFT, name="Another"), HOURS, "author")
    assert digest(db, campaign_id) == before


@pytest.mark.longer
def test_an_approval_keeps_digest_time_and_person(db: Database) -> None:
    campaign_id = submitted(db)
    db.write(approval.approve, campaign_id, CHIEF, digest(db, campaign_id))
    found = db.read(queries.dossier, campaign_id)
    assert found.campaign.state == "approved"
    [decision] = found.decisions
    assert (decision.decision, decision.by, decision.digest) == ("approved", "chief", found.digest)


@pytest.mark.longer
def test_an_approver_who_has_read_something_else_is_told(db: Database) -> None:
    campaign_id = submitted(db)
    with pytest.raises(
        Conflict, match=exactly("The campaign has changed since you opened it. Reload and review it again.")
    ):
        db.write(approval.approve, campaign_id, CHIEF, "0" * 64)


@pytest.mark.longer
@pytest.mark.parametrize(
    ("verb", "decision", "state"),
    [(approval.reject, "rejected", "rejected"), (approval.send_back, "returned", "draft")],
)
def test_a_refusal_keeps_its_reason(db: Database, verb: Any, decision: str, state: str) -> None:
    campaign_id = submitted(db)
    with pytest.raises(Invalid, match=exactly("Enter a reason, so that the author knows what to change.")):
        db.write(verb, campaign_id, CHIEF, "  ")
    db.write(verb, campaign_id, CHIEF, " wrong sender ")
    found = db.read(queries.dossier, campaign_id)
    assert found.campaign.state == state
    assert [(each.decision, each.reason) for each in found.decisions] == [(decision, "wrong sender")]


def test_only_what_was_submitted_is_decided_on(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    with pytest.raises(
        Conflict, match=exactly("The campaign is draft. You can only decide on submitted campaigns.")
    ):
        db.write(approval.approve, campaign_id, CHIEF)


@pytest.mark.longer
def test_content_that_differs_from_the_approved_one_is_found_out(db: Database) -> None:
    campaign_id = submitted(db)
    db.write(approval.approve, campaign_id, CHIEF)
    db.read(lambda c: approval.require_approved(c, optimistic_lock.campaign(c, campaign_id)))
    # What nobody can do through Loa: a change of the row behind the approval's back.
    db.write(lambda c: c.execute(update(campaigns).values(sender="SOMEBODY")))
    with pytest.raises(Conflict, match="differs from what was approved"):
        db.read(lambda c: approval.require_approved(c, optimistic_lock.campaign(c, campaign_id)))


def test_an_approved_state_without_a_decision_is_not_enough(db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    db.write(lambda c: c.execute(update(campaigns).values(state="approved")))
    with pytest.raises(Conflict, match="differs from what was approved"):
        db.read(lambda c: approval.require_approved(c, optimistic_lock.campaign(c, campaign_id)))
    db.write(lambda c: approval.void(c, optimistic_lock.campaign(c, campaign_id), "author"))
    assert db.read(queries.dossier, campaign_id).decisions[0].digest == ""
