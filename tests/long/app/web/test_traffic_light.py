"""The light of a run by its state, its forecast and its deadline; bars and courses as pictures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, insert, update

from app.core import clock
from app.core.sending_window import Window
from app.core.states import DeliveryState as State
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import batches, tallies
from app.web.view_models import svg_charts, traffic_light
from app.web.view_models.course_marks import closed_hours
from app.web.view_models.norm import NormVerdict
from app.web.view_models.traffic_light import Due, Judged, Light
from tests.e2e import scene
from tests.long.app.web.conftest import text
from tests.long.app.web.test_overview import In, done_runs

NOW = datetime(2024, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("state", "done", "deadline", "norm", "wanted"),
    [
        (RunState.RUNNING, NOW + DAY, NOW + 2 * DAY, NormVerdict.OPEN, traffic_light.EXPECTED),
        (RunState.RUNNING, NOW + 3 * DAY, NOW + 2 * DAY, NormVerdict.OPEN, traffic_light.LATE),
        (RunState.RUNNING, NOW + DAY, NOW + 2 * DAY, NormVerdict.MET, traffic_light.EXPECTED_MET),
        (RunState.RUNNING, None, NOW + DAY, NormVerdict.OPEN, traffic_light.NO_FORECAST),
        (RunState.PAUSED, NOW + DAY, NOW + 2 * DAY, NormVerdict.OPEN, traffic_light.PAUSED),
        (RunState.PAUSED, NOW + DAY, NOW + 2 * DAY, NormVerdict.MET, traffic_light.PAUSED),
        (RunState.PAUSED, NOW + 3 * DAY, NOW + 2 * DAY, NormVerdict.OPEN, traffic_light.LATE),
        (RunState.PAUSED, NOW + DAY, None, NormVerdict.OPEN, traffic_light.PAUSED),
        (RunState.PAUSED, NOW + DAY, None, NormVerdict.MET, traffic_light.PAUSED),
        (RunState.PAUSED, NOW + DAY, None, NormVerdict.UNPROVED, traffic_light.PAUSED),
        (RunState.PAUSED, NOW + DAY, NOW + 2 * DAY, NormVerdict.MISSED, traffic_light.MISSED),
        (RunState.PAUSED, None, NOW + DAY, NormVerdict.OPEN, traffic_light.NO_FORECAST),
        (RunState.FINISHED, NOW, NOW + DAY, NormVerdict.MISSED, traffic_light.MISSED),
        (RunState.FINISHED, NOW, NOW + DAY, NormVerdict.MET, traffic_light.MET),
        (RunState.SENT, NOW, NOW, NormVerdict.UNPROVED, traffic_light.UNPROVED),
        (RunState.SENT, NOW, None, NormVerdict.UNPROVED, traffic_light.NORM_UNPROVED),
        (RunState.FINISHED, NOW, None, NormVerdict.MET, traffic_light.NORM_MET),
        (RunState.RUNNING, NOW + DAY, None, NormVerdict.OPEN, traffic_light.NO_DEADLINE),
        (RunState.PLANNED, None, NOW + DAY, NormVerdict.OPEN, traffic_light.NOT_BEGUN),
        (RunState.PLANNED, None, NOW - DAY, NormVerdict.OPEN, traffic_light.PASSED),
        (RunState.CANCELLED, None, NOW - DAY, NormVerdict.MISSED, traffic_light.CANCELLED),
    ],
)
def test_the_light_says_the_worst_that_is_true(
    state: RunState,
    done: datetime | None,
    deadline: datetime | None,
    norm: NormVerdict,
    wanted: traffic_light.Judged,
) -> None:
    ends = None if done is None else (done, done)
    assert traffic_light.judge(state, ends, Due(deadline), norm, NOW) == wanted


def test_a_forecast_on_both_sides_of_the_deadline_is_neither_in_time_nor_late() -> None:
    ends, due = (NOW + DAY, NOW + 3 * DAY), Due(NOW + 2 * DAY)
    assert traffic_light.judge(RunState.RUNNING, ends, due, NormVerdict.OPEN, NOW) == traffic_light.UNSURE


def test_the_parts_of_a_bar_are_seen_and_fill_it() -> None:
    found = svg_charts.stacked({"a": 1_000_000, "b": 1, "c": 0, "d": 500_000})
    assert [span.width for span in found.values()][1:3] == [4, 0]
    assert sum(span.width for span in found.values()) == svg_charts.WIDTH
    assert found["d"].x == found["a"].width + 4
    assert all(span.width == 0 for span in svg_charts.stacked({"a": 0, "b": 0}).values())


def test_a_course_of_time_has_a_round_scale() -> None:
    found = svg_charts.course({"sent": [0, 3, 7]}, 100, 50)
    assert found.ticks[-1] == (0, 10)
    assert found.lines[0].points == "0.0,50.0 50.0,35.0 100.0,15.0"
    assert svg_charts.course({"sent": []}).lines == []


@pytest.mark.parametrize(("seconds", "spans"), [(59, 0), (60, 1)])
def test_a_closed_minute_is_drawn(seconds: int, spans: int) -> None:
    closes = datetime(2027, 1, 4, 20, tzinfo=clock.VIETNAM)
    window = Window(None, None, "08:00", "20:00")
    assert len(closed_hours(window, closes, closes + timedelta(seconds=seconds))) == spans


@pytest.mark.parametrize(("unknown", "is_amber"), [(2, False), (3, True)])  # 8 and 12 %
def test_a_run_is_amber_from_where_its_unknown_messages_put_the_norm_in_doubt(
    pages_db: Database, signed_in: In, unknown: int, is_amber: bool
) -> None:
    scene.build(pages_db)
    done_runs(pages_db)

    def write(c: Connection) -> None:
        c.execute(delete(tallies).where(tallies.c.run_id == 1))
        c.execute(update(batches).where(batches.c.id == 1).values(accepted=25))
        of = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "area": "119", "reason": 0}
        for state, n in ((State.DELIVERED, 25 - unknown), (State.UNKNOWN, unknown)):
            c.execute(insert(tallies).values(of | {"state": int(state), "n": n, "segments": n}))

    pages_db.write(write)
    page = text(signed_in("auditor").get("/runs/1").text)
    assert ("nhiều tin chưa rõ đã được gửi đi hay chưa" in page) is is_amber


def test_of_several_runs_below_the_target_it_is_said_how_many() -> None:
    """All together may stand above it, as at 92.6 % with two carriers at 92 % and one at 99."""
    missed, met = traffic_light.MISSED, traffic_light.MET
    assert traffic_light.worst([missed, missed]) == missed
    several = Judged(Light.BAD, traffic_light.SOME_MISSED, (1, 3))
    assert traffic_light.worst([met, missed, met]) == several
    assert traffic_light.worst([traffic_light.PASSED, missed]) == traffic_light.PASSED
