"""A forecast counts what is left, at the rate there is, in the hours that are open."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy import Connection, insert, update

from app.campaigns import directives
from app.campaigns.forecast import Deadlines, Forecast, Load, Rate, conclude, forecast
from app.core import sending_window
from app.core.clock import VIETNAM
from app.core.config import Settings
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import runs, tallies
from tests.app.campaigns.rows import DRAFT, new_link, new_run

EIGHT = datetime(2030, 2, 4, 8, tzinfo=VIETNAM)
TWO_PARTS = replace(DRAFT, text="a" * 161)


def tally(connection: Connection, run_id: int, state: DeliveryState, n: int, segments: int) -> None:
    row = {"campaign_id": 1, "run_id": run_id, "batch_id": 1, "state": state, "reason": 0}
    connection.execute(insert(tallies).values(**row, n=n, segments=segments))


def numbers(found: Forecast) -> tuple[int, int, int, int]:
    return found.subscribers, found.subscribers_left, found.segments, found.segments_left


def test_a_planned_run_counts_its_batches(db: Database) -> None:
    _, run_id = db.write(new_run, TWO_PARTS, accepted=36_000)
    db.write(new_link, rate=5.0)
    db.write(new_link, "vnpt-2", rate=5.0)
    found = db.read(forecast, run_id, EIGHT)
    assert numbers(found) == (36_000, 36_000, 72_000, 72_000)
    assert (found.segments_per_second, found.seconds) == (10.0, 7200.0)
    assert (found.begins_at, found.finishes_at) == (EIGHT, EIGHT.replace(hour=10))
    assert found.warnings == []


@pytest.mark.longer
def test_a_running_run_counts_what_the_tallies_leave(db: Database) -> None:
    _, run_id = db.write(new_run, TWO_PARTS, accepted=1000)
    db.write(new_link)
    db.write(tally, run_id, DeliveryState.QUEUED, 400, 800)
    db.write(tally, run_id, DeliveryState.QUEUED, -100, -200)
    db.write(tally, run_id, DeliveryState.SUBMITTED, 100, 200)
    db.write(tally, run_id, DeliveryState.EXCLUDED, 50, 0)
    db.write(lambda c: c.execute(update(runs).values(state="running")))
    # 550 of 1,000 subscribers are not in the ledger yet: they count with two parts each.
    assert numbers(db.read(forecast, run_id, EIGHT)) == (1000, 850, 1900, 1700)


def test_a_paused_run_s_end_is_told_for_the_case_that_somebody_resumes_it(db: Database) -> None:
    _, run_id = db.write(new_run, TWO_PARTS, accepted=1000)
    db.write(new_link)
    db.write(lambda c: c.execute(update(runs).values(state="paused")))
    found = db.read(forecast, run_id, EIGHT)
    assert found.finishes_at
    assert found.warnings[0] == "The run is paused. These times apply only if it is resumed now."
    db.write(lambda c: c.execute(update(runs).values(state="running")))
    assert not any("paused" in each for each in db.read(forecast, run_id, EIGHT).warnings)


def test_a_paused_run_with_nothing_left_is_not_called_done_without_a_condition(db: Database) -> None:
    _, run_id = db.write(new_run, accepted=10)
    db.write(tally, run_id, DeliveryState.SUBMITTED, 10, 10)
    db.write(lambda c: c.execute(update(runs).values(state="paused")))
    found = db.read(forecast, run_id, EIGHT)
    assert found.finishes_at
    assert found.warnings == ["The run is paused. These times apply only if it is resumed now."]


@pytest.mark.parametrize("state", ["cancelling", "cancelled", "sent", "finished"])
def test_a_run_that_sends_no_more_has_nothing_left(db: Database, state: str) -> None:
    _, run_id = db.write(new_run, accepted=1000)
    db.write(tally, run_id, DeliveryState.QUEUED, 400, 400)
    db.write(tally, run_id, DeliveryState.DELIVERED, 600, 600)
    db.write(lambda c: c.execute(update(runs).values(state=state)))
    found = db.read(forecast, run_id, EIGHT)
    assert numbers(found) == (1000, 0, 600, 0)
    assert (found.seconds, found.finishes_at, found.warnings) == (0.0, EIGHT, [])


@pytest.mark.longer
def test_halted_links_and_runs_before_it_are_named(db: Database) -> None:
    _, other = db.write(new_run)
    _, run_id = db.write(new_run, sha256="1" * 64)
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == other).values(state="running")))
    db.write(new_link)
    db.write(new_link, "vnpt-2", state="halted")
    found = db.read(forecast, run_id, EIGHT)
    assert found.segments_per_second == 10.0
    assert [warning.split(";")[0] for warning in found.warnings] == [
        "1 of 2 links are halted and are not counted.",
        "1 running runs come first on these links",
    ]


@pytest.mark.longer
@pytest.mark.parametrize(("priority", "seconds"), [(0, 360.0), (1, 60.0)])
def test_runs_of_one_carrier_share_its_links(db: Database, priority: int, seconds: float) -> None:
    """600 messages at 10 a second, behind 3,000 of a run that began before, unless its turn is earlier."""
    _, first = db.write(new_run, accepted=3000)
    _, second = db.write(new_run, accepted=600, sha256="1" * 64)
    db.write(new_link)
    db.write(lambda c: c.execute(update(runs).values(state="running")))
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == second).values(priority=priority)))
    assert db.read(forecast, second, EIGHT).seconds == seconds
    assert db.read(forecast, first, EIGHT).seconds == (300.0 if priority == 0 else 360.0)


@pytest.mark.parametrize(("state", "words"), [(None, "has no link"), ("halted", "Every link")])
def test_without_a_link_at_work_there_is_no_finish(db: Database, state: str | None, words: str) -> None:
    _, run_id = db.write(new_run)
    if state:
        db.write(new_link, state=state)
    found = db.read(forecast, run_id, EIGHT)
    assert (found.seconds, found.finishes_at) == (None, None)
    assert [words in warning for warning in found.warnings] == [True]


@pytest.mark.longer
def test_links_that_no_worker_has_opened_have_the_rate_of_the_settings(db: Database) -> None:
    link = {"carrier": "vnpt", "segments_per_second": 5}
    rates = Settings(links={"vnpt-1": link, "vnpt-2": link, "v": link | {"carrier": "viettel"}}).rates
    _, run_id = db.write(new_run, accepted=36_000)
    found = db.read(forecast, run_id, EIGHT, rates)
    assert (found.segments_per_second, found.seconds) == (10.0, 3600.0)
    assert found.warnings == ["No worker has opened the carrier's links yet, so the configured rate is used."]
    db.write(new_link, rate=2.0)
    assert db.read(forecast, run_id, EIGHT, rates).segments_per_second == 2.0


def test_the_directive_s_deadline_is_watched(db: Database) -> None:
    letter = directives.DirectiveFields(
        "303/CAT-PA05", date(2030, 1, 29), "CAT", "Tuyên truyền", EIGHT.replace(hour=9), ("VNPT",)
    )
    directive_id = db.write(directives.create, letter, "author")
    _, run_id = db.write(new_run, replace(DRAFT, directive_id=directive_id), accepted=72_000)
    db.write(new_link)
    assert db.read(forecast, run_id, EIGHT).warnings == [
        ("The run ends at 2030-02-04 10:00+07:00, after the report deadline at 2030-02-04 09:00+07:00.")
    ]


LOAD = Load(1000, 1000, 36_000, 36_000)
ONE_LINK = Rate(1.0, 1, 0, 0)  # ten hours of work


@pytest.mark.parametrize(
    ("now", "end", "begins", "finishes", "late"),
    [
        ("04 08:00", None, "04 08:00", "04 18:00", False),
        ("04 06:00", None, "04 07:00", "04 17:00", False),
        ("04 16:00", None, "04 16:00", "05 12:00", False),
        ("04 22:00", "05 17:00", "05 07:00", "05 17:00", False),
        ("04 22:00", "05 16:59", "05 07:00", "05 17:00", True),
        ("04 08:00", "04 07:30", "04 08:00", "04 18:00", True),
    ],
)
def test_only_open_hours_count_and_a_late_end_is_said(
    now: str, end: str | None, begins: str, finishes: str, late: bool
) -> None:
    window = sending_window.Window(None, end and _february(end), "07:00", "21:00")
    found = conclude(1, LOAD, ONE_LINK, Deadlines(window, None), _february(now))
    assert (found.begins_at, found.finishes_at) == (_february(begins), _february(finishes))
    assert ["after the end of the window" in warning for warning in found.warnings] == [True] * late


def _february(text: str) -> datetime:
    return datetime.fromisoformat(f"2030-02-{text}+07:00")
