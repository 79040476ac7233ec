"""The pages of the test telephones: the register, a run's telephones, the verdict beside the claim."""

from __future__ import annotations

from collections.abc import Callable

from app.database.connection import Database
from app.telephone_panel import register
from app.telephone_panel.answers import Answer
from tests.app.telephone_panel.scene import answer, ended, panel, sent
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
ONE = {"phone": "0912 000 039", "carrier": "viettel", "area": "03646", "consent_on": "02/01/2024"}


def test_telephones_are_added_imported_and_removed_on_the_page(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    assert "Chưa có máy kiểm chứng" in text(paper.get("/panel").text)
    wrong = paper.send("/panel", "/panel", **ONE | {"consent_on": "02/01/2999"})
    assert (wrong.status_code, "Ngày đồng ý ở tương lai" in text(wrong.text)) == (422, True)
    assert "0912 000 039" not in wrong.text  # a number is entered again rather than shown
    assert paper.send("/panel", "/panel", **ONE).status_code == 303
    table = "phone\tcarrier\tarea\tconsent_on\r\n0912000038\tvnpt\t03646\t02/01/2024\r\n"
    paper.send("/panel", "/panel/import", table=table)
    page = paper.get("/panel")
    assert "Đã thêm 1 máy; 0 máy đã có trong tổ máy." in text(page.text)
    assert ("8491*****39" in page.text, "12000039" in page.text) == (True, False)
    first = pages_db.read(register.telephones)[0]
    paper.send("/panel", f"/panel/{first.id}/remove")
    assert [each.phone for each in pages_db.read(register.telephones)] == ["8491*****38"]


def test_the_verdict_stands_on_the_run_s_page_for_the_office_alone(pages_db: Database, signed_in: In) -> None:
    world = sent(pages_db, 40, delivered=40)
    for place, telephone in enumerate(panel(pages_db, 30)):
        if place < 25:
            answer(pages_db, world.run, telephone, Answer.NOT_RECEIVED if place < 8 else Answer.RECEIVED)
    verdict = (
        "Bác bỏ: 8 trên 25 máy kiểm chứng không nhận được tin. Nhiều nhất 86% số tin có thể đã đến (mức tin "
        "cậy 95%). 17 máy đã nhận, 8 máy không nhận được, 0 máy tắt, 5 máy chưa trả lời."
    )
    paper = signed_in("approver")
    assert verdict in text(paper.get(f"/runs/{world.run}").text)
    assert "Bác bỏ: 8 trên 25 máy" in text(paper.get(f"/reports/runs/{world.run}").text)
    own = paper.get(f"/runs/{world.run}/panel")
    assert (verdict in text(own.text), own.text.count('<th scope="row">')) == (True, 30)
    paper.send(f"/runs/{world.run}/panel", f"/runs/{world.run}/panel/ask")
    assert "Cần hỏi 5 máy." in text(paper.get(f"/runs/{world.run}/panel").text)
    ended(pages_db, world.run, 60_000)
    early = paper.send(f"/runs/{world.run}", f"/runs/{world.run}/panel/ask")
    assert (early.status_code, "Tin vẫn có thể đến." in text(early.text)) == (409, True)
    for role in (("operator", "viettel"),):
        carrier = signed_in(*role)
        for page in (f"/runs/{world.run}", f"/reports/runs/{world.run}"):
            assert "kiểm chứng" not in carrier.get(page).text.lower()
        assert carrier.get("/panel").status_code == 403
