"""The page of the register, and what it says on the pages of a campaign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.campaigns import lifecycle
from app.database.connection import Database
from app.sender_names import register
from tests.app.campaigns.rows import whole_run
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]
NAME = {"carrier": "vnpt", "name": "CA SON LA", "state": "registered"}


def _send(paper: Paper, url: str, fields: dict[str, str]) -> Any:
    return paper.send("/sender-names", url, **fields)


def test_an_entry_is_made_changed_and_removed_on_the_page(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    assert "Sổ đăng ký chưa có gì" in text(paper.get("/sender-names").text)
    _send(paper, "/sender-names", NAME | {"valid_to": "04/11/2099", "certificate": "12/GCN"})
    (entry,) = pages_db.read(register.names)
    assert (str(entry.valid_to), entry.certificate) == ("2099-11-04", "12/GCN")
    page = paper.get(f"/sender-names/{entry.id}")
    assert 'value="04/11/2099"' in page.text
    assert 'value="12/GCN"' in page.text
    _send(paper, f"/sender-names/{entry.id}", NAME | {"state": "refused"})
    assert "nhà mạng từ chối" in text(paper.get("/sender-names").text)
    wrong = _send(paper, f"/sender-names/{entry.id}", NAME | {"name": "CONG AN TINH SON LA"})
    assert wrong.status_code == 422
    assert 'value="CONG AN TINH SON LA"' in wrong.text
    _send(paper, f"/sender-names/{entry.id}/remove", {})
    assert pages_db.read(register.names) == []


def test_what_is_refused_on_a_page_repeats_no_number(pages_db: Database, signed_in: In) -> None:
    answer = _send(
        signed_in("approver"),
        "/sender-names/import",
        {"table": "carrier,name,0912345678\nvnpt,CA SON LA,x\n"},
    )
    said = text(answer.text).split("0912345678")[0]  # the field itself has what was typed
    assert "8491*****78" in said
    assert text(answer.text).count("0912345678") == 1


def test_a_scan_is_filed_and_what_is_no_scan_is_refused(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("operator", "vnpt")
    _send(paper, "/sender-names", NAME)
    (entry,) = pages_db.read(register.names)
    place, cookie = f"/sender-names/{entry.id}/paper", "; ".join(f"{k}={v}" for k, v in paper.cookies.items())
    csrf = token(paper.get(f"/sender-names/{entry.id}").text)

    def upload(content: bytes, said: str = csrf) -> int:
        scan = {"file": ("giay.pdf", content, "application/pdf")}
        headers = {"Accept": "text/html", "Cookie": cookie}
        answer = paper.client.post(place, data={"csrf": said}, files=scan, headers=headers)
        return int(answer.status_code)

    assert upload(b"%PDF-1.4 x", "0" * len(csrf)) == 403
    assert upload(b"no scan") == 422
    assert pages_db.read(register.names)[0].paper is None
    assert upload(b"%PDF-1.4 x") == 303
    sha256 = pages_db.read(register.names)[0].paper
    assert paper.get(f"/v1/attachments/{sha256}").content == b"%PDF-1.4 x"


def test_a_table_is_pasted_and_a_carrier_s_rules_are_entered(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("operator", "vnpt")
    _send(paper, "/sender-names/import", {"table": "carrier\tname\tstate\r\nvnpt\tCA SON LA\tregistered\r\n"})
    refused = _send(paper, "/sender-names/import", {"table": "carrier\tname\r\nvnpt\tX\tY\r\n"})
    assert "Dòng 2 có nhiều ô hơn dòng đầu." in text(refused.text)
    _send(
        paper,
        "/registration-rules/vnpt",
        {"lead_days": "20", "needs_template": "true", "forbidden_words": "trúng thưởng, quà tặng"},
    )
    found = pages_db.read(register.rules, "vnpt")
    assert (found.lead_days, found.needs_template) == (20, True)
    assert found.forbidden_words == ["trúng thưởng", "quà tặng"]
    assert "Từ bị cấm: trúng thưởng, quà tặng." in text(paper.get("/sender-names").text)


def test_a_campaign_s_pages_show_what_is_refused_and_take_a_reason(pages_db: Database, signed_in: In) -> None:
    campaign_id, run_id = pages_db.write(whole_run)
    paper = signed_in("admin")
    _send(paper, "/sender-names", NAME | {"state": "asked"})
    said = "Đã đề nghị đăng ký CA SON LA tại VNPT VinaPhone nhưng chưa được chấp thuận."
    for page in (f"/campaigns/{campaign_id}", f"/campaigns/{campaign_id}/edit", f"/runs/{run_id}"):
        assert said in text(paper.get(page).text), page
    refused = _send(paper, f"/campaigns/{campaign_id}/submit", {})
    assert refused.status_code == 422
    assert said in text(refused.text)
    assert '<span lang="en">' not in refused.text
    assert (
        _send(paper, f"/campaigns/{campaign_id}/register-override", {"reason": "Đã gọi điện"}).status_code
        == 303
    )
    assert "Vẫn gửi theo quyết định của admin person: Đã gọi điện" in text(
        paper.get(f"/campaigns/{campaign_id}").text
    )
    pages_db.write(lifecycle.submit, campaign_id, "author")
    assert said in text(paper.get(f"/approvals?campaign={campaign_id}").text)
