"""The pages of reports: figures with their levels, frozen once, compared, proved; each sees its own."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from httpx import Response
from sqlalchemy import Connection, update

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.listing import ListRequest
from app.database.models import (
    audiences,
    deliveries,
    report_files,
    run_batches,
    runs,
    tallies,
)
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.web import rendering
from app.web.view_models import report_list
from tests.long.app.reports.kept import today
from tests.long.app.reports.receiving import receive
from tests.long.app.reports.scene import varied
from tests.long.app.reports.signing import Authority, sign
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]


@pytest.fixture
def pages_db(pages_db: Database) -> Database:
    varied(pages_db)
    pages_db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    return pages_db


def freeze(paper: Paper, kind: str = "run", number: int = 1, at: str = "") -> str:
    """Freezes by the page's form; where it leads."""
    answer = paper.send(f"/reports/{kind}s/{number}", "/reports/freeze", kind=kind, id=number, at=at)
    assert answer.status_code == 303, text(answer.text)
    return str(answer.headers["location"])


def test_the_list_leads_to_what_each_may_see(signed_in: In) -> None:
    office = signed_in("auditor").get("/reports").text
    assert all(f"/reports/{path}" in office for path in ("runs/1", "runs/2", "campaigns/1", "directives/1"))
    assert "Chưa chốt báo cáo nào." in text(office)
    own = signed_in("operator", "viettel").get("/reports").text
    assert "/reports/runs/2" in own
    assert not re.search("/reports/runs/1|/reports/directives", own)


def test_a_run_is_shown_with_what_its_receipts_prove(signed_in: In) -> None:
    paper = signed_in("auditor")
    handset, operator = text(paper.get("/reports/runs/1").text), text(paper.get("/reports/runs/2").text)
    assert "đo bằng biên nhận biên nhận mức máy" in handset
    assert "số liệu tạm thời" in handset
    assert "Biểu 4" in handset
    assert "biên nhận mức tổng đài: nhà mạng đã tiếp nhận, chưa rõ máy đã nhận" in operator
    assert "không có biên nhận" in operator
    assert "Chốt số liệu này" not in handset  # an auditor freezes nothing
    assert "Biểu 7" in text(paper.get("/reports/campaigns/1").text)
    assert "Biểu 5" in text(paper.get("/reports/directives/1").text)


@pytest.mark.parametrize("path", ["runs/1", "campaigns/1", "directives/1"])
def test_after_a_clock_was_ahead_no_page_leaves_out_what_was_done(
    pages_db: Database, signed_in: In, path: str
) -> None:
    to_come = clock.now_ms() + 3_600_000
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(ended_at=to_come)))
    page = signed_in("auditor").get(f"/reports/{path}").text
    assert re.search('<div class="refusal" role="alert"><p>[^<]*mang thời điểm ở tương lai', page)
    assert "nhà mạng tự gửi" not in page  # it is no statement that is missing
    assert "Biểu 5" not in page


def test_a_report_is_of_now_or_of_a_snapshot_and_another_moment_is_refused(
    pages_db: Database, signed_in: In
) -> None:
    paper = signed_in("auditor")
    assert '<select id="f-at"' not in paper.get("/reports/runs/1").text
    at = take(pages_db, [ReportSubject(SubjectKind.RUN, 1)], SnapshotCause.MIDNIGHT)
    local = clock.local(clock.from_ms(at))
    assert f'<option value="{local:%Y-%m-%dT%H:%M:%S}"' in paper.get("/reports/runs/1").text
    kept = text(paper.get(f"/reports/runs/1?at={local:%Y-%m-%dT%H:%M:%S}").text)
    assert f"Chốt số liệu lúc {rendering.moment(local, 'vi')}" in kept
    for wrong, told in (
        ("2024-01-28T08:00", f"Gần nhất: {local:%d/%m/%Y %H:%M:%S}"),
        ("2198-01-01T00:00", "Thời điểm chốt chưa đến"),
        ("today", ""),
    ):
        answer = paper.get(f"/reports/runs/1?at={wrong}")
        assert answer.status_code == 422
        assert told in text(answer.text)


def test_a_version_is_frozen_once_and_its_files_are_there(signed_in: In) -> None:
    paper = signed_in("admin")
    first = freeze(paper)
    page = paper.get(first)
    assert "Đã chốt bản số 1." in text(page.text)
    assert freeze(paper) == first
    assert "Bản số 1 đã chốt trước đó vẫn đúng số liệu." in text(paper.get(first).text)
    for form in ("docx", "pdf", "xlsx", "csv", "json"):
        (link,) = re.findall(rf'href="(/v1/reports/\d+/files/{form})"', page.text)
        assert paper.get(link).status_code == 200
    assert first in paper.get("/reports").text


@pytest.mark.prove
def test_a_version_is_issued_on_its_page_and_a_mistake_keeps_what_was_written(signed_in: In) -> None:
    paper = signed_in("admin")
    page = freeze(paper)
    said = {
        "number": "0/BC",
        "dated_on": today().isoformat(),
        "signer": "Ông A",
        "proposals": "Nhắn thêm một đợt.",
    }
    refused = paper.send(page, f"{page}/issue", **said)
    assert refused.status_code == 422
    assert "trước dấu gạch chéo" in text(refused.text)
    assert "Nhắn thêm một đợt." in refused.text
    assert paper.send(page, f"{page}/issue", **said | {"number": "17"}).status_code == 303
    shown = paper.get(page)
    assert f"Số 17 ngày {today():%d/%m/%Y}, người ký: Ông A" in text(shown.text)
    (link,) = re.findall(r'href="(/v1/reports/\d+/files/issued-pdf)"', shown.text)
    assert paper.get(link).headers["content-type"] == "application/pdf"
    foreign = signed_in("operator", "viettel")
    assert foreign.send("/reports/runs/2", f"{page}/issue", **said).status_code == 404


@pytest.mark.prove
def test_versions_are_compared_and_proved(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    first = freeze(paper)
    receive(pages_db)
    second = freeze(paper)
    said = text(paper.get(second).text)
    (figures,) = re.findall(r"Biểu 1, đã nhận \(biên nhận máy\) (\d+) (\d+) \+(\d+)", said)
    before, after, more = map(int, figures)
    assert after - before == more > 0
    assert "Biểu 1, đã nhận" in text(paper.get(f"{first}?against={second.rpartition('/')[2]}").text)
    assert paper.get(f"{second}?against=99").status_code == 404
    assert "nguyên vẹn" in text(paper.get(f"{second}?prove=true").text)
    pages_db.write(lambda c: c.execute(update(report_files).values(content=b"other")))
    assert "đã bị thay đổi" in text(paper.get(f"{second}?prove=true").text)


def test_a_refused_freezing_is_told_on_the_page(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    freeze(paper)
    refused = paper.send("/reports/runs/1", "/reports/freeze", kind="run", id=1, at="2024-01-29T09:00")
    assert refused.status_code == 422
    assert "Không có bản chốt số liệu của báo cáo này lúc 29/01/2024 09:00:00" in text(refused.text)
    assert paper.send("/reports", "/reports/freeze", kind="village", id=1).status_code == 422


@pytest.mark.prove
def test_an_operator_freezes_its_own_and_finds_no_other(pages_db: Database, signed_in: In) -> None:
    foreign = freeze(signed_in("admin"))
    paper = signed_in("operator", "viettel")
    assert paper.get(freeze(paper, number=2)).status_code == 200
    for path in (foreign, "/reports/runs/1"):
        assert paper.get(path).status_code == 404
    for kind, number in (("run", 1), ("directive", 1)):
        fields = {"kind": kind, "id": number}
        assert paper.send("/reports/runs/2", "/reports/freeze", **fields).status_code == 404


def test_a_carrier_that_has_stated_nothing_has_no_figures_yet(pages_db: Database, signed_in: In) -> None:
    row = {"run_id": 2, "area_basis": "billing", "areas": [], "estimated": 1000}
    pages_db.write(lambda c: c.execute(audiences.insert().values(row)))
    page = signed_in("auditor").get("/reports/runs/2")
    assert page.status_code == 200
    assert "chưa báo số" in text(page.text)
    assert 'href="/runs/2"' in page.text


def test_figures_that_do_not_close_are_given_to_nobody(pages_db: Database, signed_in: In) -> None:
    def spoil(c: Connection) -> None:
        c.execute(update(tallies).where(tallies.c.run_id == 1).values(n=tallies.c.n + 1))

    paper = signed_in("admin")
    pages_db.write(spoil)
    assert paper.get("/reports/runs/1").status_code == 500


def test_signs_that_receipts_were_made_up_are_shown_to_the_office(pages_db: Database, signed_in: In) -> None:
    early = update(deliveries).where(deliveries.c.state == int(DeliveryState.DELIVERED))
    pages_db.write(lambda c: c.execute(early.values(done_at=deliveries.c.submitted_at - 3_600_000)))
    office = text(signed_in("auditor").get("/reports/runs/1").text)
    assert "Dấu hiệu biên nhận không thật" in office
    assert "Được báo là đến trước khi gửi" in office
    carrier = text(signed_in("operator", "vnpt").get("/reports/runs/1").text)
    assert "Biểu 4" in carrier
    assert "không thật" not in carrier


@pytest.mark.prove
def test_a_signed_pdf_is_handed_in_on_the_page_and_told_in_words(signed_in: In) -> None:
    paper = signed_in("admin")
    page = freeze(paper)
    issued = {"number": "17", "dated_on": f"{today():%d/%m/%Y}", "signer": "Đại tá Nguyễn Văn A"}
    assert paper.send(page, f"{page}/issue", **issued).status_code == 303
    (link,) = re.findall(r'href="(/v1/reports/\d+/files/issued-pdf)"', paper.get(page).text)
    pdf = sign(paper.get(link).content, Authority().signer("Nguyễn Văn A"))

    def hand_in(content: bytes) -> Response:
        return paper.client.post(
            f"{page}/signed",
            data={"csrf": token(paper.get(page).text)},
            files={"file": ("ký.pdf", content, "application/pdf")},
            headers={
                "Accept": "text/html",
                "Cookie": "; ".join(f"{k}={v}" for k, v in paper.cookies.items()),
            },
        )

    refused = hand_in(b"%PDF-1.7 no more")
    assert refused.status_code == 422
    assert "Không đọc được tệp này như một tệp PDF" in text(refused.text)
    assert hand_in(pdf).status_code == 303
    said = text(paper.get(page).text)
    assert "Ký với tên Nguyễn Văn A, bằng chứng thư số của CA Thử nghiệm." in said
    assert "Chưa xác minh được chủ chứng thư số" in said
    assert "Các trang đúng là của văn bản đã chốt issued-pdf" in said
    assert "đã ký, không bị sửa" not in said  # nobody has checked whose certificate it is


def test_nothing_is_frozen_of_a_run_that_has_not_begun(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    assert 'action="/reports/freeze"' in paper.get("/reports/runs/1").text
    pages_db.write(
        lambda c: c.execute(update(runs).where(runs.c.id == 1).values(state="planned", started_at=None))
    )
    page = paper.get("/reports/runs/1").text
    assert 'action="/reports/freeze"' not in page
    assert "chưa có số liệu để chốt" in text(page)


def test_the_list_names_the_last_version_of_each_run(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    freeze(paper)
    receive(pages_db)
    freeze(paper)
    found = pages_db.read(report_list.listed, ListRequest(), 10).items
    versions = {run.id: run.version for each in found for run in each.runs}
    assert {versions.pop(1), *versions.values()} == {2, 0}
