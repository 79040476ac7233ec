"""The result report adds up, and says no more than its receipts can carry."""

from __future__ import annotations

from dataclasses import astuple, fields, replace

import pytest
from sqlalchemy import delete, insert, update

from app.core import clock
from app.core.errors import NotFound
from app.core.states import NotSent
from app.database import models as m
from app.database.connection import Database
from app.dispatch import link_store
from app.ledger.contract import ResultKind
from app.reports.counting import consolidated
from app.reports.counting.carrier_report import build, build_batch, build_campaign
from app.reports.export import json_file
from app.reports.figures.figures import CarrierReport, Cause, Charged, DayRow, Figures, Unbalanced
from app.reports.figures.table_model import ReportTable
from app.reports.forms import carrier_tables, comparison_tables
from app.security import audit
from carriers.contract import Reason, ReceiptLevel
from tests.app.ledger.test_money import priced
from tests.engines import by_default
from tests.long.app.reports.scene import DAY, HOUR, T0, S, Scene, varied

database_url = by_default

CUTOFF = T0 + 3 * DAY


def report_of(db: Database, run: int = 1) -> CarrierReport:
    return db.read(build, run, CUTOFF)


def form_1(report: CarrierReport) -> ReportTable:
    return next(form for form in carrier_tables.of_run(report) if form.name == "Biểu 1")


def excluded(report: CarrierReport) -> dict[str, int]:
    return {cause.key: cause.n for cause in report.excluded}


def test_the_networks_that_refusals_name_stand_beside_their_reason(db: Database) -> None:
    scene = Scene()
    for network in ("vnpt", "vnpt", "mobifone", None):
        message = scene.message(S.REJECTED, reason=int(Reason.OTHER_NETWORK))
        scene.rows[m.submissions][-1]["network"] = network
        assert message["reason"] == Reason.OTHER_NETWORK
    again = {"attempt": 2, "result": int(ResultKind.REJECTED), "network": "mobifone"}
    scene.submission(message, **again)  # a person had it sent again, and it was refused twice more
    scene.submission(message, **again | {"attempt": 3, "network": "vnpt"})
    scene.save(db)
    report = db.read(build, 1, CUTOFF)
    assert {cause.key: cause.n for cause in report.networks} == {"vnpt": 3, "mobifone": 1}
    assert {cause.key: cause.n for cause in report.reasons}["other_network"] == 4
    form = next(form for form in carrier_tables.of_run(report) if form.name == "Biểu 4")
    row = next(row for row in form.rows if row.key == "other_network")
    assert row.cells[-1] == "Thuộc mạng MobiFone: 1; VNPT VinaPhone: 3"


def test_form_1_counts_every_line_of_the_run_once(sound: Database) -> None:
    expected = {"eligible": 16, "excluded": 6, "waiting": 0, "sent": 10, "segments": 12}
    expected |= {"delivered": 3, "relayed": 0, "failed": 4, "no_receipt": 1, "unknown": 2}
    report = report_of(sound)
    assert {key: getattr(report.general, key) for key in expected} == expected
    in_lines = {"repeated": 1, "fixed_line": 2, "too_short": 1}
    assert excluded(report) == in_lines | {"cancelled": 1, "repeated_in_campaign": 1}


def test_operator_receipts_are_never_counted_as_handset_receipts(sound: Database) -> None:
    vnpt, viettel = (report_of(sound, run).general for run in (1, 2))
    assert (vnpt.delivered, vnpt.relayed) == (3, 0)
    assert (viettel.delivered, viettel.relayed) == (0, 2)
    assert (viettel.delivered_ratio, viettel.relayed_ratio) == (0.0, 2 / 3)


def test_a_message_without_receipt_is_not_failed_and_its_age_is_known(db: Database) -> None:
    scene = Scene()
    scene.message(S.SUBMITTED, submitted_at=T0 + HOUR)
    scene.message(S.SUBMITTED, submitted_at=T0 + 2 * HOUR)
    scene.message(S.DELIVERED)
    scene.save(db)
    report = report_of(db)
    assert (report.general.no_receipt, report.general.failed) == (2, 0)
    assert report.extra.oldest_ms == T0 + HOUR


def test_areas_are_named_and_add_up_to_form_1_with_the_lines_outside(sound: Database) -> None:
    report = report_of(sound)
    names = [(row.code, row.name, row.figures.eligible) for row in report.areas]
    assert names == [
        ("03646", "Phường Chiềng Lề", 3),
        ("03664", "Xã Chiềng Xôm", 7),
        ("03670", "Phường Chiềng Cơi", 1),
        (None, "Không xác định địa bàn", 1),
    ]
    outside = Figures(eligible=report.outside_areas, excluded=report.outside_areas)
    assert report.outside_areas == 4
    assert sum((row.figures for row in report.areas), outside) == report.general


def test_an_area_that_no_list_knows_keeps_its_code(db: Database) -> None:
    scene = Scene()
    scene.message(S.DELIVERED, area="99999")
    scene.save(db)
    assert [row.name for row in report_of(db).areas] == ["99999"]


def test_days_are_those_of_viet_nam(db: Database) -> None:
    midnight = T0 - 9 * HOUR
    scene = Scene()
    scene.batch(2)
    scene.message(S.DELIVERED, submitted_at=midnight - 1, done_at=midnight)
    scene.message(S.DELIVERED, batch=2, submitted_at=midnight, done_at=midnight + DAY)
    scene.message(S.SUBMITTED, submitted_at=midnight + 500)
    scene.message(S.UNKNOWN, submitted_at=None)
    scene.save(db)
    assert report_of(db).days == (
        DayRow("2024-01-28", 1, Figures(sent=1), midnight - 1, midnight - 1),
        DayRow("2024-01-29", 2, Figures(sent=2, delivered=1), midnight, midnight + 500),
        DayRow("2024-01-30", 0, Figures(delivered=1), None, None),
        DayRow(None, 1, Figures(sent=1), None, None),
    )


def test_the_rate_of_a_day_is_messages_over_the_time_between_first_and_last() -> None:
    nine, one = Figures(sent=9), Figures(sent=1)
    assert DayRow("2024-01-29", 1, nine, first_ms=T0, last_ms=T0 + 3000).messages_per_second == 3.0
    assert DayRow("2024-01-29", 1, one, first_ms=T0, last_ms=T0).messages_per_second is None
    assert DayRow(None).messages_per_second is None


@pytest.mark.parametrize("reason", [*Reason, NotSent.WRITTEN_OFF])
def test_every_reason_of_failure_has_a_line_in_form_4(db: Database, reason: int) -> None:
    scene = Scene()
    scene.message(S.UNDELIVERED, reason=int(reason))
    scene.save(db)
    lines = {cause.key: cause.n for cause in report_of(db).reasons}
    known = reason != Reason.NONE and reason in list(Reason)
    assert {key for key, n in lines.items() if n} == {Reason(reason).name.lower() if known else "other"}
    assert len(lines) == len(Reason) - 1


def test_what_waits_has_a_line_of_its_own_and_makes_the_report_interim(db: Database) -> None:
    scene = Scene("sent")
    scene.message(S.QUEUED)
    scene.message(S.DELIVERED)
    scene.subscriber(area=None)
    scene.save(db)
    report = report_of(db)
    assert (report.general.waiting, report.general.sent, report.interim) == (2, 1, True)


@pytest.mark.parametrize(
    ("state", "level", "message", "reason", "interim"),
    [
        ("finished", 2, S.DELIVERED, 0, False),
        ("running", 2, S.DELIVERED, 0, False),
        ("sent", 2, S.SUBMITTED, 0, True),
        ("sent", 0, S.SUBMITTED, 0, False),
        ("sent", 2, S.UNKNOWN, 0, True),
        ("sent", 2, S.UNKNOWN, int(NotSent.WRITTEN_OFF), False),
    ],
)
def test_a_report_says_whether_its_figures_may_change(
    db: Database, state: str, level: int, message: S, reason: int, interim: bool
) -> None:
    scene = Scene(state, level)
    scene.message(message, reason=reason)
    scene.save(db)
    assert report_of(db).interim is interim


@pytest.mark.parametrize("closing", [NotSent.CANCELLED, NotSent.WINDOW_CLOSED])
def test_what_was_never_queued_in_a_closed_run_is_not_sent(db: Database, closing: NotSent) -> None:
    scene = Scene()
    scene.run(2, "viettel", "cancelled", closing=int(closing))
    scene.batch(2, run=2)
    scene.subscriber(batch=2)
    scene.save(db)
    report = report_of(db, 2)
    assert (report.general.excluded, report.general.waiting) == (1, 0)
    assert excluded(report) == {closing.name.lower(): 1}


def test_bad_lines_that_were_purged_are_still_counted(db: Database) -> None:
    varied(db)
    db.write(lambda c: c.execute(delete(m.bad_lines)))
    report = report_of(db)
    assert excluded(report) == {"repeated": 1, "wrong_number": 3, "cancelled": 1, "repeated_in_campaign": 1}
    assert Cause("wrong_number", "Sai số", 3) in report.excluded


def test_long_messages_that_arrived_in_part_are_counted_beside(db: Database) -> None:
    scene = Scene()
    scene.message(S.SUBMITTED, parts=3, segments=3, delivered=0b001)
    scene.message(S.UNDELIVERED, parts=2, segments=2, delivered=0b01, failed=0b10)
    scene.message(S.SUBMITTED, parts=2, segments=2)
    scene.message(S.DELIVERED, parts=2, segments=2)
    scene.save(db)
    report = report_of(db)
    assert (report.extra.partly, report.general.segments) == (2, 9)


def test_deferrals_are_counted_by_message_and_not_by_part(db: Database) -> None:
    scene = Scene()
    message = scene.message(S.DELIVERED, parts=2)
    for attempt, part in ((2, 0), (2, 1), (3, 0)):
        scene.submission(message, attempt=attempt, part=part, result=int(ResultKind.DEFERRED))
    scene.save(db)
    assert report_of(db).extra.deferred == 2


def test_messages_that_a_person_sent_again_are_counted_for_the_run_only(db: Database) -> None:
    varied(db)
    for subject, n in (("run/1", 3), ("run/1", 2), ("run/2", 7)):
        db.write(audit.note, "an", "unknown.resend", subject, n=n)
    assert [db.read(build, run, clock.now_ms()).extra.resent for run in (1, 2)] == [5, 7]
    db.write(lambda c: c.execute(update(m.audit).values(at=T0)))
    assert [report_of(db, run).extra.resent for run in (1, 2)] == [5, 7]
    assert db.read(build_batch, 1, 1, CUTOFF).extra.resent is None


def test_the_head_says_who_asked_for_what(sound: Database) -> None:
    head = report_of(sound).header
    assert head.directive == "303/CAT-PA05 (2024-01-29)"
    assert (head.campaign, head.carrier, head.batches, head.receipt_level) == (
        "Phòng, chống lừa đảo", "vnpt", (1, 2, 4), 2,
    )  # fmt: skip
    assert head.cutoff_ms == CUTOFF


def test_a_campaign_without_directive_and_a_carrier_without_link_have_their_report(db: Database) -> None:
    scene = Scene()
    scene.campaign(2)
    scene.run(2, "mobifone", campaign=2)
    scene.save(db)
    db.write(lambda c: c.execute(delete(m.links)))
    report = report_of(db, 2)
    assert (report.header.directive, report.header.receipt_level, report.areas) == (None, None, ())
    assert report.general == Figures()
    assert (report.general.delivered_ratio, report.general.relayed_ratio) == (None, None)


def test_a_link_that_proves_more_from_today_on_changes_no_report_of_before(db: Database) -> None:
    varied(db)
    link = link_store.LinkRecord("vnpt-1", "vnpt", "vnpt-1", 50.0, ReceiptLevel.OPERATOR)
    db.write(lambda c: c.execute(delete(m.links)))
    db.write(link_store.register, link)
    db.write(lambda c: c.execute(update(m.link_levels).values(since=T0)))
    db.write(lambda c: c.execute(update(m.runs).values(started_at=T0 + HOUR, ended_at=T0 + DAY)))
    before = report_of(db)
    assert before.header.receipt_level == ReceiptLevel.OPERATOR
    db.write(link_store.register, replace(link, receipt_level=ReceiptLevel.HANDSET))
    assert report_of(db) == before
    db.write(lambda c: c.execute(update(m.runs).values(started_at=clock.now_ms(), ended_at=None)))
    assert db.read(build, 1, clock.now_ms()).header.receipt_level == ReceiptLevel.HANDSET


def test_a_link_that_proves_less_from_today_on_changes_no_report_of_before(db: Database) -> None:
    """As after the upgrade with which a link that does not say proves the operator's centre alone."""
    varied(db)
    link = link_store.LinkRecord("vnpt-1", "vnpt", "vnpt-1", 50.0, ReceiptLevel.HANDSET)
    db.write(lambda c: c.execute(delete(m.links)))
    db.write(link_store.register, link)
    db.write(lambda c: c.execute(update(m.link_levels).values(since=T0)))
    db.write(lambda c: c.execute(update(m.runs).values(started_at=T0 + HOUR, ended_at=T0 + DAY)))
    before = report_of(db)
    db.write(link_store.register, replace(link, receipt_level=ReceiptLevel.OPERATOR))
    assert report_of(db) == before
    db.write(lambda c: c.execute(update(m.runs).values(started_at=clock.now_ms(), ended_at=None)))
    assert db.read(build, 1, clock.now_ms()).header.receipt_level == ReceiptLevel.OPERATOR


def test_the_batches_of_a_run_add_up_to_the_run(sound: Database) -> None:
    parts = [sound.read(build_batch, 1, batch, CUTOFF) for batch in (1, 2)]
    assert parts[0].general + parts[1].general == report_of(sound).general
    assert [part.header.batches for part in parts] == [(1,), (2,)]


def test_one_batch_in_two_campaigns_is_reported_apart(db: Database) -> None:
    scene = Scene()
    scene.message(S.DELIVERED)
    scene.campaign(2)
    scene.run(2, "vnpt", campaign=2)
    scene.save(db)
    db.write(lambda c: c.execute(insert(m.run_batches).values(campaign_id=2, batch_id=1, run_id=2)))
    first, second = (db.read(build_batch, campaign, 1, CUTOFF).general for campaign in (1, 2))
    assert (first.delivered, first.waiting) == (1, 0)
    assert (second.delivered, second.waiting) == (0, 1)


def test_the_runs_of_a_campaign_stand_side_by_side(sound: Database) -> None:
    report = sound.read(build_campaign, 1, CUTOFF)
    assert [run.header.carrier for run in report.runs] == ["vnpt", "viettel"]
    assert report.total == report.runs[0].general + report.runs[1].general
    assert report.interim
    own = sound.read(build_campaign, 1, CUTOFF, "viettel")
    assert [run.header.carrier for run in own.runs] == ["viettel"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ((build, 9), "There is no run 9"),
        ((build_batch, 1, 9), "Batch 9 is not part of campaign 1"),
        ((build_campaign, 9), "There is no campaign 9"),
    ],
)
def test_what_does_not_exist_is_named(db: Database, call: tuple[object, ...], said: str) -> None:
    with pytest.raises(NotFound, match=said):
        db.read(*call, CUTOFF)


def change_tally(column: str, by: int, state: S) -> object:
    t = m.tallies
    return update(t).where(t.c.state == int(state)).values({column: t.c[column] + by})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change_tally("n", 1, S.UNKNOWN), "number of lines adds up to 18 one way and to 16 another"),
        (change_tally("n", -1, S.EXCLUDED), "number of lines adds up to 15 one way and to 16 another"),
        (change_tally("state", -1, S.DELIVERED), "delivered by day adds up to 3 one way and to 0 another"),
        (update(m.batches).values(lines=m.batches.c.lines + 1), "the number excluded adds up to"),
        (
            update(m.deliveries).values(batch_id=m.deliveries.c.batch_id + 9),
            "sent by day adds up to 0 one way and to 10 another",
        ),
    ],
)
def test_a_report_that_does_not_add_up_is_refused(db: Database, spoil: object, said: str) -> None:
    varied(db)
    db.write(lambda c: c.execute(spoil))
    with pytest.raises(Unbalanced, match=said):
        report_of(db)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (Figures(eligible=3, sent=2, delivered=2), "eligible - excluded - waiting"),
        (Figures(eligible=2, sent=2, delivered=1), "the sum of outcomes 1"),
        (Figures(eligible=1, sent=1, delivered=2, failed=-1), "a count is not zero or more"),
    ],
)
def test_figures_that_do_not_close_are_named(figures: Figures, said: str) -> None:
    with pytest.raises(Unbalanced, match=said):
        figures.check("Run 1")


def test_figures_add_column_by_column() -> None:
    n = len(fields(Figures))
    one = Figures(*range(n))
    assert astuple(one + replace(one, eligible=5)) == (5, *(2 * each for each in range(1, n)))


@pytest.mark.parametrize("run", [1, 2])
def test_a_brief_report_differs_in_what_it_leaves_out_alone(sound: Database, run: int) -> None:
    whole, brief = sound.read(build, run, CUTOFF), sound.read(build, run, CUTOFF, brief=True)
    days = [sum((day.figures for day in each.days), Figures()) for each in (whole, brief)]
    assert days[0] == days[1]
    left_out = {"extra": brief.extra, "days": brief.days, "steps": (), "networks": ()}
    assert brief == replace(whole, **left_out)
    assert brief.extra.written_off == whole.extra.written_off


def test_what_a_carrier_charges_is_counted_in_parts_state_by_state(db: Database) -> None:
    scene, parts = Scene(), dict.fromkeys(S, 0)
    for nth, state in enumerate((S.DELIVERED, S.UNDELIVERED, S.EXPIRED, S.REJECTED, S.UNKNOWN, S.SUBMITTED)):
        parts[state] = 2**nth  # so that each sum tells of what it is
        for _ in range(nth + 2):
            scene.message(state, segments=2**nth)
        parts[state] *= nth + 2
    scene.message(S.QUEUED, segments=64)
    scene.message(S.NOT_SENT, segments=128, reason=int(NotSent.CANCELLED))
    scene.save(db)
    priced(db, vnpt="2")
    charged = sum(n for state, n in parts.items() if state is not S.REJECTED)
    assert report_of(db).cost == Charged(charged, parts[S.UNKNOWN], 2 * charged)


def test_what_was_handed_over_is_priced_and_what_was_refused_costs_nothing(db: Database) -> None:
    scene = Scene()
    for state in (S.DELIVERED, S.UNDELIVERED, S.REJECTED, S.UNKNOWN):
        scene.message(state, submitted_at=T0)
    later = T0 + DAY
    scene.message(S.DELIVERED, submitted_at=later, done_at=later + 5000)
    scene.rows[m.submissions][-1]["at"] = scene.rows[m.receipts][-1]["received_at"] = later
    scene.save(db)
    unpriced = report_of(db)
    assert unpriced.cost == Charged(4, 1)
    assert "cost" not in json_file.of_run(unpriced)
    priced(db, vnpt="250.50")
    report = report_of(db)
    assert report.cost == Charged(4, 1, 1002)
    assert json_file.of_run(report)["cost"] == {"segments": 4, "unknown_segments": 1, "dong": 1002}
    form, plain = ({row.key: row.cells[3] for row in form_1(each).rows} for each in (report, unpriced))
    assert (form["charged"], form["dong"]) == (4, 1002)
    assert not {"charged", "dong"} & plain.keys()


def test_the_consolidated_report_says_what_was_sent_cost_and_whom_that_leaves_out(sound: Database) -> None:
    assert comparison_tables.cost(sound.read(consolidated.build, 1, CUTOFF)) == ()
    priced(sound, vnpt="250.50")
    (form,) = comparison_tables.cost(sound.read(consolidated.build, 1, CUTOFF))
    cost = report_of(sound).cost
    assert cost
    assert form.rows[-1].cells[2:] == (cost.segments, cost.unknown_segments, cost.dong)
    assert "Chưa gồm" in form.source


def test_telephones_that_were_off_are_a_part_of_what_failed_in_general_and_by_area(db: Database) -> None:
    scene = Scene("finished")
    for reason, n in ((Reason.EXPIRED, 3), (Reason.NO_SUCH_NUMBER, 2)):
        for _ in range(n):
            scene.message(S.UNDELIVERED, area="116", reason=int(reason))
    scene.message(S.DELIVERED)
    scene.save(db)
    report = report_of(db)
    assert (report.general.failed, report.general.switched_off) == (5, 3)
    assert [row.figures.switched_off for row in report.areas if row.code == "116"] == [3]
    assert next(cause.n for cause in report.reasons if cause.key == "expired") == 3
    with pytest.raises(Unbalanced, match="switched_off 6 is not at most failed 5"):
        replace(report.general, switched_off=6).check("Run 1")
