"""What the register says against a campaign: the same sentence when it is written, decided on and started."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.api.bodies import filled
from app.campaigns import approval, lifecycle, optimistic_lock, runs
from app.core import clock
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import audit, links
from app.security import Caller
from app.sender_names import checks
from app.sender_names.checks import Finding, FindingKind
from app.sender_names.register import NameBody, RulesBody
from tests.app.campaigns.rows import DRAFT, HOURS, new_link, whole_run
from tests.operations import carry_out

CHIEF = Caller("chief", "approver")
TEXT = DRAFT.text or ""


def enter(db: Database, **fields: Any) -> int:
    body = filled(NameBody, {"carrier": "vnpt", "name": "CA SON LA", "state": "registered"} | fields)
    return int(carry_out(db, "add_sender_name", body=body).id)


def rules(db: Database, **fields: Any) -> None:
    body = filled(RulesBody, {"lead_days": 35} | fields)
    carry_out(db, "set_registration_rules", carrier="vnpt", body=body)


def found(db: Database, campaign_id: int) -> list[Finding]:
    return list(carry_out(db, "list_register_findings", campaign_id=campaign_id))


def kinds(db: Database, campaign_id: int) -> list[tuple[str, bool]]:
    every = found(db, campaign_id)
    return [(each.kind, each.refused) for each in every if each.kind is not FindingKind.SENDER_IN_TEXT]


def day(days: int) -> str:
    return (clock.local(clock.now()).date() + timedelta(days)).isoformat()


def last_day(db: Database, campaign_id: int, days: int) -> None:
    """Have the campaign sent until so many days from now."""
    end: datetime = clock.now() + timedelta(days)
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, replace(DRAFT, window_end=end), HOURS, "author")


def test_with_an_empty_register_a_campaign_gets_advice_and_goes_its_way(db: Database) -> None:
    campaign_id, run_id = db.write(whole_run)
    assert [(each.kind, each.refused) for each in found(db, campaign_id)] == [
        (FindingKind.EMPTY, False),
        (FindingKind.SENDER_IN_TEXT, False),
    ]
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    assert db.write(runs.act, runs.Verb.START, run_id, "operator") == "running"


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([{"name": "CA LAI CHAU"}], "CA SON LA is not registered at VNPT VinaPhone."),
        ([{"state": "asked"}], "has been requested but not yet granted"),
        ([{"state": "refused"}], "has refused to register CA SON LA"),
        ([{"state": "expired"}], "has expired"),
        ([{"valid_to": "2024-02-09"}], "has expired"),
        ([{"purpose": "canh_bao_khan"}], "is not registered at VNPT VinaPhone for the purpose tuyen_truyen"),
        ([{"valid_to": day(5)}], "ends on .*, before the sending window does"),
        ([{"valid_from": day(2)}], "starts only on"),
        ([{"valid_to": day(2)}, {"valid_from": day(4)}], "ends on .*, before the sending window does"),
        # What was asked for again is waited for, whichever was entered first.
        ([{"state": "asked"}, {"state": "expired"}], "has been requested but not yet granted"),
        # A template of the name that is good does not stand for the name, which is not.
        ([{"state": "expired"}, {"template": TEXT}], "has expired"),
    ],
)
def test_a_name_that_the_carrier_refuses_keeps_the_campaign_from_being_submitted(
    db: Database, entries: list[dict[str, Any]], sentence: str
) -> None:
    campaign_id, _ = db.write(whole_run)
    last_day(db, campaign_id, 6)
    for each in entries:
        enter(db, **each)
    with pytest.raises(Invalid, match=sentence) as caught:
        db.write(lifecycle.submit, campaign_id, "author")
    assert caught.value.faults[0] == ("register", found(db, campaign_id)[0].sentence)


@pytest.mark.parametrize(
    "entries",
    [
        [{}],
        [{"name": "ca son la"}],  # letter case does not matter to the registry; advice says how it is written
        [{"valid_to": day(6)}],
        [{"purpose": "tuyen_truyen", "valid_from": day(0)}],
        [{"state": "expired"}, {"valid_to": day(900)}],  # renewed by another entry
        [{"valid_to": day(3)}, {"valid_from": day(4)}],  # renewed in the midst of the sending
        [{"valid_from": day(2)}, {"valid_to": day(2)}],
        [{"template": TEXT}],  # entered as a template alone
        [{"template": TEXT, "valid_to": day(3)}, {"template": TEXT, "valid_from": day(4)}],
    ],
)
def test_a_name_that_is_registered_for_all_the_days_passes(
    db: Database, entries: list[dict[str, Any]]
) -> None:
    campaign_id, _ = db.write(whole_run)
    last_day(db, campaign_id, 6)
    for each in entries:
        enter(db, **each)
    db.write(lifecycle.submit, campaign_id, "author")
    assert not [each for each in found(db, campaign_id) if each.refused]


@pytest.mark.parametrize(("days", "advised"), [(5, True), (29, True), (30, False)])
def test_a_window_without_an_end_is_advised_of_a_name_that_ends_soon(
    db: Database, days: int, advised: bool
) -> None:
    campaign_id, _ = db.write(whole_run)
    enter(db, valid_to=day(days))
    assert kinds(db, campaign_id) == ([("period", False)] if advised else [])


def test_a_text_that_fits_no_template_is_refused_where_the_carrier_demands_one(db: Database) -> None:
    campaign_id, _ = db.write(whole_run)
    enter(db)
    assert kinds(db, campaign_id) == []
    rules(db, needs_template=True)
    assert kinds(db, campaign_id) == [("template", True)]
    near = enter(db, template="Canh giac lua dao mang.", template_code="1")
    enter(db, template="Chuc mung nam moi {D,100}", template_code="2")
    (finding,) = [each for each in found(db, campaign_id) if each.kind is FindingKind.TEMPLATE]
    assert (finding.entry, finding.refused) == (near, True)
    assert [(each.change.value, each.text) for each in finding.differences] == [
        ("same", "Canh giac lua"),
        ("missing", "dao mang."),
        ("added", "dao."),
    ]
    rules(db, needs_template=False)
    assert kinds(db, campaign_id) == [("template", False)]
    enter(db, template="Canh giac {D,20}.", template_code="3")
    rules(db, needs_template=True)
    assert kinds(db, campaign_id) == []


def test_a_forbidden_word_is_found_however_it_is_written_and_not_within_another(db: Database) -> None:
    campaign_id, _ = db.write(whole_run)
    enter(db)
    rules(db, forbidden_words=["LỪA đảo"])
    assert kinds(db, campaign_id) == [("word", True)]
    rules(db, forbidden_words=["lua da", "nh giac"])
    assert kinds(db, campaign_id) == []


@pytest.mark.parametrize(("setting", "refused"), [(None, [False]), (True, [True]), (False, [])])
def test_whether_the_sender_must_stand_in_the_text_is_the_link_s_setting(
    db: Database, setting: bool | None, refused: list[bool]
) -> None:
    campaign_id, _ = db.write(whole_run)
    enter(db)
    db.write(new_link)
    db.write(lambda c: c.execute(update(links).values(sender_in_text=setting)))
    assert [each.refused for each in found(db, campaign_id)] == refused
    version = db.read(optimistic_lock.campaign, campaign_id).version
    own = replace(DRAFT, text="Ca Son La: canh giac lua dao.")
    db.write(lifecycle.edit, campaign_id, version, own, HOURS, "author")
    assert found(db, campaign_id) == []


def test_what_changes_after_the_submission_is_said_at_the_approval_and_at_the_start(db: Database) -> None:
    campaign_id, run_id = db.write(whole_run)
    entry = enter(db)
    refused = {"carrier": "vnpt", "name": "CA SON LA", "state": "refused"}
    good = refused | {"state": "registered"}

    def change(fields: dict[str, Any]) -> None:
        carry_out(db, "change_sender_name", sender_name_id=entry, body=filled(NameBody, fields))

    db.write(lifecycle.submit, campaign_id, "author")
    change(refused)
    with pytest.raises(Invalid, match="has refused to register"):
        db.write(approval.approve, campaign_id, CHIEF)
    change(good)
    db.write(approval.approve, campaign_id, CHIEF)
    change(refused)
    with pytest.raises(Invalid, match="has refused to register"):
        db.write(runs.act, runs.Verb.START, run_id, "operator")
    change(good)
    assert db.write(runs.act, runs.Verb.START, run_id, "operator") == "running"


def test_a_reason_overrides_what_is_said_now_and_nothing_that_is_said_later(db: Database) -> None:
    campaign_id, run_id = db.write(whole_run)
    entry = enter(db, state="asked")
    body = filled(checks.OverrideBody, {"reason": "Granted by telephone."})
    carry_out(db, "override_register", "boss", campaign_id=campaign_id, body=body)
    (finding,) = [each for each in found(db, campaign_id) if each.refused]
    assert (finding.override, finding.overridden_by) == ("Granted by telephone.", "boss")
    with pytest.raises(Conflict, match="so no reason is needed"):
        carry_out(db, "override_register", campaign_id=campaign_id, body=body)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    refused = filled(NameBody, {"carrier": "vnpt", "name": "CA SON LA", "state": "refused"})
    carry_out(db, "change_sender_name", sender_name_id=entry, body=refused)
    with pytest.raises(Invalid, match="has refused"):
        db.write(runs.act, runs.Verb.START, run_id, "operator")
    carry_out(db, "override_register", campaign_id=campaign_id, body=body)
    assert db.write(runs.act, runs.Verb.START, run_id, "operator") == "running"
    query = select(audit.c.who, audit.c.detail).where(audit.c.action == "sender-name.override")
    rows = db.read(lambda c: c.execute(query.order_by(audit.c.id)).all())
    assert (rows[0].who, rows[0].detail["reason"]) == ("boss", "Granted by telephone.")
    assert "not yet granted" in rows[0].detail["findings"][0]


def test_a_release_that_rewords_a_sentence_leaves_the_reason_in_force(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is bound to what is found: a registration that begins where this one ended needs its own."""
    campaign_id, _ = db.write(whole_run)
    last_day(db, campaign_id, 9)
    entry = enter(db, valid_to=day(5))
    body = filled(checks.OverrideBody, {"reason": "Granted by telephone."})
    carry_out(db, "override_register", campaign_id=campaign_id, body=body)
    monkeypatch.setattr(checks, "_RENEW", "Renew it in time.")
    (finding,) = [each for each in found(db, campaign_id) if each.refused]
    assert finding.sentence.endswith("before the sending window does. Renew it in time.")
    assert finding.override == "Granted by telephone."
    name = {"carrier": "vnpt", "name": "CA SON LA", "state": "registered", "valid_from": day(5)}
    carry_out(db, "change_sender_name", sender_name_id=entry, body=filled(NameBody, name))
    (finding,) = [each for each in found(db, campaign_id) if each.refused]
    assert ("starts only on" in finding.sentence, finding.override) == (True, None)


def test_an_edited_text_or_sender_needs_a_reason_again(db: Database) -> None:
    campaign_id, _ = db.write(whole_run)
    enter(db, state="asked")
    body = filled(checks.OverrideBody, {"reason": "Granted by telephone."})
    carry_out(db, "override_register", campaign_id=campaign_id, body=body)
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, replace(DRAFT, text="Khac."), HOURS, "author")
    with pytest.raises(Invalid, match="not yet granted"):
        db.write(lifecycle.submit, campaign_id, "author")


def test_a_run_starts_where_its_own_carrier_takes_it(db: Database) -> None:
    """What another carrier of the campaign refuses does not hold this one's run."""
    campaign_id, run_id = db.write(whole_run)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    enter(db, carrier="viettel", state="refused")
    assert db.write(runs.act, runs.Verb.START, run_id, "operator") == "running"
