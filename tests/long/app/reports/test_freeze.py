"""A frozen report never changes; what comes later makes a new version with exactly that difference."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import delete, update

from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Invalid, NotFound
from app.core.states import RunState
from app.database import models as m
from app.database.connection import Database
from app.ledger.contract import DeliveryKey, Link, SubmitOutcome
from app.reports.counting import snapshots
from app.reports.counting.carrier_report import build
from app.reports.export import json_file
from app.reports.export.formats import document, prepare
from app.reports.figures.figures import Unbalanced
from app.reports.figures.version import Version
from app.reports.forms import letterhead
from app.reports.frozen import archive, freeze_record
from app.reports.frozen.archive import Frozen, ReportSubject, Spoilt, SubjectKind
from app.reports.release import freeze, verify_archive
from app.reports.release.freeze import FORMATS, SIDECAR, Freezer
from app.reports.verification.verify import verify
from app.runtime.api_app import create_app
from app.security import create_key
from carriers.contract import Accepted, Reason, ReceiptStatus, Unknown
from tests.app import world
from tests.app.client import Client
from tests.app.ledger.test_money import priced
from tests.app.world import World
from tests.engines import by_default
from tests.long.app.reports.kept import take_at

database_url = by_default

PHONES = 30
HEADS = letterhead.load(None)


@dataclass(slots=True)
class Story:
    """A run whose messages were all taken by the carrier; receipts come as the test tells."""

    world: World
    freezer: Freezer
    subject: ReportSubject
    sent: list[int] = field(default_factory=list)

    def freeze(self, cutoff_ms: int | None = None) -> Frozen:
        return self.freezer.freeze(self.subject, cutoff_ms)[0]

    def receive(self, *seqs: int, status: ReceiptStatus = ReceiptStatus.DELIVERED) -> None:
        reason = Reason.NONE if status is ReceiptStatus.DELIVERED else Reason.BARRED
        link: Link = self.world.link
        arrivals = [world.receipt(link, f"m{seq}", status, reason=reason) for seq in seqs]
        self.world.db.write(self.world.ledger.apply, arrivals)

    def figures(self, report: Frozen) -> dict[str, Any]:
        return dict(json.loads(self.world.db.read(archive.figures, report)))


@pytest.fixture
def story(db: Database) -> Story:
    w = world.build(db, PHONES, chunk=PHONES)
    w.fan_out()
    lease = w.claim()
    assert lease is not None
    outcomes = [SubmitOutcome(item, Accepted((f"m{item.seq}",))) for item in lease.items[:-2]]
    outcomes += [SubmitOutcome(item, Unknown("time-out")) for item in lease.items[-2:]]
    db.write(w.ledger.record, w.link, lease, outcomes, None, 30.0)
    db.write(w.ledger.release, lease, 0.0)
    freezer = Freezer(db, w.ledger, HEADS, "tester")
    return Story(w, freezer, ReportSubject(SubjectKind.RUN, w.run), [item.seq for item in lease.items])


def test_a_frozen_report_has_hashes_and_every_file(story: Story, db: Database) -> None:
    story.receive(*story.sent[:10])
    report = story.freeze()
    assert (report.version, report.interim, report.created_by, report.changes) == (1, True, "tester", ())
    assert {file.format for file in report.files} == {*(form.value for form in FORMATS), SIDECAR}
    for file in report.files:
        found, content = db.read(archive.content, report, file.format)
        assert (found.size, len(found.sha256)) == (len(content), 64)
    assert story.figures(report)["general"]["received_by_handset_messages"] == 10


def test_asked_again_it_is_the_same_one(story: Story) -> None:
    first, new = story.freezer.freeze(story.subject)
    again, newer = story.freezer.freeze(story.subject)
    same, newest = story.freezer.freeze(story.subject, clock.to_ms(first.cut_off_at))
    assert (first, new) == (again, True)
    assert (same, newer, newest) == (first, False, False)


@pytest.mark.prove
def test_late_receipts_make_a_version_with_exactly_that_difference(story: Story) -> None:
    story.receive(*story.sent[:10])
    first = story.freeze()
    story.receive(story.sent[10])
    second = story.freeze()
    assert (second.version, first.version) == (2, 1)
    general = {each.where: each.difference for each in second.changes if each.where.startswith("Biểu 1, ")}
    assert general == {"Biểu 1, đã nhận (biên nhận máy)": 1, "Biểu 1, chưa có biên nhận": -1}
    assert {each.difference for each in second.changes} == {1, -1}
    assert {each.where.split(", ")[0] for each in second.changes} == {"Biểu 1", "Biểu 2", "Biểu 3"}


@pytest.mark.prove
def test_an_older_version_is_built_again_byte_for_byte(story: Story, db: Database) -> None:
    story.receive(*story.sent[:5])
    first = story.freeze()
    before = {form: db.read(archive.content, first, form)[1] for form in ("json", "csv")}
    story.receive(*story.sent[5:20])
    story.receive(*story.sent[:5], status=ReceiptStatus.UNDELIVERED)
    db.write(story.world.ledger.fold_tallies)
    second = story.freeze()
    assert verify_archive.prove(db, first).sound
    assert verify_archive.prove(db, second).sound
    after = {form: db.read(archive.content, first, form)[1] for form in ("json", "csv")}
    assert before == after
    again = db.read(build, story.world.run, clock.to_ms(first.cut_off_at))
    assert again.general.delivered == 5


def test_another_price_is_no_difference_of_a_frozen_report_and_its_parts_are_counted_again(
    story: Story, db: Database
) -> None:
    without = story.freeze()
    priced(db, viettel="250.50")
    story.receive(story.sent[0])
    report = story.freeze()
    cost = {"segments": PHONES, "unknown_segments": 2, "dong": 7515}
    assert (story.figures(without).get("cost"), story.figures(report)["cost"]) == (None, cost)
    for prices in ({"viettel": "300"}, {}):
        priced(db, **prices)
        assert verify_archive.prove(db, report) == verify_archive.Proof(report.id, ())
        assert verify_archive.prove(db, without).sound
    kept = {**story.figures(report), "cost": {**cost, "dong_with_vat": 8267}}  # of before 0063
    again = db.read(lambda c: freeze.as_frozen(verify_archive.rebuilt(c, report), kept))
    assert json_file.render(document(again)) == json_file.render(kept)


@pytest.mark.prove
def test_a_decision_of_a_person_after_the_freeze_is_set_back_too(story: Story, db: Database) -> None:
    first = story.freeze()
    keys = db.read(lambda c: [DeliveryKey(*row[:3]) for row in c.execute(m.unknowns.select())])
    db.write(story.world.ledger.write_off, keys[:1], "an")
    assert verify_archive.prove(db, first).sound
    second = story.freeze()
    assert story.figures(second)["unknown_written_off_messages"] == 1


@pytest.mark.parametrize("what", ["docx", "figures"])
def test_what_was_altered_is_not_given_out_and_is_named(story: Story, db: Database, what: str) -> None:
    report = story.freeze()
    if what == "figures":
        db.write(lambda c: c.execute(update(m.frozen_reports).values(figures="{}")))
        with pytest.raises(Spoilt, match="differs from what was frozen"):
            db.read(archive.figures, report)
    else:
        spoilt = update(m.report_files).where(m.report_files.c.format == what).values(content=b"x")
        db.write(lambda c: c.execute(spoilt))
        with pytest.raises(Spoilt, match="differs from what was frozen"):
            db.read(archive.content, report, what)
    proof = verify_archive.prove(db, report)
    assert not proof.sound
    assert what in proof.sentences[0]


def test_a_file_that_was_altered_together_with_its_hash_is_not_given_out_and_is_named(
    story: Story, db: Database
) -> None:
    report = story.freeze()
    assert verify(db, story.world.ledger) == []
    forged = b"PK forged"
    values = {"content": forged, "sha256": hashlib.sha256(forged).hexdigest(), "size": len(forged)}
    db.write(
        lambda c: c.execute(update(m.report_files).where(m.report_files.c.format == "docx").values(values))
    )
    with Client(create_app(Settings(), db), db.write(create_key, "anyone")) as client:
        answer = client.get(f"/v1/reports/{report.id}/files/docx")
        assert (answer.status_code, answer.json()["type"]) == (500, "/docs/errors#report-spoilt")
        assert client.get(f"/v1/reports/{report.id}/files/pdf").status_code == 500  # they are one record
    assert [each.sentence for each in verify(db, story.world.ledger)] == list(
        verify_archive.prove(db, db.read(archive.get, report.id)).sentences
    )
    assert (
        "The details of report 1 (version, cut-off, carrier, changes, list of"
        in verify(db, story.world.ledger)[0].sentence
    )


@pytest.mark.parametrize("part", [{"channel": "call"}, {"announcements": [{}]}, {"published": [{}]}])
def test_of_figures_that_are_no_longer_counted_the_bytes_are_proved_alone(
    story: Story, db: Database, part: dict[str, Any]
) -> None:
    first = story.freeze()
    text = json_file.render(story.figures(first) | part).decode()
    row = {"figures": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    db.write(lambda c: c.execute(update(m.frozen_reports).values(row)))
    report = db.read(archive.get, first.id)
    noted = update(m.audit).where(m.audit.c.action == freeze_record.FROZEN)
    db.write(lambda c: c.execute(noted.values(detail=freeze_record.detail(report))))
    proof = verify_archive.prove(db, report)
    assert proof.sound
    assert proof.note is not None
    assert "Report 1: it contains figures that Loa no longer counts, so only the" in proof.note
    db.write(lambda c: c.execute(update(m.report_files).values(content=b"x")))
    assert not verify_archive.prove(db, report).sound


def test_a_ledger_that_was_altered_no_longer_gives_the_figures(story: Story, db: Database) -> None:
    story.receive(*story.sent[:4])
    report = story.freeze()
    story.receive(story.sent[4])
    db.write(lambda c: c.execute(delete(m.receipts).where(m.receipts.c.seq == story.sent[4])))
    proof = verify_archive.prove(db, report)
    assert any("đã nhận (biên nhận máy) was 4 and is now 5" in each.lower() for each in proof.sentences)


def test_a_cut_off_is_neither_to_come_nor_before_the_last(story: Story) -> None:
    with pytest.raises(Invalid, match="The cut-off is in the future"):
        story.freeze(clock.now_ms() + 60_000)
    first = story.world.db.read(snapshots.now) - 1000
    take_at(story.world.db, story.subject, first)
    story.freeze()
    with pytest.raises(Conflict, match="Version 1 has a later cut-off"):
        story.freeze(first)


def test_nothing_is_frozen_of_what_does_not_add_up(story: Story, db: Database) -> None:
    db.write(lambda c: c.execute(update(m.batches).values(accepted=m.batches.c.accepted + 1)))
    with pytest.raises(Unbalanced, match="The recount found 1 differences, so nothing was frozen"):
        story.freeze()
    assert db.read(archive.newest, story.subject) is None


def test_a_run_that_is_still_being_queued_waits(story: Story, db: Database) -> None:
    moving = {"state": RunState.RUNNING.value}
    db.write(lambda c: c.execute(update(m.runs).values(**moving)))
    db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=False)))
    with pytest.raises(Conflict, match="still being queued"):
        story.freeze()


@pytest.mark.parametrize("kind", list(SubjectKind))
def test_what_does_not_exist_is_not_frozen(story: Story, kind: SubjectKind) -> None:
    with pytest.raises(NotFound):
        story.freezer.freeze(ReportSubject(kind, 99))


@pytest.mark.prove
def test_an_order_of_receipts_does_not_matter_to_the_figures(story: Story, db: Database) -> None:
    """A failure first and a delivery later: at each cut-off what was known then."""
    story.receive(story.sent[0], status=ReceiptStatus.UNDELIVERED)
    first = story.freeze()
    story.receive(story.sent[0])
    second = story.freeze()
    assert story.figures(first)["failed_messages_by_reason"]["barred"] == 1
    assert story.figures(second)["failed_messages_by_reason"]["barred"] == 0
    assert story.figures(second)["general"]["received_by_handset_messages"] == 1
    assert verify_archive.prove(db, first).sound


def test_a_link_that_proves_less_since_then_is_no_difference(story: Story, db: Database) -> None:
    report = story.freeze()
    db.write(lambda c: c.execute(update(m.links).values(receipt_level=0)))
    assert verify_archive.prove(db, report) == verify_archive.Proof(report.id, ())


def test_of_two_who_freeze_at_the_same_moment_one_is_told(story: Story, db: Database) -> None:
    report = db.read(build, story.world.run, db.wait_for_commits(None))
    story.freezer._keep(prepare(report), story.subject, Version(1))
    with pytest.raises(Conflict, match="Someone else has just frozen this report"):
        story.freezer._keep(prepare(report), story.subject, Version(1))
    assert db.read(archive.newest, story.subject) is not None
