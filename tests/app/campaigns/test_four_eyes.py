"""Four eyes: nobody decides on a campaign in which the same person, by whatever door, had a hand."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.accounts import service as acts
from app.accounts.keys import RotationBody
from app.accounts.service import NewPerson
from app.batches.importer import register
from app.campaigns import approval, lifecycle, optimistic_lock, queries
from app.campaigns.approval import FourEyes
from app.campaigns.runs import Verb, act
from app.core.config import Settings
from app.core.errors import Conflict, Forbidden, Invalid
from app.database.connection import Database
from app.database.models import audit as audit_rows
from app.database.models import runs
from app.file_import.upload import UploadedFile
from app.security import Caller, create_key
from app.security.keys import find_caller
from app.security.principal import at_keyboard
from tests.app.campaigns.rows import DRAFT, HOURS, new_batch, new_run
from tests.app.client import Client
from tests.engines import sqlite_alone
from tests.exact import exactly
from tests.long.app.accounts.conftest import PASSWORD
from tests.operations import carry_out, new_key

database_url = sqlite_alone


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Development: people come in over plain HTTP and without a second factor."""
    return Settings(data=tmp_path, environment="development")


DECISIONS: list[Any] = [
    (approval.approve, ()),
    (approval.reject, ("wrong",)),
    (approval.send_back, ("wrong",)),
]


def submitted(db: Database, by: str = "author", file: str = "0") -> int:
    campaign_id, _ = db.write(new_run, sha256=file * 64)
    db.write(lifecycle.submit, campaign_id, by)
    return campaign_id


def edit(db: Database, campaign_id: int, who: str, **changes: Any) -> None:
    version = db.read(optimistic_lock.campaign, campaign_id).version
    db.write(lifecycle.edit, campaign_id, version, replace(DRAFT, **changes), HOURS, who)


@pytest.mark.longer
@pytest.mark.parametrize(("decide", "more"), DECISIONS, ids=("approve", "reject", "return"))
@pytest.mark.parametrize("role", ["approver", "admin"])
def test_neither_author_nor_editor_nor_submitter_decides(
    db: Database, decide: Any, more: tuple[str, ...], role: str
) -> None:
    campaign_id = submitted(db)
    edit(db, campaign_id, "editor", sender="CA")
    edit(db, campaign_id, "second editor", sender="CA SON LA")
    db.write(lifecycle.submit, campaign_id, "clerk")
    for name in ("author", "editor", "second editor", "clerk"):
        with pytest.raises(
            FourEyes,
            match=exactly(
                "You wrote, changed or submitted this campaign or uploaded its list. Someone else "
                "must decide."
            ),
        ):
            db.write(decide, campaign_id, Caller(name, role), *more)
    db.write(decide, campaign_id, Caller("chief", role), *more)


@pytest.mark.longer
def test_who_only_adds_or_takes_away_a_run_has_had_a_hand_in_it(db: Database) -> None:
    campaign_id = submitted(db)
    other = db.write(new_batch, carrier="viettel")
    added = db.write(lifecycle.add_run, campaign_id, "viettel", [other], "adder")
    db.write(lifecycle.remove_run, added, "remover")
    db.write(lifecycle.submit, campaign_id, "author")
    for name in ("adder", "remover"):
        with pytest.raises(FourEyes):
            db.write(approval.approve, campaign_id, Caller(name, "approver"))


@pytest.mark.longer
def test_at_the_keyboard_somebody_is_no_second_person(db: Database) -> None:
    campaign_id = submitted(db)
    with pytest.raises(FourEyes):
        db.write(approval.approve, campaign_id, Caller(at_keyboard("author"), "admin", person=True))
    campaign_id = submitted(db, at_keyboard("lan"), file="1")
    with pytest.raises(FourEyes):
        db.write(approval.approve, campaign_id, Caller("lan", "approver", person=True))


def test_nobody_approves_by_a_key_of_the_own_making(db: Database) -> None:
    campaign_id = submitted(db)
    key = db.write(create_key, "second pair of eyes", "approver", made_by=at_keyboard("author"))
    with pytest.raises(FourEyes):
        db.write(approval.approve, campaign_id, db.read(find_caller, key))


@pytest.mark.longer
def test_nobody_approves_what_a_key_of_the_own_making_has_written(db: Database) -> None:
    db.write(create_key, "author", made_by="lan")
    campaign_id = submitted(db)
    with pytest.raises(FourEyes):
        db.write(approval.approve, campaign_id, Caller("lan", "approver", person=True))
    db.write(approval.approve, campaign_id, Caller("mai", "approver", person=True))


def key(db: Database, name: str, who: str) -> None:
    new_key(db, name, who=who)


def rotated(db: Database, who: str, overlap_hours: float = 24) -> None:
    carry_out(db, "rotate_key", who, name="chief", body=RotationBody(overlap_hours=overlap_hours))


def person(db: Database, name: str, who: str) -> None:
    db.write(acts.add_person, NewPerson(name, "approver"), PASSWORD, who)


def both(db: Database, writer: str, approver: str) -> None:
    """One writes and submits, the other approves."""
    campaign_id = db.write(new_run, sha256=secrets.token_hex(32))[0]
    edit(db, campaign_id, writer, sender="CA")
    db.write(lifecycle.submit, campaign_id, writer)
    db.write(approval.approve, campaign_id, Caller(approver, "approver"))


@pytest.mark.longer
@pytest.mark.parametrize("make_writer", [key, person])
@pytest.mark.parametrize("make_approver", [key, person])
def test_two_accounts_of_one_giver_are_one_pair_of_eyes(
    db: Database, make_writer: Any, make_approver: Any
) -> None:
    make_writer(db, "hoa", "lan")
    make_approver(db, "mai", "lan")
    make_approver(db, "chi", "thu")
    with pytest.raises(FourEyes, match="lan would be on both sides"):
        both(db, "hoa", "mai")
    with pytest.raises(FourEyes, match="lan would be on both sides"):
        both(db, "lan", "mai")
    both(db, "tam", "mai")
    both(db, "thu", "hoa")
    both(db, "hoa", "chi")


@pytest.mark.longer
def test_a_chain_of_makers_has_one_beginning(db: Database) -> None:
    key(db, "first", "lan")
    key(db, "second", "first")
    person(db, "mai", "second")
    key(db, "third", "lan")
    for approver in ("mai", "second", "lan"):
        with pytest.raises(FourEyes):
            both(db, "third", approver)


def test_keys_that_were_made_at_the_host_for_two_are_two(db: Database) -> None:
    for name in ("author", "chief"):
        key(db, name, at_keyboard("root"))
    both(db, "author", "chief")


def test_a_new_key_from_the_same_account_of_the_host_does_not_help_and_the_refusal_says_so(
    db: Database,
) -> None:
    root, other = at_keyboard("root"), at_keyboard("admin")
    key(db, "chief", root)
    with pytest.raises(
        FourEyes,
        match=exactly(
            "root would be on both sides of this campaign, because giving an account its key or "
            "password counts as taking part in what it does. Ask someone else to decide, or get a "
            "new key or password from another administrator or another account on the host (`loa "
            "key add`, `loa user password`)."
        ),
    ):
        both(db, root, "chief")
    key(db, "chief-2", root)
    with pytest.raises(FourEyes):
        both(db, root, "chief-2")
    key(db, "chief-3", other)
    both(db, root, "chief-3")


@pytest.mark.longer
def test_another_password_from_somebody_else_is_another_beginning(db: Database) -> None:
    for name in ("hoa", "mai", "nga"):
        person(db, name, "lan")
    db.write(acts.set_password, "mai", PASSWORD, "mai")  # whoever has it could do that
    with pytest.raises(FourEyes):
        both(db, "hoa", "mai")
    db.write(acts.set_password, "mai", PASSWORD, "thu")
    db.write(acts.set_password, "nga", PASSWORD, at_keyboard("lan"))
    both(db, "hoa", "mai")
    both(db, "somebody", "nga")


@pytest.mark.longer
def test_who_gives_a_password_anew_stands_behind_it(db: Database) -> None:
    person(db, "mai", at_keyboard("root"))
    db.write(acts.set_password, "mai", PASSWORD, "lan")
    with pytest.raises(FourEyes):
        both(db, "lan", "mai")


@pytest.mark.longer
def test_whoever_has_a_secret_of_a_key_that_is_good_stands_behind_it(db: Database) -> None:
    key(db, "chief", at_keyboard("root"))
    rotated(db, "lan")
    rotated(db, "thu")
    for writer in ("lan", "thu"):
        with pytest.raises(FourEyes):
            both(db, writer, "chief")
    rotated(db, "tam", 0)
    both(db, "thu", "chief")
    with pytest.raises(FourEyes):
        both(db, "tam", "chief")


@pytest.mark.longer
def test_a_password_given_anew_later_does_not_wash_the_campaign(db: Database) -> None:
    person(db, "hoa", at_keyboard("root"))
    db.write(acts.set_password, "hoa", PASSWORD, "lan")
    campaign_id = submitted(db, "hoa")
    db.write(acts.set_password, "hoa", PASSWORD, at_keyboard("root"))
    with pytest.raises(FourEyes, match="lan would be on both sides"):
        db.write(approval.approve, campaign_id, Caller("lan", "approver"))


@pytest.mark.parametrize("role", ["auditor", "operator", ""])
def test_only_approvers_and_admins_decide(db: Database, role: str) -> None:
    with pytest.raises(Forbidden, match="Only approvers can decide on campaigns"):
        db.write(approval.approve, submitted(db), Caller("chief", role))


@pytest.mark.longer
def test_an_edit_after_the_approval_voids_it_and_says_so(db: Database) -> None:
    campaign_id = submitted(db)
    db.write(approval.approve, campaign_id, Caller("chief", "approver"))
    edit(db, campaign_id, "editor", sender="CA")
    found = db.read(queries.dossier, campaign_id)
    assert found.campaign.state == "draft"
    assert [(each.decision, each.by, each.reason) for each in found.decisions] == [
        ("approved", "chief", None),
        ("voided", "editor", "edited"),
    ]
    [run] = found.runs
    with pytest.raises(Conflict, match=exactly("The campaign is draft. Runs can start only after approval.")):
        db.write(act, Verb.START, run.id, "operator")


NIGHT = {"purpose": "canh_bao_khan", "day_starts": "00:00", "day_ends": "24:00"}


@pytest.mark.longer
def test_an_urgent_warning_at_night_needs_a_named_approver_and_a_reason(db: Database) -> None:
    campaign_id = submitted(db)
    edit(db, campaign_id, "author", **NIGHT)
    db.write(lifecycle.submit, campaign_id, "author")
    for reason in (None, "", "  "):
        with pytest.raises(
            Invalid,
            match=exactly(
                "The campaign may send at night, during quiet hours. Enter a reason why this is necessary."
            ),
        ):
            db.write(approval.approve, campaign_id, Caller("chief", "approver"), None, reason)
    db.write(approval.approve, campaign_id, Caller("chief", "approver"), None, " the dam is breaking ")
    [decision] = db.read(queries.dossier, campaign_id).decisions
    assert (decision.by, decision.reason) == ("chief", "the dam is breaking")


@pytest.mark.longer
@pytest.mark.parametrize("hours", [("06:59", "21:00"), ("07:00", "22:01"), ("00:00", "06:00")])
def test_the_night_begins_at_ten_and_ends_at_seven(db: Database, hours: tuple[str, str]) -> None:
    campaign_id = submitted(db)
    edit(db, campaign_id, "author", **NIGHT | dict(zip(("day_starts", "day_ends"), hours, strict=True)))
    db.write(lifecycle.submit, campaign_id, "author")
    with pytest.raises(Invalid, match="quiet hours"):
        db.write(approval.approve, campaign_id, Caller("chief", "approver"))


def test_only_an_urgent_warning_may_go_out_at_night_at_all(db: Database) -> None:
    campaign_id = submitted(db)
    with pytest.raises(
        Invalid,
        match=exactly(
            "Campaigns with the purpose tuyen_truyen can only be sent between 07:00 and 22:00; "
            "canh_bao_khan has no such limit."
        ),
    ):
        edit(db, campaign_id, "author", **NIGHT | {"purpose": "tuyen_truyen"})


@pytest.mark.longer
def test_a_paused_run_goes_on_only_as_it_was_approved(db: Database) -> None:
    campaign_id = submitted(db)
    db.write(approval.approve, campaign_id, Caller("chief", "approver"))
    db.write(lambda c: c.execute(update(runs).values(state="paused")))
    run_id = db.read(queries.dossier, campaign_id).runs[0].id
    campaigns = runs.metadata.tables["campaigns"]
    db.write(lambda c: c.execute(update(campaigns).values(sender="SOMEBODY")))
    with pytest.raises(Conflict, match="differs from what was approved"):
        db.write(act, Verb.RESUME, run_id, "operator")


@pytest.mark.longer
def test_over_http_the_author_is_told_who_must_decide(client: Client, chief: Client, db: Database) -> None:
    campaign_id, _ = db.write(new_run)
    url = f"/v1/campaigns/{campaign_id}"
    client.post(f"{url}/submit")
    read = {"digest": client.get(url).json()["digest"]}
    refused = client.post(f"{url}/approve", json=read)
    assert (refused.status_code, refused.json()["type"]) == (403, "/docs/errors#four-eyes")
    assert chief.post(f"{url}/approve", json=read | {"reason": None}).status_code == 200


@pytest.mark.longer
def test_over_http_one_admin_alone_sends_nothing_by_any_accounts_of_the_own_making(
    client: Client, application: FastAPI, db: Database
) -> None:
    made = {n: client.post("/v1/keys", json={"name": n, "role": "admin"}).json()["key"] for n in "ab"}
    person = {"name": "puppet", "role": "approver", "password": PASSWORD}
    assert client.post("/v1/users", json=person).status_code == 201
    campaign_id, _ = db.write(new_run)
    url = f"/v1/campaigns/{campaign_id}"
    with Client(application, made["a"]) as one, Client(application, made["b"]) as two:
        assert one.post(f"{url}/submit").status_code == 200
        read = {"digest": one.get(url).json()["digest"]}
        by_key = [each.post(f"{url}/approve", json=read) for each in (one, two, client)]
    with Client(application) as page:
        came = page.post("/v1/session", json={"name": "puppet", "password": PASSWORD})
        token = {
            "X-CSRF-Token": came.json()["csrf_token"],
            "Cookie": f"loa_session={came.cookies['loa_session']}",
        }
        by_page = page.post(f"{url}/approve", headers=token, json=read)
    for refused in (*by_key, by_page):
        assert (refused.status_code, refused.json()["type"]) == (403, "/docs/errors#four-eyes")


# ---- whom a text reaches is as much of a campaign as the text ---------------------------------------------


@pytest.mark.parametrize(("decide", "more"), DECISIONS, ids=("approve", "reject", "return"))
def test_who_has_handed_in_the_list_does_not_decide_on_it(db: Database, decide: Any, more: Any) -> None:
    campaign_id = submitted(db)  # whose list is of `tester`
    for name in ("tester", at_keyboard("tester")):
        with pytest.raises(
            FourEyes,
            match=exactly(
                "You wrote, changed or submitted this campaign or uploaded its list. Someone else "
                "must decide."
            ),
        ):
            db.write(decide, campaign_id, Caller(name, "approver"), *more)
    db.write(decide, campaign_id, Caller("chief", "approver"), *more)


def test_nor_does_who_stands_behind_that_account(db: Database) -> None:
    campaign_id = submitted(db)
    db.write(create_key, "tester", "approver", made_by="chief")
    with pytest.raises(FourEyes, match="both sides"):
        db.write(approval.approve, campaign_id, Caller("chief", "approver"))


@pytest.mark.longer
def test_who_hands_in_a_list_that_is_known_does_not_decide_on_it_either(db: Database) -> None:
    campaign_id = submitted(db)
    known = UploadedFile("again.csv", "0" * 64, 9)
    for name in ("second", at_keyboard("third"), "second", "tester"):
        assert not db.write(register, "vnpt", known, name).created
    for name in ("tester", "second", "third"):
        with pytest.raises(
            FourEyes,
            match=exactly(
                "You wrote, changed or submitted this campaign or uploaded its list. Someone else "
                "must decide."
            ),
        ):
            db.write(approval.approve, campaign_id, Caller(name, "approver"))
    acts = select(audit_rows.c.who).where(audit_rows.c.action == "batch.again").order_by(audit_rows.c.id)
    assert db.read(lambda c: c.execute(acts).scalars().all()) == ["second", at_keyboard("third")]
    db.write(approval.approve, campaign_id, Caller("chief", "approver"))
