"""The claim: of the ways of tests/attack/tamper.py none sends one SMS to a person, or with a text, that was
not approved, none lets anybody in or approve, and each is named by `loa verify`, `loa audit verify` or the
doctor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import select, update

from app.campaigns import approval
from app.campaigns.runs import Verb, act
from app.core import clock
from app.core.errors import Conflict, Forbidden, Unauthorised
from app.core.states import CampaignState
from app.database import audit_heads
from app.database.connection import Database
from app.database.models import campaigns, people, runs
from app.dispatch.fan_out_job import FanOutJob
from app.ledger import approval_digest, batch_rows
from app.observability.faults import present
from app.security import audit, keys, login, sessions
from app.security.login import Login
from app.security.principal import Caller
from app.security.secret_encryption import KeyMissing, signing_keys, vault_of
from app.text_verification.compare import TextVerdict
from app.text_verification.sent_texts import VerificationService
from tests.app.world import aside
from tests.attack import tamper
from tests.attack.scene import KEYS, LIFETIME, PASSWORD, SETTINGS, Scene, made
from tests.sampled import each_third


@pytest.fixture
def scene(db: Database, database_url: str, tmp_path: Path) -> Iterator[Scene]:
    db.close()  # SQLite takes one process at a time
    file = tmp_path / "audit-heads"
    keyed = Database(
        database_url, keys=signing_keys(SETTINGS), on_head=lambda head: audit_heads.keep(file, head)
    )
    try:
        yield made(keyed, file)
    finally:
        keyed.close()


def test_what_nobody_has_tampered_with_goes_out_whole_and_nothing_is_named(scene: Scene) -> None:
    scene.start()
    assert set(scene.send()) == scene.approved
    assert scene.named() == []


def test_a_planned_run_that_is_cancelled_in_a_draft_is_nothing_to_name(scene: Scene) -> None:
    row = scene.db.read(lambda c: c.execute(select(campaigns)).one())
    scene.db.write(approval.void, row, "author")
    scene.db.write(lambda c: c.execute(update(campaigns).values(state=CampaignState.DRAFT.value)))
    scene.db.write(act, Verb.CANCEL, scene.world.run, "operator")
    assert not [each for each in scene.named() if each.startswith("Campaign")]


@pytest.mark.parametrize("way", each_third(tamper.BEFORE))
def test_before_the_start(scene: Scene, way: str) -> None:
    if way.startswith("an approval that was taken back"):
        row = scene.db.read(lambda c: c.execute(select(campaigns)).one())
        scene.db.write(approval.void, row, "author")
    if way == "a rejection made an approval":
        digest = scene.db.read(lambda c: approval_digest.digest(c, c.execute(select(campaigns)).one()))
        scene.db.write(approval.write, scene.world.campaign, "chief", digest=digest, decision="rejected")
    scene.db.write(tamper.BEFORE[way], scene.world)
    if way not in ("a campaign that nobody has approved", "a run that nobody has started"):
        try:
            scene.start()
        except Conflict:
            scene.db.write(lambda c: c.execute(update(runs).values(state="running")))  # past Loa, then
    out = scene.send()
    assert not set(out) - scene.approved
    assert out == []
    assert scene.named() != []


@pytest.mark.parametrize("way", each_third(tamper.MIDDLE))
def test_in_the_middle(scene: Scene, way: str) -> None:
    scene.start()
    assert len(scene.send(1)) == 10
    if way in tamper.PAUSED:
        scene.db.write(act, Verb.PAUSE, scene.world.run, "operator")
    scene.db.write(tamper.MIDDLE[way], scene.world)
    named = scene.named()
    out = scene.send()
    assert not set(out) - scene.approved
    assert not {phone for phone, *_ in out} & {tamper.STRANGER}
    assert named != []
    stopped = scene.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one())
    assert stopped == "paused"


def test_who_has_opted_out_gets_nothing_and_all_others_do(scene: Scene) -> None:
    refused = tamper.opted_out(scene.db)
    scene.start()
    assert {phone for phone, *_ in scene.send()} == {phone for phone, *_ in scene.approved} - refused
    assert scene.named() == []


@pytest.mark.parametrize("way", tamper.AGAIN)
def test_nothing_of_a_run_that_was_sent_is_sent_again(scene: Scene, way: str) -> None:
    scene.start()
    assert set(scene.send()) == scene.approved
    scene.db.write(tamper.AGAIN[way], scene.world)
    assert scene.send() == []
    assert scene.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "paused"
    assert scene.named() != []


@pytest.mark.parametrize("way", tamper.OPT_OUTS)
def test_nothing_is_queued_by_a_do_not_send_list_that_was_altered(scene: Scene, way: str) -> None:
    tamper.opted_out(scene.db)
    scene.db.write(tamper.OPT_OUTS[way], scene.world)
    scene.start()
    assert scene.send() == []
    assert scene.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "paused"
    assert any("do-not-send list of viettel" in each for each in scene.named())
    assert "do-not-send list of viettel" in scene.db.read(present)[0].reason


@pytest.mark.parametrize("way", tamper.SENT)
def test_the_public_check_calls_no_text_genuine_that_nobody_has_approved(scene: Scene, way: str) -> None:
    scene.start()
    assert set(scene.send()) == scene.approved
    service = VerificationService(scene.db, 1000, lambda connected, _: connected)
    genuine = "Canh giac lua dao"
    assert service.look(genuine).verdict is TextVerdict.GENUINE
    scene.db.write(tamper.SENT[way], scene.world)
    for asked in (service, VerificationService(scene.db, 1000, lambda connected, _: connected)):
        assert asked.look(tamper.SCAM).verdict is TextVerdict.UNKNOWN
    faults = scene.db.read(present)
    assert [(each.source, each.subject) for each in faults] == [
        ("verify", f"campaign {scene.world.campaign}")
    ]
    assert scene.named() != []


def test_a_list_that_is_altered_between_two_slices(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first slice is queued; of the second nothing is, though deliveries would fit their subscribers."""
    monkeypatch.setattr(batch_rows, "SLICE", 20)
    scene.start()
    queueing = FanOutJob(scene.db, scene.world.ledger, aside(scene.db))
    assert asyncio.run(queueing.next())
    scene.db.write(tamper._phone, scene.world, 35)
    while asyncio.run(queueing.next()):
        pass
    assert scene.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "paused"
    assert set(scene.send()) <= scene.approved
    assert any("not those that were imported" in each for each in scene.named())


@pytest.mark.parametrize("way", tamper.ACCOUNTS)
def test_accounts(scene: Scene, way: str) -> None:
    scene.db.write(lambda c: c.execute(update(campaigns).values(state=CampaignState.SUBMITTED.value)))
    scene.db.write(audit.note, "lan", "campaign.create", f"campaign/{scene.world.campaign}")
    scene.db.write(lambda c: c.execute(update(campaigns).values(created_by="lan", submitted_by="lan")))
    scene.db.write(tamper.ACCOUNTS[way], scene.world)
    for caller in let_in(scene, way):
        with pytest.raises((Conflict, Forbidden)):
            scene.db.write(approval.approve, scene.world.campaign, caller)
    assert scene.named() != []


def let_in(scene: Scene, way: str) -> list[Caller]:
    """Whoever comes in by the credentials of somebody who knows an operator's, and forges the others."""
    db, found = scene.db, list[Caller]()
    db.write(lambda c: c.execute(update(people).values(totp_step=0)))  # which no stamp is over
    code = pyotp.TOTP(scene.factor).at(clock.now())
    for each in (
        lambda: db.read(keys.find_caller, KEYS["robot"]),
        lambda: db.read(keys.find_caller, KEYS["gone"]),
        lambda: db.read(keys.find_caller, f"loa_f0f0f0f0_{tamper.SECRET}"),
        lambda: db.read(sessions.find_session, tamper.TOKEN, LIFETIME).caller,
        lambda: signed_in(db, Login("lan", PASSWORD, code)),
        lambda: signed_in(db, Login("an", f"{PASSWORD} ba")),
        lambda: signed_in(db, Login("binh", f"{PASSWORD} bon")),
        lambda: signed_in(db, Login("chief", PASSWORD, code)),
        lambda: signed_in(db, Login("chief", f"{PASSWORD} mot", tamper.SECRET)),
    ):
        try:
            found.append(each())
        except (Unauthorised, KeyMissing):
            continue
    if way == "who stands behind an approver":  # as the right one, whose account the author has made
        found.append(Caller("mai", "approver", None, person=True))
    if way == "the author's name in a campaign":  # an approver who has written it
        found.append(Caller("lan", "approver", None, person=True))
    return found


def signed_in(db: Database, wanted: Login) -> Caller:
    token = login.log_in(db, wanted, "127.0.0.1", LIFETIME, vault_of(SETTINGS))
    return db.read(sessions.find_session, token, LIFETIME).caller


@pytest.mark.parametrize("way", tamper.AUDIT)
def test_the_audit(scene: Scene, way: str) -> None:
    scene.start()
    scene.db.write(audit.note, "host", "person.add", "person/x")  # its head is kept at once
    scene.db.write(tamper.AUDIT[way], scene.world)
    assert scene.named() != []
    assert not set(scene.send()) - scene.approved
