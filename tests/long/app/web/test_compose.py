"""Compose: a draft with its runs by one form, its estimate beside it, and the way to its approval."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape

import httpx
import pytest
from sqlalchemy import Connection

from app.campaigns import lifecycle, queries, texts
from app.campaigns.drafts import Draft
from app.database.connection import Database
from app.database.models import campaigns, runs
from app.web.pages.compose_pages import draft
from app.web.rendering import FormData
from carriers import text as sms
from tests.app.campaigns.rows import DRAFT, new_batch, new_campaign, new_link, new_run
from tests.app.client import Client
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]
OWN = "Công an không làm việc qua điện thoại. KHÔNG chuyển tiền, KHÔNG đọc OTP cho bất kỳ ai."
FORM = {
    "name": "Phòng lừa đảo",
    "purpose": "tuyen_truyen",
    "sender": "CA SON LA",
    "form": "unaccented",
    "text_key": "",
    "text": OWN,
    "directive_id": "",
    "window_start": "2099-02-02T07:00",
    "window_end": "2099-02-09T18:00",
    "day_starts": "07:00",
    "day_ends": "21:00",
}


def campaign(db: Database, campaign_id: int = 1) -> queries.Dossier:
    return db.read(queries.dossier, campaign_id)


def begun(c: Connection) -> None:
    """A campaign whose run has begun, without the approval that a person would need."""
    _, run_id = new_run(c)
    c.execute(campaigns.update().values(state="approved"))
    c.execute(runs.update().where(runs.c.id == run_id).values(state="running"))


def test_a_draft_is_kept_with_a_run_for_each_carrier(pages_db: Database, signed_in: In) -> None:
    for n, carrier in enumerate(("vnpt", "viettel", "vnpt")):
        pages_db.write(new_batch, carrier, sha256=str(n) * 64)
    paper = signed_in()
    answer = paper.send("/compose", "/compose", **FORM, do="keep", batch=["1", "2", "3"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/campaigns/1/edit")
    found = campaign(pages_db)
    assert [(run.carrier, run.batch_ids) for run in found.runs] == [("vnpt", [1, 3]), ("viettel", [2])]
    kept = found.campaign
    assert kept.texts[""].startswith("Cong an khong lam viec")
    assert kept.window_start is not None
    assert kept.window_start.isoformat() == "2099-02-02T07:00:00+07:00"
    assert kept.created_by == "admin person"
    said = text(paper.get("/campaigns/1/edit").text)
    assert "Đã lưu bản nháp." in said
    assert "3.000 thuê bao" in said  # all that would be submitted


def test_the_preview_shows_both_forms_and_keeps_nothing(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_batch, accepted=100_000)
    pages_db.write(new_link, "vnpt-1", 100.0)
    paper = signed_in()
    fields = FORM | {"text": OWN + " Xem https://example.net !!!"}
    answer = paper.send("/compose", "/compose", **fields, do="preview", batch="1")
    assert answer.status_code == 200
    said = text(answer.text)
    assert "1 bản tin" in said
    assert "2 bản tin" in said
    assert "100.000" in said
    assert "200.000" in said
    # 100,000 parts at 100 a second from 07:00 on, and twice as many.
    assert "07:16 02/02/2099" in said
    assert "07:33 02/02/2099" in said
    assert "khiến cảnh báo giống" in said or "https://example.net" in said
    assert pages_db.read(queries.campaigns_listed, 0, 10).items == []
    assert "checked" in answer.text
    assert OWN in answer.text


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, "chưa có kết nối tới nhà mạng"),
        ({"rate": 0.01}, "sau thời hạn gửi"),
        ({"rate": 10.0, "state": "halted"}, "mọi kết nối đang bị dừng"),
    ],
)
def test_what_stands_in_the_way_is_said(
    pages_db: Database, signed_in: In, changed: dict[str, float], wanted: str
) -> None:
    pages_db.write(new_batch, accepted=100_000)
    if changed:
        rate = changed.pop("rate")
        pages_db.write(new_link, "vnpt-1", rate, **changed)
    answer = signed_in().send("/compose", "/compose", **FORM, do="preview", batch="1")
    assert wanted in text(answer.text)


def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    for field, value in (("sender", "12345"), ("window_end", "2099-02-01T07:00"), ("name", "")):
        answer = paper.send("/compose", "/compose", **FORM | {field: value}, do="keep")
        assert answer.status_code == 422
        assert f'aria-describedby="d-{field}"' in answer.text
        assert OWN in answer.text
    three = {"sender": "12345", "day_starts": "22:00", "window_end": "2099-02-01T07:00"}
    all_at_once = paper.send("/compose", "/compose", **FORM | three, do="keep")
    assert set(re.findall(r'href="#f-(\w+)"', all_at_once.text)) >= {"sender", "window_end"}
    assert len(re.findall('class="error"', all_at_once.text)) == 3
    assert "Tên định danh đã đăng ký, tối đa 11 ký tự." in text(all_at_once.text)  # the hint stays
    assert re.findall(r'id="f-(\w+)"[^>]*autofocus', all_at_once.text) == ["sender"]
    assert "<title>Lỗi: " in all_at_once.text
    both = paper.send("/compose", "/compose", **FORM | {"text_key": "gia-danh-cong-an"}, do="keep")
    assert "chọn một nội dung mẫu hoặc tự viết" in both.text
    assert pages_db.read(queries.campaigns_listed, 0, 10).items == []


def test_a_batch_that_can_t_be_taken_leaves_no_campaign_behind(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_batch, state="failed")
    answer = signed_in().send("/compose", "/compose", **FORM, do="keep", batch="1")
    assert answer.status_code == 409
    assert "Lô 1 bị lỗi. Đợt gửi chỉ nhận lô đã sẵn sàng." in answer.text
    assert pages_db.read(queries.campaigns_listed, 0, 10).items == []


def test_an_edit_shows_what_there_is_and_refuses_an_old_version(pages_db: Database, signed_in: In) -> None:
    key = texts.all_texts()[0].key
    pages_db.write(new_campaign, replace(DRAFT, text=None, text_key=key))
    paper = signed_in()
    page = paper.get("/campaigns/1/edit").text
    version = re.findall(r'name="version" value="(\d+)"', page)[0]
    assert f'<option value="{key}" selected>' in page
    fields = FORM | {"version": version, "do": "keep"}
    assert paper.send("/campaigns/1/edit", "/campaigns/1/edit", **fields).status_code == 303
    assert campaign(pages_db).campaign.name == "Phòng lừa đảo"
    late = paper.send("/campaigns/1/edit", "/campaigns/1/edit", **fields)
    assert late.status_code == 412
    assert "Ai đó vừa thay đổi" in text(late.text)


def test_runs_are_added_and_removed(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    pages_db.write(new_batch, "vnpt")
    paper, edit = signed_in(), "/campaigns/1/edit"
    assert paper.send(edit, "/campaigns/1/runs", carrier="vnpt", batch="1").headers["location"] == edit
    held = {
        "carrier": "viettel",
        "estimated": "350.000",
        "area_basis": "dia_chi_dang_ky",
        "areas": "116, 125",
    }
    assert paper.send(edit, "/campaigns/1/held-runs", **held).headers["location"] == edit
    own, other = campaign(pages_db).runs
    assert own.batch_ids == [1]
    assert other.audience is not None
    assert (other.audience.areas, other.audience.estimated) == (("116", "125"), 350_000)
    assert "nhà mạng tự gửi theo tốc độ riêng" in text(paper.get(edit).text)
    twice = paper.send(edit, "/campaigns/1/runs", carrier="vnpt", batch="1")
    assert twice.status_code == 409
    assert "Chiến dịch đã có đợt gửi tại vnpt" in twice.text
    assert "Before Tet" in twice.text  # the content stands as it is kept
    assert paper.send(edit, "/campaigns/1/runs", carrier="mobifone").status_code == 422
    assert paper.send(edit, f"/runs/{own.id}/remove").headers["location"] == edit
    assert [run.carrier for run in campaign(pages_db).runs] == ["viettel"]


def test_a_refused_form_of_a_carrier_that_sends_itself_stays_open_and_filled(
    pages_db: Database, signed_in: In
) -> None:
    pages_db.write(new_campaign)
    held = {"carrier": "vnpt", "estimated": "350.000", "area_basis": "dia_chi_dang_ky", "areas": "116 zzz"}
    answer = signed_in().send("/campaigns/1/edit", "/campaigns/1/held-runs", **held)
    assert answer.status_code == 422
    assert re.search('<details class="more" open>.*?value="350.000".*?value="116 zzz"', answer.text, re.S)


def test_areas_are_ticked_by_name_and_stay_ticked(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    paper, edit = signed_in(), "/campaigns/1/edit"
    page = paper.get(edit).text
    assert len(re.findall('type="checkbox" name="area"', page)) == 75 + 12
    assert "toàn bộ Thị xã Mộc Châu 123" in text(page)
    held = {"carrier": "vnpt", "estimated": "", "area_basis": "dia_chi_dang_ky", "area": ["03646", "123"]}
    refused = paper.send(edit, "/campaigns/1/held-runs", **held)
    assert refused.status_code == 422
    assert set(re.findall(r'name="area" value="(\d+)" checked', refused.text)) == {"03646", "123"}
    assert paper.send(edit, "/campaigns/1/held-runs", **held | {"estimated": "9000"}).status_code == 303
    (run,) = campaign(pages_db).runs
    assert run.audience is not None
    assert run.audience.areas == ("03646", "123")
    assert "Phường Tô Hiệu (03646), Thị xã Mộc Châu (123)" in text(paper.get(edit).text)
    assert "Phường Tô Hiệu (03646), Thị xã Mộc Châu (123)" in text(paper.get("/runs/1").text)


def test_a_draft_with_runs_is_submitted(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_campaign)
    paper, edit = signed_in(), "/campaigns/1/edit"
    assert "Trình phê duyệt" not in text(paper.get(edit).text)
    refused = paper.send(edit, "/campaigns/1/submit")
    assert refused.status_code == 409
    assert "Chiến dịch chưa có đợt gửi" in refused.text
    batch = pages_db.write(new_batch)
    pages_db.write(lifecycle.add_run, 1, "vnpt", [batch], "author")
    assert "Trình phê duyệt" in text(paper.get(edit).text)
    assert paper.send(edit, "/campaigns/1/submit").headers["location"] == "/campaigns/1"
    assert campaign(pages_db).campaign.submitted_by == "admin person"
    assert "Mọi thay đổi đưa chiến dịch về bản nháp." in text(paper.get(edit).text)


STALE = {
    "/campaigns/1/submit": {},
    "/campaigns/1/runs": {"carrier": "vnpt", "batch": "1"},
    "/campaigns/1/held-runs": {"carrier": "vnpt", "estimated": "1", "area_basis": "dia_chi_dang_ky"},
    "/runs/1/remove": {},
}


@pytest.mark.parametrize("path", STALE)
def test_what_somebody_has_changed_meanwhile_is_read_again_before_the_next_step(
    pages_db: Database, signed_in: In, path: str
) -> None:
    pages_db.write(new_run, carrier="mobifone")
    paper, edit = signed_in(), "/campaigns/1/edit"
    read = campaign(pages_db)
    fields = FORM | {"version": str(read.campaign.version), "do": "keep"}
    assert paper.send(edit, edit, **fields).status_code == 303
    late = paper.send(edit, f"{path}?version={read.campaign.version}", **STALE[path])
    assert late.status_code == 412
    assert "Ai đó vừa thay đổi" in text(late.text)
    now = campaign(pages_db)
    assert (now.campaign.state, [run.id for run in now.runs]) == ("draft", [run.id for run in read.runs])
    path = f"{path}?version={now.campaign.version}"
    again = paper.send(edit, path, **STALE[path.partition("?")[0]])
    assert again.status_code in (303, 409, 422)
    assert "Ai đó vừa thay đổi" not in text(again.text)


def test_a_form_that_is_sent_twice_makes_one_campaign(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    token_of = {"csrf": token(paper.get("/compose").text)}
    form = token_of | FORM | {"do": "keep", "once": "a"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(paper, form), range(8)))
    assert {each.headers.get("location") for each in answers} == {"/campaigns/1/edit"}
    other = paper.post("/compose", form | {"name": "Another"})
    assert other.status_code == 409
    assert "Biểu mẫu này đã được gửi" in text(other.text)
    assert len(pages_db.read(queries.campaigns_listed, 0, 100).items) == 1
    assert paper.post("/compose", form | {"once": "b"}).headers["location"] == "/campaigns/2/edit"


def test_every_form_of_the_page_names_the_version_that_it_shows(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_batch, "viettel", sha256="1" * 64)
    pages_db.write(new_run, carrier="mobifone")
    paper = signed_in()
    version = campaign(pages_db).campaign.version
    actions = re.findall(r'action="(/(?:campaigns/1|runs)/[^"]*)"', paper.get("/campaigns/1/edit").text)
    own = [each for each in actions if each != "/campaigns/1/edit"]
    verbs = {each.partition("?")[0].rpartition("/")[2] for each in own}
    assert verbs == {"submit", "runs", "held-runs", "remove"}
    assert {each.partition("?")[2] for each in own} == {f"version={version}"}
    assert len(set(re.findall(r'name="once" value="([^"]{16,})"', paper.get("/compose").text))) == 1


def ask(paper: Paper, form: dict[str, str]) -> httpx.Response:
    with Client(paper.client.app) as client:
        return Paper(client, dict(paper.cookies)).post("/compose", form)


def test_a_year_that_can_not_be_is_told_at_its_field(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    wrong = paper.send("/compose", "/compose", **FORM | {"window_start": "0024-02-02T07:00", "do": "keep"})
    assert wrong.status_code == 422
    assert "từ năm 1970 đến năm 2199" in text(wrong.text)
    assert pages_db.read(queries.campaigns_listed, 0, 100).items == []


def test_what_has_begun_is_not_changed(pages_db: Database, signed_in: In) -> None:
    pages_db.write(begun)
    paper, edit = signed_in(), "/campaigns/1/edit"
    page = paper.get(edit).text
    assert "Đã có đợt gửi bắt đầu" in text(page)
    version = re.findall(r'name="version" value="(\d+)"', page)[0]
    assert paper.send(edit, edit, **FORM, version=version, do="keep").status_code == 409
    assert paper.send(edit, "/runs/1/remove").status_code == 409
    assert campaign(pages_db).campaign.name == "Before Tet"


def test_the_form_is_the_draft_that_the_api_would_make() -> None:
    made = draft(FormData({name: [value] for name, value in FORM.items()}))
    assert made == Draft(
        name="Phòng lừa đảo",
        purpose="tuyen_truyen",
        sender="CA SON LA",
        text=OWN,
        window_start=made.window_start,
        window_end=made.window_end,
        day_starts="07:00",
        day_ends="21:00",
    )


def test_the_author_s_diacritics_outlive_a_form_without_them(pages_db: Database, signed_in: In) -> None:
    paper, edit = signed_in(), "/campaigns/1/edit"
    paper.send("/compose", "/compose", **FORM, do="keep")
    assert campaign(pages_db).campaign.texts[""] == sms.unaccent(OWN)
    page = paper.get(edit).text
    assert OWN in page.partition('<textarea id="f-text"')[2].partition("</textarea>")[0]
    assert '<option value="unaccented" selected>' in page
    fields = FORM | {"form": "accented", "version": "1"}
    fields["text"] = unescape(re.findall(r'id="f-text"[^>]*>([^<]*)', page)[0])
    assert paper.send(edit, edit, **fields, do="keep").status_code == 303
    assert campaign(pages_db).campaign.texts[""] == OWN
