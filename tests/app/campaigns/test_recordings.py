"""Recordings that carriers play: whose they are, what is approved of them, and who hears what."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.campaigns import approval, carrier_orders, lifecycle, queries, recordings
from app.campaigns.carrier_audience import Audience
from app.campaigns.forecast import forecast
from app.campaigns.recordings import NewRecording, Recording, checked
from app.campaigns.runs import Verb, order
from app.core import areas, clock
from app.core.areas import Basis
from app.core.errors import Conflict, Invalid, NotFound
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import audiences as audience_rows
from app.database.models import audit, campaigns
from app.database.models import recordings as rows
from app.ledger.unreached import covered
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, new_campaign
from tests.engines import by_default, on_sqlite
from tests.sounds import mp3, wav

database_url = by_default

SPOKEN = Audience(("116", "125"), Basis.REGISTERED, 350_000, spoken=True)
WORDS = "Công an không làm việc qua điện thoại."
HMONG = "Tub ceev xwm tsis hais lus hauv xov tooj."


def recorded(language: str = "vi", *areas: str, wording: str = WORDS, sound: bytes = b"") -> NewRecording:
    return checked(language, areas, wording, sound or wav(2))


def spoken_run(
    db: Database, *of: NewRecording, carrier: str = "vnpt", audience: Audience = SPOKEN
) -> tuple[int, int]:
    """A draft with a run that calls, and these recordings: ids of campaign and run."""
    campaign_id = db.write(new_campaign)
    for each in of:
        db.write(lifecycle.add_recording, campaign_id, each, "author")
    return campaign_id, db.write(lifecycle.add_held_run, campaign_id, carrier, audience, "author")


def approved(db: Database, campaign_id: int) -> None:
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, Caller("approver", "admin"))


def digest(db: Database, campaign_id: int) -> str:
    return db.read(queries.dossier, campaign_id).digest


@pytest.mark.longer
def test_a_recording_is_kept_with_its_bytes_its_hash_and_its_length(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    content = mp3(80)
    made = db.write(lifecycle.add_recording, campaign_id, recorded("VI", sound=content), "author")
    found, kept = db.read(recordings.fetch, campaign_id, made)
    assert kept == content
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.language, found.media_type, found.duration_ms) == ("vi", "audio/mpeg", 2089)
    assert found.file_name == f"loa-{found.sha256}.mp3"
    assert db.read(queries.dossier, campaign_id).recordings == [found]


@pytest.mark.longer
def test_the_same_recording_again_changes_nothing_and_voids_no_approval(db: Database) -> None:
    campaign_id, _ = spoken_run(db, recorded())
    approved(db, campaign_id)
    once = db.read(recordings.of_campaign, campaign_id)[0].id
    assert db.write(lifecycle.add_recording, campaign_id, recorded(), "author") == once
    assert db.read(queries.campaign, campaign_id).state == "approved"


@pytest.mark.parametrize(
    ("there", "new", "words"),
    [
        (("vi",), ("vi", "116"), "in the language vi already"),
        (("vi",), ("hmn",), "without areas already"),
        (("vi", "116"), ("hmn", "116"), "area 116 has two recordings"),
        # A district stands for all its communes.
        (("vi", "116"), ("hmn", sorted(covered(("116",)) - {"116"})[0]), "has two recordings"),
    ],
)
@on_sqlite
def test_nobody_would_hear_two_recordings(
    db: Database, there: tuple[str, ...], new: tuple[str, ...], words: str
) -> None:
    campaign_id = db.write(new_campaign)
    db.write(lifecycle.add_recording, campaign_id, recorded(*there), "author")
    with pytest.raises((Conflict, Invalid), match=words):
        db.write(lifecycle.add_recording, campaign_id, recorded(*new, sound=wav(3)), "author")
    assert len(db.read(recordings.of_campaign, campaign_id)) == 1


@pytest.mark.longer
@on_sqlite
def test_a_campaign_has_ten_recordings_at_the_most(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    codes = [each.code for each in areas.current(date(2026, 1, 1))]
    for n in range(recordings.MOST):
        db.write(lifecycle.add_recording, campaign_id, recorded(f"l{'abcdefghij'[n]}", codes[n]), "author")
    with pytest.raises(Conflict, match="10 recordings already"):
        db.write(lifecycle.add_recording, campaign_id, recorded(), "author")


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"areas": ("nowhere",)}, "areas"), ({"wording": " \u200b "}, "wording"), ({"content": b"no"}, "file")],
)
def test_a_wrong_recording_is_refused_with_its_field(changed: dict[str, Any], field: str) -> None:
    said: dict[str, Any] = {"language": "vi", "areas": (), "wording": WORDS, "content": wav(2)}
    with pytest.raises(Invalid) as caught:
        checked(**said | changed)
    assert [name for name, _ in caught.value.faults] == [field]


# ---- Approval


@pytest.mark.longer
def test_the_approval_signs_sound_words_language_areas_and_that_the_carrier_calls(db: Database) -> None:
    kinds = [
        (recorded(), SPOKEN),
        (recorded(sound=wav(3)), SPOKEN),
        (recorded(wording="Khác."), SPOKEN),
        (recorded("hmn"), SPOKEN),
        (recorded("vi", "116", "125"), SPOKEN),
        (recorded(), replace(SPOKEN, spoken=False)),
    ]
    found = set()
    for new, audience in kinds:
        campaign_id, _ = spoken_run(db, new, audience=audience)
        found.add(digest(db, campaign_id))
    assert len(found) == len(kinds)


def test_a_campaign_without_recordings_has_the_digest_that_it_always_had(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    before = digest(db, campaign_id)
    made = db.write(lifecycle.add_recording, campaign_id, recorded(), "author")
    assert digest(db, campaign_id) != before
    db.write(lifecycle.remove_recording, campaign_id, made, "author")
    assert digest(db, campaign_id) == before


@pytest.mark.longer
@pytest.mark.parametrize("change", ["add", "remove"])
def test_a_changed_recording_voids_the_approval(db: Database, change: str) -> None:
    campaign_id, run_id = spoken_run(db, recorded())
    approved(db, campaign_id)
    if change == "add":
        db.write(lifecycle.add_recording, campaign_id, recorded("hmn", "116", wording=HMONG), "author")
    else:
        known = db.read(recordings.of_campaign, campaign_id)[0].id
        db.write(lifecycle.remove_recording, campaign_id, known, "author")
    decisions = [each.decision for each in db.read(queries.dossier, campaign_id).decisions]
    assert decisions == ["approved", "voided"]
    with pytest.raises(Conflict, match="once it is approved"):
        order(db, Verb.START, run_id, "operator")


def test_who_hands_in_a_recording_does_not_approve_it(db: Database) -> None:
    campaign_id, _ = spoken_run(db, recorded())
    db.write(lifecycle.add_recording, campaign_id, recorded("hmn", "116", wording=HMONG), "speaker")
    db.write(lifecycle.submit, campaign_id, "author")
    with pytest.raises(approval.FourEyes):
        db.write(approval.approve, campaign_id, Caller("speaker", "admin"))


@pytest.mark.longer
@pytest.mark.parametrize("column", ["wording", "sha256", "areas", "duration_ms", "language"])
def test_a_row_that_is_altered_behind_loa_is_no_longer_what_was_approved(db: Database, column: str) -> None:
    campaign_id, run_id = spoken_run(db, recorded())
    approved(db, campaign_id)
    other: Any = {"areas": ["116"], "duration_ms": 9, "sha256": "0" * 64}.get(column, "xx")
    db.write(lambda c: c.execute(update(rows).values({column: other})))
    with pytest.raises(Conflict, match="differs from what was approved"):
        order(db, Verb.START, run_id, "operator")
    with pytest.raises(Conflict, match="differs from what was approved"):
        db.read(carrier_orders.order, run_id)


@pytest.mark.longer
def test_a_run_that_calls_is_not_made_one_that_sends_behind_the_approval(db: Database) -> None:
    campaign_id, run_id = spoken_run(db, recorded())
    approved(db, campaign_id)
    db.write(lambda c: c.execute(update(audience_rows).values(spoken=False)))
    with pytest.raises(Conflict, match="differs from what was approved"):
        order(db, Verb.START, run_id, "operator")


@pytest.mark.longer
def test_other_sound_under_the_approved_hash_is_neither_started_nor_handed_out(db: Database) -> None:
    campaign_id, run_id = spoken_run(db, recorded())
    approved(db, campaign_id)
    known = db.read(recordings.of_campaign, campaign_id)[0].id
    db.write(lambda c: c.execute(update(rows).values(content=wav(2, value=7))))
    with pytest.raises(Conflict, match="no longer the file that came"):
        order(db, Verb.START, run_id, "operator")
    with pytest.raises(Conflict, match="no longer the file that came"):
        db.read(recordings.fetch, campaign_id, known)


# ---- Start, and who hears what


@pytest.mark.longer
def test_a_run_that_calls_needs_a_recording_for_everybody(db: Database) -> None:
    campaign_id, _ = spoken_run(db)
    with pytest.raises(Conflict, match="no recording for all of its areas"):
        db.write(lifecycle.submit, campaign_id, "author")
    db.write(lifecycle.add_recording, campaign_id, recorded("hmn", "116", wording=HMONG), "author")
    with pytest.raises(Conflict, match="no recording for all of its areas"):
        db.write(lifecycle.submit, campaign_id, "author")
    db.write(lifecycle.add_recording, campaign_id, recorded("vi", "125"), "author")
    db.write(lifecycle.submit, campaign_id, "author")


@pytest.mark.longer
@pytest.mark.parametrize(
    "audience", [SPOKEN, Audience((), Basis.UNDIVIDED, 350_000, spoken=True), replace(SPOKEN, areas=("125",))]
)
@on_sqlite
def test_a_recording_that_nobody_would_hear_is_not_submitted(db: Database, audience: Audience) -> None:
    of_116 = recorded("hmn", "116", wording=HMONG, sound=wav(3))
    campaign_id, _ = spoken_run(db, recorded(), of_116, audience=audience)
    if audience is SPOKEN:
        db.write(lifecycle.submit, campaign_id, "author")
        return
    with pytest.raises(Conflict, match=r"Nobody hears the recording in the language hmn.*Remove"):
        db.write(lifecycle.submit, campaign_id, "author")
    found = db.read(recordings.of_campaign, campaign_id)
    db.write(lifecycle.remove_recording, campaign_id, found[0].id, "author")
    db.write(lifecycle.submit, campaign_id, "author")


@pytest.mark.longer
def test_a_run_that_calls_has_the_life_of_any_whose_carrier_sends(db: Database) -> None:
    campaign_id, run_id = spoken_run(db, recorded())
    with pytest.raises(Conflict, match="once it is approved"):
        order(db, Verb.START, run_id, "operator")
    approved(db, campaign_id)
    assert order(db, Verb.START, run_id, "operator") == RunState.RUNNING
    with pytest.raises(Conflict, match="has started"):
        db.write(lifecycle.add_recording, campaign_id, recorded("hmn", "116"), "author")
    assert order(db, Verb.END, run_id, "operator") == RunState.SENT


@pytest.mark.longer
def test_a_budget_in_dong_does_not_keep_calls_from_beginning(db: Database) -> None:
    campaign_id = db.write(new_campaign, replace(DRAFT, budget_dong=1000))
    db.write(lifecycle.add_recording, campaign_id, recorded(), "author")
    run_id = db.write(lifecycle.add_held_run, campaign_id, "vnpt", SPOKEN, "author")
    approved(db, campaign_id)
    assert order(db, Verb.START, run_id, "operator") == RunState.RUNNING


def _heard(of: list[Recording], *areas: str, basis: Basis = Basis.REGISTERED) -> list[tuple[str, Any]]:
    found = recordings.played(of, Audience(areas, basis, 10, spoken=True))
    return [(each.language, each.areas) for each in found]


@on_sqlite
def test_each_area_hears_the_recording_that_is_for_it(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    for new in (recorded(), recorded("hmn", "116", wording=HMONG)):
        db.write(lifecycle.add_recording, campaign_id, new, "author")
    known = db.read(recordings.of_campaign, campaign_id)
    assert _heard(known) == [("hmn", ("116",)), ("vi", ())]
    assert _heard(known, "116", "125") == [("hmn", ("116",)), ("vi", ())]
    assert _heard(known, "116") == [("hmn", ("116",))]
    assert _heard(known, "125") == [("vi", ())]
    commune = sorted(code for code in covered(("116",)) if len(code) == 5)[0]
    assert _heard(known, commune)[0][0] == "hmn"
    # Who can't tell areas plays the one for all.
    assert _heard(known, basis=Basis.UNDIVIDED) == [("vi", ())]
    with pytest.raises(Conflict, match="no recording for all"):
        _heard([each for each in known if each.areas], basis=Basis.UNDIVIDED)


@pytest.mark.longer
def test_the_order_names_each_recording_and_no_text_to_send(db: Database) -> None:
    campaign_id, run_id = spoken_run(db, recorded(), recorded("hmn", "116", wording=HMONG, sound=mp3(80)))
    approved(db, campaign_id)
    found = db.read(carrier_orders.order, run_id)
    assert found.texts == []
    assert [(each.language, each.areas, each.duration_ms) for each in found.recordings] == [
        ("hmn", ("Thành phố Sơn La",), 2089),
        ("vi", (), 2000),
    ]
    page = carrier_orders.as_text(found)
    known = db.read(recordings.of_campaign, campaign_id)
    for words in (WORDS, HMONG, known[0].sha256, known[1].sha256, known[0].file_name, found.digest):
        assert words in page
    for words in ("PHÁT THÔNG BÁO THOẠI", "thời lượng 2,1 giây", "(hmn), cho địa bàn Thành phố Sơn La"):
        assert words in page
    for words in ("Nội dung:", DRAFT.text or "", "bản tin"):
        assert words not in page


def test_calls_are_no_sms_parts_in_the_forecast(db: Database) -> None:
    _, run_id = spoken_run(db, recorded())
    found = db.read(forecast, run_id, clock.now())
    assert (found.subscribers, found.segments, found.segments_left) == (350_000, 0, 0)


def test_a_withdrawn_campaign_keeps_no_voice(db: Database) -> None:
    campaign_id, _ = spoken_run(db, recorded())
    db.write(lifecycle.withdraw, campaign_id, "author")
    assert db.read(lambda c: c.scalar(select(func.count()).select_from(rows))) == 0


def test_who_added_and_removed_a_recording_is_in_the_audit_with_its_hash(db: Database) -> None:
    campaign_id, _ = spoken_run(db, recorded())
    known = db.read(recordings.of_campaign, campaign_id)[0]
    db.write(lifecycle.remove_recording, campaign_id, known.id, "second")
    own = select(audit.c.who, audit.c.action, audit.c.detail).where(audit.c.action.like("recording.%"))
    acts = db.read(lambda c: c.execute(own.order_by(audit.c.id)).all())
    assert [(who, action) for who, action, _ in acts] == [
        ("author", "recording.add"),
        ("second", "recording.remove"),
    ]
    details = [each if isinstance(each, dict) else json.loads(each) for _, _, each in acts]
    assert {each["sha256"] for each in details} == {known.sha256}


def test_a_campaign_that_answers_citizens_takes_no_recording(db: Database) -> None:
    campaign_id = db.write(new_campaign)
    db.write(lambda c: c.execute(update(campaigns).values(answers_to="opt_out")))
    with pytest.raises(Conflict, match="answers messages of citizens"):
        db.write(lifecycle.add_recording, campaign_id, recorded(), "author")


@pytest.mark.longer
def test_a_recording_of_another_campaign_is_not_found(db: Database) -> None:
    first, _ = spoken_run(db, recorded())
    second = db.write(new_campaign)
    known = db.read(recordings.of_campaign, first)[0].id
    for work in (recordings.get, recordings.fetch):
        with pytest.raises(NotFound):
            db.read(work, second, known)
    with pytest.raises(NotFound):
        db.write(lifecycle.remove_recording, second, known, "author")
