"""The inbox of approvals: all that is decided on is shown, and decisions are those of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Connection, insert, select, update

from app.api.bodies import filled
from app.campaigns import approval, lifecycle, queries
from app.campaigns.drafts import Draft
from app.core.config import MoneySettings, PriceSettings, Settings
from app.database.connection import Database
from app.database.models import approvals, batches, campaigns, subscribers
from app.privacy import do_not_send
from app.security.principal import Caller
from app.sender_names.checks import OverrideBody
from app.sender_names.register import NameBody
from app.web.pages import approvals_pages
from tests.app.campaigns.rows import DRAFT, HOURS, new_batch, new_link, whole_run
from tests.long.app.web.conftest import Paper, text
from tests.operations import carry_out

In = Callable[..., Paper]
NIGHT = replace(DRAFT, purpose="canh_bao_khan", day_starts="00:00", day_ends="24:00")
BOSS = Caller("boss", "approver")


def submitted(c: Connection, draft: Draft | None = None, who: str = "author") -> int:
    """A campaign with a run, handed over for approval."""
    campaign_id, _ = whole_run(c)
    if draft:
        lifecycle.edit(c, campaign_id, queries.campaign(c, campaign_id).version, draft, HOURS, who)
    lifecycle.submit(c, campaign_id, who)
    return campaign_id


def state(db: Database) -> str:
    return db.read(queries.campaign, 1).state


def digest(page: str) -> str:
    return re.findall(r'name="digest" value="([0-9a-f]{64})"', page)[0]


def test_an_empty_inbox_says_so(signed_in: In) -> None:
    assert "Không có chiến dịch nào chờ quyết định." in text(signed_in("approver").get("/approvals").text)


@pytest.mark.parametrize(("by", "decides"), [("approver person", False), ("author", True)])
def test_the_overview_asks_everybody_to_decide_but_who_has_submitted_it(
    pages_db: Database, signed_in: In, by: str, decides: bool
) -> None:
    pages_db.write(submitted)
    pages_db.write(lambda c: c.execute(update(campaigns).values(created_by="author", submitted_by=by)))
    said = text(signed_in("approver").get("/").text)
    assert "1 chiến dịch chờ phê duyệt." in said
    assert ("Đọc và quyết định:" in said) is decides


def test_the_content_is_shown_in_full_and_approved_by_its_digest(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    paper = signed_in("approver")
    page = paper.get("/approvals").text
    said = text(page)
    for shown in ("Canh giac lua dao.", "CA SON LA", "tuyên truyền", "07:00–21:00", "list.csv", "author"):
        assert shown in said
    assert "Chưa có: chưa ai quyết định về chiến dịch này." in said
    found = digest(page)
    assert found == pages_db.read(queries.dossier, 1).digest
    answer = paper.send("/approvals", "/campaigns/1/approve", digest=found)
    assert (answer.status_code, answer.headers["location"]) == (303, "/approvals")
    assert state(pages_db) == "approved"
    said = text(paper.get("/approvals").text)
    assert "Đã phê duyệt chiến dịch" in said
    assert "Không có chiến dịch nào chờ quyết định." in said


def test_numbers_of_another_carriers_ranges_are_said_of_each_list(pages_db: Database, signed_in: In) -> None:
    """A list of others' numbers would tell its carrier which of them the others have: by what is left out."""

    def build(c: Connection) -> None:
        campaign_id = lifecycle.create(c, DRAFT, HOURS, "author")
        lists = [new_batch(c, name=f"{n}.csv", sha256=f"{n}" * 64, other_range=n) for n in (0, 750)]
        lists.append(new_batch(c, name="bad.csv", sha256="b" * 64, lines=4000, rejected=3000))
        lifecycle.add_run(c, campaign_id, "vnpt", lists, "author", lists)
        lifecycle.submit(c, campaign_id, "author")

    pages_db.write(build)
    page = text(signed_in("approver").get("/approvals").text)
    assert "0.csv · 1.000 thuê bao · 000" in page
    assert "750.csv · 1.000 thuê bao · 750 số thuộc đầu số của nhà mạng khác (75,0%)" in page
    assert "bad.csv · 1.000 thuê bao · 3.000 trên 4.000 dòng bị lỗi (75,0%) Quá nhiều dòng lỗi" in page
    [run] = pages_db.read(queries.dossier, 1).runs
    assert (run.subscribers, run.other_range) == (3000, 750)


def test_another_content_than_was_read_is_not_approved(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    paper = signed_in("approver")
    for seen, status in (("0" * 64, 409), ("", 422), ("x", 422)):
        refused = paper.send("/approvals", "/campaigns/1/approve", digest=seen)
        assert refused.status_code == status
    assert state(pages_db) == "submitted"


@pytest.mark.parametrize(("verb", "wanted"), [("return", "draft"), ("reject", "rejected")])
def test_returning_and_rejecting_want_a_reason(
    pages_db: Database, signed_in: In, verb: str, wanted: str
) -> None:
    pages_db.write(submitted)
    paper = signed_in()
    assert paper.send("/approvals", f"/campaigns/1/{verb}", reason=" ").status_code == 422
    assert state(pages_db) == "submitted"
    assert paper.send("/approvals", f"/campaigns/1/{verb}", reason="Sai tên định danh.").status_code == 303
    assert state(pages_db) == wanted
    (decision,) = pages_db.read(queries.dossier, 1).decisions
    assert (decision.by, decision.reason) == ("admin person", "Sai tên định danh.")


def test_the_night_needs_a_reason(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted, NIGHT)
    paper = signed_in("approver")
    page = paper.get("/approvals").text
    assert "lấn vào giờ nghỉ đêm (00:00–24:00)" in text(page)
    refused = paper.send("/approvals", "/campaigns/1/approve", digest=digest(page))
    assert refused.status_code == 422
    assert "gửi vào giờ yên tĩnh ban đêm" in refused.text
    said = {"digest": digest(page), "reason": "Lũ quét."}
    assert paper.send("/approvals", "/campaigns/1/approve", **said).status_code == 303


def test_who_had_a_hand_in_it_is_told_why_somebody_else_decides(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted, who="approver person")
    paper = signed_in("approver")
    page = paper.get("/approvals").text
    assert "Cần người khác quyết định." in text(page)
    assert "/campaigns/1/approve" not in page
    found = pages_db.read(queries.dossier, 1).digest
    refused = paper.send("/approvals", "/campaigns/1/approve", digest=found)
    assert refused.status_code == 403
    assert state(pages_db) == "submitted"


def test_what_the_register_says_of_two_carriers_alike_is_said_once(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(approval.send_back, 1, BOSS, "Sửa lại lời.")
    pages_db.write(_edited)
    said = text(signed_in("approver").get("/approvals").text)
    assert re.search(
        r"(Viettel, VNPT VinaPhone|VNPT VinaPhone, Viettel): Sổ chưa có tên định danh nào của", said
    )
    assert said.count("Sổ chưa có tên định danh nào") == 1


def test_a_word_to_send_all_the_same_is_never_folded_away(pages_db: Database, signed_in: In) -> None:
    campaign_id, _ = pages_db.write(whole_run)
    name = filled(NameBody, {"carrier": "vnpt", "name": "CA SON LA", "state": "asked"})
    carry_out(pages_db, "add_sender_name", body=name)
    reason = filled(OverrideBody, {"reason": "Đã gọi điện xác nhận."})
    carry_out(pages_db, "override_register", "boss", campaign_id=campaign_id, body=reason)
    pages_db.write(lifecycle.submit, campaign_id, "author")
    page = signed_in("approver").get("/approvals").text
    before = page[: page.index("Đã gọi điện xác nhận.")]
    assert before.count("<details") == before.count("</details")


def test_an_auditor_reads_and_is_offered_nothing(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    page = signed_in("auditor").get("/approvals").text
    assert "Canh giac lua dao." in text(page)
    assert "/campaigns/1/approve" not in page


def test_what_changed_since_the_last_decision_is_listed(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(approval.send_back, 1, BOSS, "Sửa lại lời.")
    pages_db.write(lifecycle.submit, 1, "author")
    paper = signed_in("approver")
    same = text(paper.get("/approvals").text)
    assert "Nội dung vẫn đúng mã băm khi đó.".lower() in same.lower()
    assert "Sửa lại lời." in same
    pages_db.write(approval.send_back, 1, BOSS, "Lần nữa.")
    pages_db.write(_edited)
    said = text(paper.get("/approvals").text)
    assert "Nội dung có mã băm khác với khi đó." in said
    assert "lan – đã sửa nội dung" in said
    assert "lan – đã thêm đợt gửi (Viettel)" in said


def test_the_approver_sees_what_is_otherwise_than_was_decided_on(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(approval.send_back, 1, BOSS, "Sửa lại lời.")
    pages_db.write(_edited)
    page = signed_in("approver").get("/approvals").text
    differs = page[page.index('id="differs"') : page.index("</section>", page.index('id="differs"'))]
    assert "<del>Canh giac lua dao.</del> <ins>Khong chuyen tien.</ins>" in differs
    assert "Thuê bao (Viettel): <del>0</del> → <ins>1.000</ins>" in differs
    assert "VNPT" not in differs  # as many as before


def test_what_changed_without_a_decision_is_listed_too(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(_edited)
    said = text(signed_in("approver").get("/approvals").text)
    assert "Đã thay đổi từ lần trình đầu tiên" in said
    assert "lan – đã sửa nội dung" in said


def test_what_was_withdrawn_and_edited_is_compared_with_what_was_submitted(
    pages_db: Database, signed_in: In
) -> None:
    pages_db.write(submitted)
    pages_db.write(lifecycle.withdraw, 1, "author")
    late = replace(DRAFT, text="Khong chuyen tien.", window_end=datetime(2030, 1, 2, tzinfo=UTC))
    pages_db.write(lambda c: lifecycle.edit(c, 1, queries.campaign(c, 1).version, late, HOURS, "lan"))
    pages_db.write(
        lambda c: lifecycle.add_run(c, 1, "viettel", [new_batch(c, "viettel", sha256="2" * 64)], "lan")
    )
    pages_db.write(lifecycle.submit, 1, "lan")
    paper = signed_in("approver")
    page = paper.get("/approvals").text
    differs = page[page.index('id="differs"') : page.index("</section>", page.index('id="differs"'))]
    assert "Khác với lần trình trước" in differs
    assert "<del>Canh giac lua dao.</del> <ins>Khong chuyen tien.</ins>" in differs
    assert "Thuê bao (Viettel): <del>0</del> → <ins>1.000</ins>" in differs
    assert "<del>… – …</del> → <ins>… – 07:00 02/01/2030</ins>" in differs
    pages_db.write(approval.send_back, 1, BOSS, "Sửa lại lời.")
    pages_db.write(lifecycle.submit, 1, "lan")
    assert 'id="differs"' not in paper.get("/approvals").text  # as it was decided on


def test_areas_and_money_are_said_before_anything_is_pressed(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(lambda c: c.execute(update(subscribers).where(subscribers.c.seq < 4).values(area="03646")))
    paper = signed_in("approver")
    page = text(paper.get("/approvals").text)
    assert "Phường Tô Hiệu 2 66,7%" in page
    assert "chưa rõ địa bàn 1 33,3%" in page
    assert "Chưa tính được chi phí: chưa đủ đơn giá" in page
    money = MoneySettings(prices={"a": PriceSettings(carrier="vnpt", dong=Decimal("250.5"))})
    settings = Settings(environment="development", money=money)
    found = pages_db.read(approvals_pages.case, 1, BOSS, settings)
    assert found.cost == 752  # 3 people, one part each


def test_a_million_subscribers_are_counted_by_area_only_when_asked(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(lambda c: c.execute(update(batches).values(accepted=1_000_000)))
    paper = signed_in("approver")
    page = paper.get("/approvals").text
    assert "chưa rõ địa bàn" not in page
    (way,) = re.findall(r'href="(/approvals\?[^"]*areas=yes)"', page)
    assert "chưa rõ địa bàn 3" in text(paper.get(way.replace("&amp;", "&")).text)


def test_the_night_and_the_finish_are_said_before_anything_is_pressed(
    pages_db: Database, signed_in: In
) -> None:
    pages_db.write(submitted, NIGHT)
    pages_db.write(new_link, "vnpt-1", 1.0)
    pages_db.write(do_not_send.add, "vnpt", ["0912000001", "0912999999"], "lan")
    page = signed_in("approver").get("/approvals").text
    before = text(page[: page.index('class="confirm"')])
    assert "Có gửi ban đêm: 00:00–24:00. Phê duyệt phải nêu lý do." in before
    assert re.search(r"\d\d:\d\d(?: \d\d/\d\d)? – \d\d:\d\d(?: \d\d/\d\d)? 2 số trong danh sách", before)


def test_a_second_click_on_the_approval_is_no_error(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    paper = signed_in("approver")
    found = digest(paper.get("/approvals").text)
    for _ in range(2):
        answer = paper.send("/account", "/campaigns/1/approve", digest=found)
        assert (answer.status_code, state(pages_db)) == (303, "approved")
    assert len(pages_db.read(queries.dossier, 1).decisions) == 1


def _edited(c: Connection) -> None:
    version = queries.campaign(c, 1).version
    lifecycle.edit(c, 1, version, replace(DRAFT, text="Khong chuyen tien."), HOURS, "lan")
    lifecycle.add_run(c, 1, "viettel", [new_batch(c, "viettel", sha256="2" * 64)], "lan")
    lifecycle.submit(c, 1, "lan")


def test_one_s_own_is_not_the_first_that_is_shown(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted, who="approver person")
    pages_db.write(_second)
    paper = signed_in("approver")
    assert "/campaigns/2/approve" in paper.get("/approvals").text
    assert "/campaigns/1/" not in paper.get("/approvals?campaign=1").text.replace('/campaigns/1"', "")
    assert paper.get("/approvals?campaign=99").status_code == 404


def _second(c: Connection) -> None:
    whole_run(c, "viettel")
    lifecycle.submit(c, 2, "author")


def test_its_author_reads_at_the_top_why_it_came_back(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(approval.send_back, 1, BOSS, "Sửa lại lời.")
    paper = signed_in("admin")
    top = paper.get("/campaigns/1").text
    assert "đã trả lại người soạn: Sửa lại lời." in text(top[: top.index('class="figures"')])
    pages_db.write(lifecycle.submit, 1, "author")
    again = paper.get("/campaigns/1").text
    assert "Sửa lại lời." not in text(again[: again.index('class="figures"')])


@pytest.mark.parametrize(
    ("author", "submits", "told"),
    [
        ("admin person", "admin person", True),
        ("admin person", "author", True),
        ("author", "admin person", True),
        ("author", "author", False),
    ],
)
def test_the_overview_tells_who_wrote_or_submitted_it_that_it_came_back(
    pages_db: Database, signed_in: In, author: str, submits: str, told: bool
) -> None:
    pages_db.write(submitted)
    pages_db.write(lambda c: c.execute(update(campaigns).values(created_by=author, submitted_by=submits)))
    pages_db.write(approval.send_back, 1, BOSS, "Sửa lại lời.")
    paper = signed_in("admin")
    assert ("đã bị trả lại cho bạn: Sửa lại lời." in text(paper.get("/").text)) is told
    pages_db.write(lifecycle.submit, 1, author)
    assert "đã bị trả lại cho bạn" not in text(paper.get("/").text)


def test_the_oldest_that_came_back_is_told_beside_many_of_others(pages_db: Database, signed_in: In) -> None:
    pages_db.write(submitted)
    pages_db.write(approval.send_back, 1, BOSS, "Lời 0.")

    def more(c: Connection) -> None:
        c.execute(update(campaigns).values(submitted_by="admin person"))
        campaign, decision = (dict(c.execute(select(of)).one()._mapping) for of in (campaigns, approvals))
        del campaign["id"], decision["id"]
        for nth in range(1, 25):
            campaign["submitted_by"] = "admin person" if nth < 5 else "author"
            copy = c.execute(insert(campaigns).values(campaign)).inserted_primary_key
            decision |= {"campaign_id": copy[0] if copy else None, "reason": f"Lời {nth}."}
            c.execute(insert(approvals).values(decision))

    pages_db.write(more)
    page = text(signed_in("admin").get("/").text)
    assert re.findall(r"trả lại cho bạn: (Lời \d+\.)", page) == ["Lời 4.", "Lời 3.", "Lời 2."]
    assert "và 2 mục nữa" in page
