"""How a directive stands: countdown, every run against the deadline, and what is missing from whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, event, insert, update

from app.campaigns import directives
from app.cli import directive_commands
from app.core import clock
from app.core.errors import NotFound
from app.database.connection import Database
from app.database.models import campaigns, links, runs, tallies
from app.directives.status import Status, countdown, days_left, status
from app.reports.figures import addressees
from app.reports.figures.addressees import Addressee, AddresseeKind
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity, statement_service
from app.reports.intake.schemas import StatementBody
from app.security import create_key
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.app.directives.scene import DEADLINE, letter
from tests.long.app.reports.intake.scene import body


def looked(db: Database, **before: float) -> Status:
    """The status so long before the deadline."""
    return db.read(status, 1, DEADLINE - timedelta(**before))


def state_run(db: Database, **changes: object) -> None:
    claim = StatementBody.model_validate(body(**changes)).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "viettel desk")


def lacking(found: Status) -> list[tuple[str, str]]:
    return [(each.who, each.what) for each in found.missing]


def test_what_is_missing_is_named_with_whom_to_ask(db: Database) -> None:
    letter(db)
    found = looked(db, days=3)
    assert (found.asked, found.reported, found.late) == (2, 1, 0)
    assert (found.countdown, found.seconds_left) == ("còn 3 ngày", 3 * 86_400)
    assert lacking(found) == [
        ("Viettel", "Phòng, chống lừa đảo (đợt 2): đã gửi, doanh nghiệp chưa báo số liệu"),
        ("MobiFone", "chưa có đợt gửi nào được duyệt"),
        ("Sở Tư pháp", "chưa báo cáo"),
    ]
    assert [each.email for each in found.missing] == ["carrier@x.example", None, "department@x.example"]
    assert not any(each.late for each in found.missing)


@pytest.mark.longer
def test_a_carrier_that_the_letter_names_twice_is_missed_under_both_names(db: Database) -> None:
    letter(db)
    for name, carrier in (("Viettel Sơn La", "viettel"), ("MobiFone Sơn La", "mobifone")):
        of = Addressee(None, 1, name, AddresseeKind.CARRIER, carrier, None)
        db.write(external_activity.register, of, "officer")
    named = [who for who, _ in lacking(looked(db, days=3))]
    assert named == ["Viettel", "Viettel Sơn La", "MobiFone", "MobiFone Sơn La", "Sở Tư pháp"]


@pytest.mark.longer
def test_after_the_deadline_everything_missing_is_late(db: Database) -> None:
    letter(db)
    found = looked(db, hours=-30)
    assert (found.countdown, found.late) == ("đã quá hạn 1 ngày", 1)
    assert all(each.late for each in found.missing)
    assert [(run.carrier, run.in_time) for run in found.runs] == [("vnpt", True), ("viettel", False)]


@pytest.mark.longer
def test_a_statement_in_time_completes_a_held_run(db: Database) -> None:
    letter(db)
    state_run(db)
    found = looked(db, hours=-30)
    run = found.runs[1]
    assert (run.basis, run.stated_version, run.in_time, run.missing) == (FigureSource.STATED, 1, True, None)
    assert found.runs[0].basis is FigureSource.MEASURED
    assert "Viettel" not in [each.who for each in found.missing]


@pytest.mark.longer
def test_a_statement_that_came_after_the_deadline_is_late(db: Database) -> None:
    letter(db)
    state_run(db, received_at="2024-02-26T08:00:00+07:00")
    assert looked(db, hours=-100).runs[1].in_time is False


@pytest.mark.longer
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("planned", "chưa bắt đầu gửi"),
        ("running", "đang gửi; doanh nghiệp chưa báo kết thúc"),
        ("sent", "đã gửi, doanh nghiệp chưa báo số liệu"),
    ],
)
def test_each_state_of_a_held_run_lacks_something_else(db: Database, state: str, words: str) -> None:
    letter(db, state)
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 2, state != "sent").values(ended_at=None)))
    assert looked(db, days=1).runs[1].missing == words


def test_a_running_run_is_forecast_against_the_deadline(db: Database) -> None:
    letter(db)
    queue = "UPDATE runs SET state = 'running', ended_at = NULL WHERE id = 1"
    db.write(lambda c: c.exec_driver_sql(queue))
    db.write(_queued, 10_000_000)
    early, late = looked(db, days=20), looked(db, days=1)
    done = early.runs[0].done_at
    assert done is not None
    assert early.runs[0].in_time is True
    assert late.runs[0].in_time is False
    assert any("after the report deadline" in sentence for sentence in late.runs[0].warnings)
    assert "dự kiến xong" in str(late.runs[0].missing)


@pytest.mark.parametrize(
    ("state", "in_time", "words"),
    [("running", True, "đang gửi, dự kiến xong"), ("paused", None, "tạm dừng gửi")],
)
def test_nobody_promises_when_a_paused_run_is_done(
    db: Database, state: str, in_time: bool | None, words: str
) -> None:
    """Its forecast holds from when somebody resumes it; that it is late already holds all the same."""
    letter(db)
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(state=state, ended_at=None)))
    db.write(_queued, 10_000_000)
    early, late = looked(db, days=20).runs[0], looked(db, days=1).runs[0]
    assert (early.in_time, late.in_time) == (in_time, False)
    assert words in str(early.missing)
    assert ("dự kiến xong" in str(early.missing)) is (state == "running")


def _queued(c: Connection, n: int) -> None:
    c.execute(update(links).values(segments_per_second=100.0))
    row = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "n": n, "segments": n, "state": 0, "reason": 0}
    c.execute(insert(tallies).values(row))


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, "còn 0 giờ 0 phút"),
        (59, "còn 0 giờ 59 phút"),
        (60, "còn 1 giờ 0 phút"),
        (1439, "còn 23 giờ 59 phút"),
        (1440, "còn 1 ngày"),
        (-1, "đã quá hạn 0 giờ 1 phút"),
        (-1439, "đã quá hạn 23 giờ 59 phút"),
        (-1440, "đã quá hạn 1 ngày"),
    ],
)
def test_the_countdown_on_either_side_of_each_bound(minutes: int, said: str) -> None:
    assert countdown(DEADLINE, DEADLINE - timedelta(minutes=minutes)) == said


def test_who_was_late_before_the_deadline_was_put_off_was_late_then(db: Database) -> None:
    now = clock.now()
    letter(db, deadline=now - timedelta(hours=2))
    db.write(directives.put_off, 1, now + timedelta(days=3), "By letter 311", "lan")

    def late(at: datetime) -> list[str]:
        found = db.read(addressees.addressee_statuses, 1, clock.to_ms(at))
        return [each.addressee.name for each in found if each.late]

    assert late(now - timedelta(hours=1)) == ["Sở Tư pháp"]
    assert late(clock.now() + timedelta(hours=1)) == []


@pytest.mark.parametrize(("hour", "days"), [(0, 3), (6, 3), (7, 3), (23, 3), (24, 2)])
def test_days_are_those_of_the_calendar_in_viet_nam_whatever_zone_the_times_are_in(
    hour: int, days: int
) -> None:
    begins = DEADLINE.replace(hour=0, minute=0) - timedelta(days=3)
    now = (begins + timedelta(hours=hour, minutes=30)).astimezone(UTC)
    assert countdown(DEADLINE, now) == countdown(DEADLINE.astimezone(UTC), now) == f"còn {days} ngày"
    assert days_left(DEADLINE, now) == days


def test_the_countdown_speaks_in_days_then_hours() -> None:
    assert countdown(DEADLINE, DEADLINE - timedelta(hours=5, minutes=7)) == "còn 5 giờ 7 phút"
    assert countdown(DEADLINE, DEADLINE + timedelta(minutes=1)) == "đã quá hạn 0 giờ 1 phút"
    assert countdown(None, DEADLINE) == "không có hạn báo cáo"


def test_there_is_no_status_of_no_directive(db: Database) -> None:
    with pytest.raises(NotFound):
        db.read(status, 1, DEADLINE)


@pytest.mark.longer
def test_the_status_over_http_is_for_officers(client: Client, application: FastAPI, db: Database) -> None:
    letter(db)
    found = client.get("/v1/directives/1/status").json()
    assert (found["number"], found["late"], len(found["missing"])) == ("303/CAT-PA05", 1, 3)
    assert client.get("/v1/notices").json() == {"items": [], "next": None}
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as operator:
        assert operator.get("/v1/directives/1/status").status_code == 403
        assert operator.get("/v1/notices").status_code == 403


@pytest.mark.longer
def test_the_status_on_the_command_line(db: Database, database_url: str, tmp_path: Path) -> None:
    letter(db)
    db.close()
    said = Shell(database_url, tmp_path)(directive_commands.app, "status", "1")
    assert said.startswith("303/CAT-PA05: đã quá hạn")
    assert "- Sở Tư pháp: chưa báo cáo (quá hạn)" in said


@pytest.mark.longer
def test_a_status_asks_no_more_for_forty_runs_than_for_one(db: Database) -> None:
    """Each run was once asked for its statement by itself: 163 ms for a directive of 500 campaigns."""

    def more(c: Connection) -> None:
        own = {"campaign_id": 1, "state": "finished", "created_at": 1, "started_at": 1, "ended_at": 2}
        c.execute(insert(runs), [own | {"carrier": f"carrier{n}"} for n in range(40)])

    letter(db)
    db.write(lambda c: c.execute(update(runs).values(ended_at=2)))
    asked = [_asked(db)]
    db.write(more)
    asked.append(_asked(db))
    assert len(looked(db).runs) == 42
    assert asked[0] == asked[1]


def _asked(db: Database) -> int:
    """How many statements a status takes."""
    found: list[object] = []

    def before(*call: object) -> None:
        found.append(call)

    event.listen(db.engine, "before_cursor_execute", before)
    try:
        looked(db)
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
    return len(found)


@pytest.mark.longer
@pytest.mark.parametrize(
    ("changes", "in_time", "said"),
    [
        ({"state": "cancelled"}, None, []),
        ({"state": "planned", "ended_at": None}, False, ["before anyone started it"]),
    ],
)
def test_what_was_cancelled_or_never_started_is_not_in_time(
    db: Database, changes: dict[str, object], in_time: bool | None, said: list[str]
) -> None:
    letter(db)
    window = update(campaigns).values(window_end=clock.to_ms(DEADLINE - timedelta(days=9)))
    db.write(lambda c: c.execute(window))
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(changes)))
    run = looked(db, days=1).runs[0]
    assert (run.state, run.in_time) == (changes["state"], in_time)
    assert [words for words in said if not any(words in each for each in run.warnings)] == []
