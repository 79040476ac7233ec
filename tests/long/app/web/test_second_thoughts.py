"""What can be thrown away, put off or ordered once more on a page; each has its like in the API."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select, update

from app.database.connection import Database
from app.database.models import batches, campaigns, directives, runs
from tests.app.campaigns.rows import new_batch, new_run
from tests.long.app.reports.scene import T0, Scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def test_a_batch_whose_file_is_of_no_use_is_thrown_away(pages_db: Database, signed_in: In) -> None:
    good = pages_db.write(new_batch)
    bad = pages_db.write(new_batch, "vnpt", state="failed", error="No line.", sha256="1" * 64)
    paper = signed_in("operator", "vnpt")
    assert "Bỏ lô này…" not in text(paper.get(f"/batches/{good}").text)
    assert paper.send(f"/batches/{bad}", f"/batches/{bad}/discard").headers["location"] == "/batches"
    assert f"Đã bỏ lô {bad}." in text(paper.get("/batches").text)
    state = pages_db.read(lambda c: c.execute(select(batches.c.state).where(batches.c.id == bad)).scalar())
    assert state == "erased"


def test_a_campaign_is_withdrawn_until_something_of_it_is_sent(pages_db: Database, signed_in: In) -> None:
    campaign, run = pages_db.write(new_run)
    here, paper = f"/campaigns/{campaign}", signed_in("approver")
    pages_db.write(lambda c: c.execute(update(runs).values(state="running")))
    assert "Rút chiến dịch…" not in text(paper.get(here).text)
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == run).values(state="planned")))
    assert "Rút chiến dịch…" in text(paper.get(here).text)
    assert paper.send(here, f"{here}/withdraw").headers["location"] == "/campaigns"
    assert pages_db.read(lambda c: c.execute(select(campaigns.c.state)).scalar()) == "withdrawn"
    assert "Rút chiến dịch…" not in text(paper.get(here).text)


def test_a_deadline_is_put_off_with_a_reason_and_its_history_is_shown(
    pages_db: Database, signed_in: In
) -> None:
    Scene().save(pages_db)
    pages_db.write(lambda c: c.execute(update(directives).values(report_deadline=T0)))
    paper, new = signed_in(), "2031-02-24T17:00"
    answer = paper.send("/directives/1", "/directives/1/deadline", report_deadline=new, reason="")
    assert answer.status_code == 422
    assert 'value="17:00 24/02/2031"' in answer.text  # as it is printed
    sent = paper.send("/directives/1", "/directives/1/deadline", report_deadline=new, reason="CV 311")
    assert sent.status_code == 303
    assert "đổi hạn báo cáo từ 09:00 29/01/2024 sang 17:00 24/02/2031. CV 311" in text(
        paper.get("/directives/1").text
    )
