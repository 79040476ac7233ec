"""A paused run: nobody has said when it goes on, so no page is green for it or names its end as a fact."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import update

from app.core import clock
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import campaigns, directives, link_health, runs
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
MOMENT = r"\d\d:\d\d(?: \d\d/\d\d)?"
WAITS = "tạm dừng: chờ người cho chạy tiếp"
ONLY_IF = f"{MOMENT} (?:nếu chạy tiếp ngay|dự kiến, nếu chạy tiếp ngay)"
TOTAL = f"Dự kiến xong {MOMENT} nếu 1 đợt đang tạm dừng chạy tiếp ngay"


@pytest.fixture
def province(pages_db: Database) -> Database:
    """The scene, whose campaigns may send at any hour; run 1, at viettel, is under way and in time."""
    scene.build(pages_db)
    pages_db.write(lambda c: c.execute(update(campaigns).values(day_starts="00:00", day_ends="24:00")))
    return pages_db


def pause(db: Database) -> None:
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(state=str(RunState.PAUSED))))


@pytest.mark.parametrize("path", ["/", "/runs/1", "/campaigns/1"])
def test_a_paused_run_waits_and_its_end_is_told_for_the_case_that_it_goes_on(
    province: Database, signed_in: In, path: str
) -> None:
    paper = signed_in("operator", "viettel")
    going = text(paper.get(path).text)
    assert "kịp hạn" in going
    assert "nếu chạy tiếp" not in going
    pause(province)
    page = paper.get(path).text
    assert f'class="badge wait">{WAITS}<' in page
    assert "kịp hạn" not in text(page)
    assert re.search(ONLY_IF, text(page))


@pytest.mark.parametrize("path", ["/runs/1", "/campaigns/1"])
def test_a_paused_run_waits_where_there_is_no_deadline_as_well(
    province: Database, signed_in: In, path: str
) -> None:
    province.write(lambda c: c.execute(update(directives).values(report_deadline=None)))
    pause(province)
    page = text(signed_in("operator", "viettel").get(path).text)
    assert WAITS in page
    assert "không có hạn phải giữ" not in page


@pytest.mark.parametrize("path", ["/", "/wall"])
def test_the_forecast_of_all_says_of_how_many_paused_runs_it_takes_that_they_go_on(
    province: Database, signed_in: In, path: str
) -> None:
    paper = signed_in("admin")
    assert "đang tạm dừng chạy tiếp" not in text(paper.get(path).text)
    pause(province)
    assert re.search(TOTAL, text(paper.get(path).text))


def test_a_forecast_that_nobody_can_make_takes_nothing_for_granted(province: Database, signed_in: In) -> None:
    pause(province)
    lost = {"connected_since": None, "lost_since": clock.now_ms()}
    province.write(lambda c: c.execute(update(link_health).values(lost)))
    page = text(signed_in("admin").get("/").text)
    assert "Dự kiến xong – " in page
    assert "đang tạm dừng chạy tiếp" not in page


def test_a_directive_tells_the_end_of_a_paused_run_for_the_same_case(
    province: Database, signed_in: In
) -> None:
    paper = signed_in("admin")
    assert "nếu chạy tiếp" not in text(paper.get("/directives/1").text)
    pause(province)
    assert re.search(ONLY_IF, text(paper.get("/directives/1").text))
