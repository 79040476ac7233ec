"""Directives: kept by a form, shown to each role as far as it goes, and what addressees report."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from app.campaigns import directives
from app.core.states import DeliveryState
from app.database import models
from app.database.connection import Database
from app.reports.figures import addressees
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
LETTER = {
    "number": "303/CAT-PA05",
    "issued_on": "2024-01-29",
    "issuer": "Công an tỉnh",
    "subject": "Tuyên truyền",
    "report_deadline": "2099-02-24T17:00",
    "addressees": "Sở Tư pháp\r\n\r\n Báo Sơn La \r\nVNPT Sơn La",
}
REPORT = {
    "addressee": "Sở Tư pháp",
    "channel-0": "meeting",
    "channel-1": "loudspeaker",
    "pieces-1": "12",
    "reach-1": "3.500",
    "languages-1": "phổ thông, Thái",
    "number": "125/BC-STP",
}


def test_a_letter_is_kept_with_its_addressees(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    answer = paper.send("/directives/new", "/directives/new", **LETTER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/directives/1")
    kept = pages_db.read(directives.get, 1)
    assert kept.addressees == ["Sở Tư pháp", "Báo Sơn La", "VNPT Sơn La"]
    assert kept.report_deadline is not None
    assert kept.report_deadline.isoformat() == "2099-02-24T17:00:00+07:00"
    said = text(paper.get("/directives/1").text)
    assert "Đã lưu công văn." in said
    assert "17:00 24/02/2099" in said
    assert "0 / 2" in said  # carriers report by their runs
    assert "303/CAT-PA05" in text(paper.get("/directives").text)


def test_what_is_wrong_stands_at_its_field(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    answer = paper.send("/directives/new", "/directives/new", **LETTER | {"issued_on": "yesterday"})
    assert answer.status_code == 422
    assert 'aria-describedby="d-issued_on"' in answer.text
    assert 'value="303/CAT-PA05"' in answer.text
    assert "Sở Tư pháp" in answer.text
    long = LETTER | {"addressees": f"Sở Tư pháp\r\n{'Báo ' * 200}"}
    assert "Mục nơi nhận thứ 2 có nhiều nhất" in text(
        paper.send("/directives/new", "/directives/new", **long).text
    )
    paper.send("/directives/new", "/directives/new", **LETTER)
    again = paper.send("/directives/new", "/directives/new", **LETTER)
    assert again.status_code == 409
    assert "Công văn 303/CAT-PA05 đã có trong hệ thống." in again.text
    assert len(pages_db.read(directives.listed, 0, 10).items) == 1


def test_a_report_is_entered_and_corrected_with_a_reason(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    paper.send("/directives/new", "/directives/new", **LETTER)
    form = "/directives/1/report?addressee=S%E1%BB%9F+T%C6%B0+ph%C3%A1p"
    assert form in paper.get("/directives/1").text.replace("%20", "+")
    answer = paper.send(form, "/directives/1/report", **REPORT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/directives/1")
    (found,) = pages_db.read(addressees.reports, 1).values()
    (item,) = found[0].items  # a row with its channel alone is empty
    assert (item.channel, item.pieces, item.reach) == ("loudspeaker", 12, 3500)
    said = text(paper.get("/directives/1").text)
    assert "1 / 2" in said
    assert "Loa truyền thanh: 12 · tiếp cận 3.500 lượt" in said
    known = paper.get(form).text
    assert 'value="3500"' in known
    assert "Đã có bản 1." in text(known)
    refused = paper.send(form, "/directives/1/report", **REPORT)
    assert refused.status_code == 422
    assert paper.send(form, "/directives/1/report", **REPORT, reason="Nhầm số").status_code == 303
    assert pages_db.read(addressees.reports, 1)[1][-1].paper.reason == "Nhầm số"


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [("pieces-1", "twelve", "pieces-1"), ("url-1", "example", "url-1"), ("pieces-1", "", "pieces-1")],
)
def test_what_is_wrong_in_a_report_stands_at_its_row(
    pages_db: Database, signed_in: In, field: str, value: str, where: str
) -> None:
    paper = signed_in()
    paper.send("/directives/new", "/directives/new", **LETTER)
    form = "/directives/1/report?addressee=S%E1%BB%9F+T%C6%B0+ph%C3%A1p"
    answer = paper.send(form, "/directives/1/report", **REPORT | {field: value})
    assert answer.status_code == 422
    assert f'aria-describedby="d-{where}"' in answer.text
    assert "phổ thông, Thái" in answer.text
    assert pages_db.read(addressees.reports, 1) == {}


def test_carriers_report_by_their_runs_and_nobody_else_is_unknown(signed_in: In) -> None:
    paper = signed_in()
    paper.send("/directives/new", "/directives/new", **LETTER)
    assert paper.get("/directives/1/report?addressee=VNPT+S%C6%A1n+La").status_code == 404
    assert paper.get("/directives/1/report?addressee=nobody").status_code == 404
    assert paper.get("/directives/1/report").headers["location"] == "/directives/1"


def test_an_addressee_is_added_and_described(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    paper.send("/directives/new", "/directives/new", **LETTER)
    fields = {"name": "Agribank Sơn La", "kind": "bank", "email": "lan@example.vn", "carrier": ""}
    assert paper.send("/directives/1", "/directives/1/addressees", **fields).status_code == 303
    found = {each.name: each for each in pages_db.read(addressees.of_directive, 1)}
    assert found["Agribank Sơn La"].email == "lan@example.vn"
    wrong = paper.send("/directives/1", "/directives/1/addressees", **fields | {"email": "lan"})
    assert wrong.status_code == 422
    assert 'aria-describedby="d-email"' in wrong.text


def test_an_operator_sees_the_letter_behind_its_runs_and_no_addressee(
    pages_db: Database, signed_in: In
) -> None:
    scene.build(pages_db)
    paper = signed_in("operator", "vnpt")
    listed = text(paper.get("/directives").text)
    assert "303/CAT-PA05" in listed
    assert "412/CAT-PA05" not in listed
    said = text(paper.get("/directives/1").text)
    assert "Cảnh báo giả danh công an" in said
    assert "Nơi nhận và báo cáo" not in said
    assert paper.get("/directives/2").status_code == 404
    office = text(signed_in("auditor").get("/directives/2").text)
    assert "quá hạn 2 ngày" in office
    assert "Nơi nhận và báo cáo" in office
    assert "Nhập báo cáo" not in office


def test_the_list_of_letters_and_the_letter_count_the_same_addressees(
    pages_db: Database, signed_in: In
) -> None:
    scene.build(pages_db)
    named = ["VNPT", "Sở Tư pháp", "Báo Sơn La", "Ngân hàng Nhà nước tỉnh", "Viettel"]
    pages_db.write(
        lambda c: c.execute(
            update(models.directives).where(models.directives.c.id == 1).values(addressees=named)
        )
    )
    paper = signed_in("admin")
    (listed,) = re.findall(r"303/CAT-PA05.*?(\d+ / \d+)", text(paper.get("/directives").text))
    assert listed in text(paper.get("/directives/1").text)
    assert listed == "0 / 3"


def test_campaigns_under_a_letter_stand_in_order_of_time_with_whom_they_reached(
    pages_db: Database, signed_in: In
) -> None:
    scene.build(pages_db)
    c, under = models.campaigns.c, {"directive_id": 1}
    for campaign, start in ((1, 3_000_000_000_000), (2, 2_000_000_000_000)):
        window = {"window_start": start, "window_end": start + 1}
        row = update(models.campaigns).where(c.id == campaign).values(under | window)
        pages_db.write(lambda connection, row=row: connection.execute(row))
    page = signed_in().get("/directives/1").text
    assert page.index('<a href="/campaigns/2">') < page.index('<a href="/campaigns/1">')
    t = models.tallies.c
    delivered = select(func.sum(t.n)).where(t.campaign_id == 1, t.state == DeliveryState.DELIVERED)
    reached = pages_db.read(lambda connection: connection.execute(delivered).scalar_one())
    assert f"{reached:,}".replace(",", ".") in text(page)


def test_directives_show_how_their_campaigns_stand_and_are_filtered_by_it(
    pages_db: Database, signed_in: In
) -> None:
    scene.build(pages_db)
    paper = signed_in()
    paper.send("/directives/new", "/directives/new", **LETTER | {"number": "999/CAT"})
    every = text(paper.get("/directives").text)
    for shown in ("412/CAT-PA05 chờ phê duyệt", "999/CAT chưa có chiến dịch"):
        assert shown in every, shown
    waiting = text(paper.get("/directives?state=submitted").text)
    assert "412/CAT-PA05" in waiting
    assert "303/CAT-PA05" not in waiting
    assert "chờ phê duyệt" in paper.get("/directives?format=csv&state=submitted").text


def test_the_end_of_a_run_is_called_expected_until_it_has_ended(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    page = text(signed_in().get("/directives/1").text)
    runs = page[page.index("Các đợt gửi so với hạn") :]
    assert re.search(r"Viettel [^–]+? \d\d:\d\d[^–]{0,12} dự kiến dự kiến (kịp|trễ) hạn", runs), runs[:400]
    assert re.search(r"VNPT VinaPhone [^–]+ \d\d:\d\d[^–]{0,12}? kịp hạn", runs), runs[:400]


def test_what_is_missing_is_said_in_the_reader_s_language(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    paper = signed_in("admin")
    paper.post("/language", {"language": "en", "next": "/"})
    page = paper.get("/directives/1").text
    missing = text(page[page.index('id="missing"') : page.index('id="addressees"')])
    assert "not reported yet" in missing
    for vietnamese in ("đang gửi", "chưa", "đợt"):
        assert vietnamese not in missing
