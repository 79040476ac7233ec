"""Figures stated on a run's page: field by field, corrected by who began with the newest version."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import select, update

from app.campaigns import lifecycle
from app.campaigns.carrier_audience import Audience
from app.core.areas import Basis
from app.database.connection import Database
from app.database.models import runs, statements
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from tests.app.campaigns.rows import new_campaign
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def _set(db: Database, **values: object) -> None:
    db.write(lambda c: c.execute(update(runs).values(values)))


def _state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


def test_figures_of_a_carrier_that_sends_are_stated_field_by_field(pages_db: Database, signed_in: In) -> None:
    campaign = pages_db.write(new_campaign)
    held = Audience((), Basis.UNDIVIDED, 350_000)
    pages_db.write(lifecycle.add_held_run, campaign, "vnpt", held, "author")
    _set(pages_db, state="running", started_at=1)
    paper = signed_in("operator", "vnpt")
    page = text(paper.get("/runs/1").text)
    assert "Nhà mạng chưa báo số liệu." in page
    assert "Toàn tỉnh." in page
    good = {"eligible": "350.000", "sent": "346 000", "level": "handset", "received": "318000"}
    good |= {"failed": "20000", "cutoff": "2024-02-21T17:00"}
    for wrong, said in (
        ({"sent": "400000"}, "Đã gửi 400000 trong 350000 thuê bao thuộc diện là không thể"),
        ({"sent": "nhiều"}, "không phải số nguyên"),
        ({"cutoff": "hôm qua"}, "Hãy nhập giờ và ngày, ví dụ"),
    ):
        refused = paper.send("/runs/1", "/runs/1/statements", **(good | wrong))
        assert refused.status_code == 422
        assert said in text(refused.text)
        assert 'aria-invalid="true"' in refused.text
    assert paper.send("/runs/1", "/runs/1/statements", **good).status_code == 303
    shown = text(paper.get("/runs/1").text)
    assert "Phiên bản 1, số liệu chốt lúc 17:00 21/02/2024" in shown
    assert "318.000 91,9%" in shown
    again = paper.send("/runs/1", "/runs/1/statements", **good)
    assert again.status_code == 422  # a correction says why
    ended = paper.send("/runs/1", "/runs/1/end", at="2024-02-07T17:30")
    assert (ended.status_code, _state(pages_db)) == (303, "sent")
    assert pages_db.read(lambda c: c.execute(select(statements.c.version)).scalars().all()) == [1]


COUNTS = {"eligible": 350_000, "sent": 346_000, "received": 318_000, "failed": 20_000}
FORM = {"eligible": "350000", "sent": "346001", "level": "handset", "received": "318000", "failed": "20000"}
FORM |= {"began": "08:00 01/02/2024", "ended": "17:30 07/02/2024", "note": "Hai đợt."}
FORM |= {"cutoff": "17:00 22/02/2024", "reason": "đếm lại"}


def stated(db: Database) -> None:
    """A run of a carrier that sends by itself, with figures by cause."""
    campaign = db.write(new_campaign)
    db.write(lifecycle.add_held_run, campaign, "vnpt", Audience((), Basis.UNDIVIDED, 350_000), "author")
    _set(db, state="running", started_at=1)
    body = {"kind": "stated", "level": "handset", "general": COUNTS, "note": "Hai đợt."}
    body |= {"reasons": [{"key": "expired", "n": 20_000}], "cutoff_at": "2024-02-21T17:00:00+07:00"}
    body |= {"began_at": "2024-02-01T08:00:00+07:00", "ended_at": "2024-02-07T17:30:00+07:00"}
    claim = StatementBody.model_validate(body).claim(EntrySource.API)
    db.write(statement_service.state, 1, claim, "an")


def test_a_correction_by_the_page_begins_with_the_version_before(pages_db: Database, signed_in: In) -> None:
    stated(pages_db)
    page = signed_in("operator", "vnpt").get("/runs/1").text
    for name, typed in (("sent", "346000"), ("ended", "17:30 07/02/2024")):
        assert re.search(rf'name="{name}"[^>]*value="{re.escape(typed)}"', page), name
    assert re.search(r'<textarea[^>]*name="note"[^>]*>Hai đợt\.</textarea>', page)


def test_a_correction_by_the_page_loses_nothing_without_a_word(pages_db: Database, signed_in: In) -> None:
    stated(pages_db)
    paper = signed_in("operator", "vnpt")
    assert paper.send("/runs/1", "/runs/1/statements", **FORM).status_code == 303
    fewer = FORM | {"failed": "19000"}  # which the numbers by cause do not add up to
    asked = paper.send("/runs/1", "/runs/1/statements", **fewer)
    assert asked.status_code == 422
    assert "Bản trước có số liệu theo địa bàn, ngày hoặc lý do, không khớp" in text(asked.text)
    assert 'name="details"' in asked.text
    assert paper.send("/runs/1", "/runs/1/statements", **fewer | {"details": "out"}).status_code == 303
    query = select(statements.c.figures).order_by(statements.c.version)
    kept = pages_db.read(lambda c: c.execute(query).scalars().all())
    assert [len(each["reasons"]) for each in kept] == [1, 1, 0]
    assert "Bản trước có số liệu theo lý do không nhận được; bản này không có." in text(
        paper.get("/runs/1").text
    )


def test_a_correction_by_the_page_says_which_sums_and_times_it_leaves_out(
    pages_db: Database, signed_in: In
) -> None:
    stated(pages_db)
    paper = signed_in("operator", "vnpt")
    fewer = FORM | {"level": "none", "received": "", "failed": "", "ended": "", "details": "out"}
    fewer |= {"reason": "không có biên nhận"}
    assert paper.send("/runs/1", "/runs/1/statements", **fewer).status_code == 303
    shown = text(paper.get("/runs/1").text)
    for gone in ("số đã nhận được", "số không nhận được", "số chưa có biên nhận", "lúc kết thúc"):
        assert f"Bản trước có {gone}; bản này không có." in shown
    assert "Bản trước có lúc bắt đầu" not in shown


def test_a_form_of_an_older_version_is_no_correction(pages_db: Database, signed_in: In) -> None:
    stated(pages_db)
    paper = signed_in("operator", "vnpt")
    assert 'name="version" value="1"' in paper.get("/runs/1").text
    assert paper.send("/runs/1", "/runs/1/statements", **FORM | {"version": "1"}).status_code == 303
    late = paper.send("/runs/1", "/runs/1/statements", **FORM | {"version": "1", "sent": "346002"})
    assert late.status_code in (409, 412)
    assert "Số liệu hiện ở bản 2, không còn là bản 1" in text(late.text)


def test_times_of_the_version_before_keep_their_seconds(pages_db: Database, signed_in: In) -> None:
    stated(pages_db)
    began = statements.c.began_at + 45_000
    pages_db.write(lambda c: c.execute(update(statements).values(began_at=began)))
    assert signed_in("operator", "vnpt").send("/runs/1", "/runs/1/statements", **FORM).status_code == 303
    query = select(statements.c.began_at).order_by(statements.c.version)
    assert len(set(pages_db.read(lambda c: c.execute(query).scalars().all()))) == 1


def test_what_was_entered_from_a_paper_is_not_called_stated_by_the_carrier(
    pages_db: Database, signed_in: In
) -> None:
    """By an office; the carrier itself may state other figures than its paper has."""
    stated(pages_db)
    pages_db.write(lambda c: c.execute(update(statements).values(kind="manual")))
    refused = signed_in("admin").send("/runs/1", "/runs/1/statements", **FORM | {"version": "1"})
    assert refused.status_code == 422
    assert "đã được nhập từ văn bản của nhà mạng" in text(refused.text)
    assert "loa statement add 1" in text(refused.text)
    carrier = signed_in("operator", "vnpt")
    assert carrier.send("/runs/1", "/runs/1/statements", **FORM | {"version": "1"}).status_code == 303
    query = select(statements.c.kind).order_by(statements.c.version)
    assert pages_db.read(lambda c: c.execute(query).scalars().all()) == ["manual", "stated"]


def test_a_slip_in_the_form_does_not_make_it_one_of_the_newest_version(
    pages_db: Database, signed_in: In
) -> None:
    stated(pages_db)
    paper = signed_in("operator", "vnpt")
    begun = FORM | {"version": "1"}
    assert paper.send("/runs/1", "/runs/1/statements", **begun).status_code == 303  # somebody else's
    slip = paper.send("/runs/1", "/runs/1/statements", **begun | {"sent": "nhiều"})
    assert slip.status_code == 422
    assert re.findall(r'name="version" value="(\d+)"', slip.text) == ["1"]
    late = paper.send("/runs/1", "/runs/1/statements", **begun | {"sent": "346002"})
    assert late.status_code == 412
