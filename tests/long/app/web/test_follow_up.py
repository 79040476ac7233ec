"""The form of a follow-up, the offer on the run's page, the campaign's page and the approver's."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import func, insert, select

from app.campaigns import lifecycle
from app.database.connection import Database
from app.database.models import audiences, campaigns, run_batches, subscribers
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.app.missed import missed
from tests.app.world import FIRST_PHONE
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
PEOPLE = {n: D.DELIVERED if n % 2 else D.UNDELIVERED for n in range(20)}
FORM = "/campaigns/1/follow-up"


def ticks(page: str) -> dict[str, str]:
    """Return each cause of the form, with whether it is selected or cannot be."""
    boxes = re.findall(r'name="causes" value="([^"]+)"([^>]*)>', page)
    return {unescape(cause): attributes.strip() for cause, attributes in boxes}


def selected(page: str) -> list[str]:
    return [cause for cause, attributes in ticks(page).items() if attributes == "checked"]


def audience(db: Database, campaign: int) -> list[int]:
    """Return whom its batches name, counted from the first telephone of the world."""
    query = select(subscribers.c.phone).join(run_batches, run_batches.c.batch_id == subscribers.c.batch_id)
    rows = db.read(lambda c: c.execute(query.where(run_batches.c.campaign_id == campaign)).scalars().all())
    return sorted(phone - FIRST_PHONE for phone in rows)


def made(paper: Paper, db: Database, **fields: object) -> int:
    """Send the form; return the campaign it has made, whose audience is there."""
    answer = paper.send(FORM, FORM, **fields)
    assert answer.status_code == 303, text(answer.text)
    past.fill(db)
    return int(answer.headers["location"].rsplit("/", 1)[1])


def test_a_follow_up_is_made_by_a_form_and_approved_by_another(pages_db: Database, signed_in: In) -> None:
    one = sent(pages_db, PEOPLE)
    author = signed_in("admin")
    assert f"/campaigns/{one}/follow-up" in author.get(f"/campaigns/{one}").text
    form = author.get(f"/campaigns/{one}/follow-up").text
    assert ticks(form) == {"undelivered:none:": "checked"}
    assert 'name="area" value="116"' in form
    place = f"/campaigns/{one}/follow-up"
    refused = author.send(place, place, causes=["undelivered:none:"], area=["119"], areas="999").text
    assert 'name="area" value="119" checked' in refused
    answer = author.send(
        place, place, causes=["undelivered:none:"], area=["116"], areas="Thị trấn Ít Ong", text="Canh giac."
    )
    assert answer.status_code == 303, text(answer.text)
    made = int(answer.headers["location"].rsplit("/", 1)[1])
    assert "đang lập" in text(author.get(f"/campaigns/{made}").text)
    past.fill(pages_db)
    page = author.get(f"/campaigns/{made}").text
    assert "Gửi tiếp cho ai" in page
    assert "4 thuê bao" in text(page)
    pages_db.write(lifecycle.submit, made, "lan")
    approver = signed_in("approver")
    shown = approver.get(f"/approvals?campaign={made}").text
    assert "không gửi được, theo biên nhận" in shown
    for seen in (page, shown):
        assert "Xã Mường La (03808), Thành phố Sơn La (116)" in text(seen)
    assert "4 thuê bao" in text(shown)
    for each in (form, page, shown, approver.get(f"/campaigns/{made}").text):
        assert [n for n in PEOPLE if str(past.number(n))[-9:] in each] == []


def test_what_is_refused_stands_above_the_form_with_what_was_entered(
    pages_db: Database, signed_in: In
) -> None:
    one = sent(pages_db, PEOPLE)
    author, place = signed_in("admin"), f"/campaigns/{one}/follow-up"
    for fields, sentence in (
        ({"areas": "999"}, "Không có địa bàn"),
        ({"causes": []}, "Hãy chọn ít nhất một nhóm tin."),
        ({"causes": ["expired"]}, "Không có ai để gửi tiếp"),
        ({"causes": ["expired", "lost"]}, "lost không phải là nhóm tin hợp lệ"),
        ({"second_copies": "x"}, "số nguyên"),
        ({"campaign_ids": "x"}, "số nguyên"),
        ({"campaign_ids": "99"}, "99"),
    ):
        usual = {"causes": ["undelivered:none:"], "name": "Đợt hai"}
        answer = author.send(place, place, **(usual | fields))
        page = text(answer.text)
        assert answer.status_code in (404, 409, 422), fields
        assert sentence in page, page[:1500]
        assert "Đợt hai" in answer.text


def test_an_auditor_and_an_operator_see_no_form(pages_db: Database, signed_in: In) -> None:
    one = sent(pages_db, PEOPLE)
    for role, carrier in (("auditor", None), ("operator", "vnpt")):
        paper = signed_in(role, carrier)
        assert "follow-up" not in paper.get(f"/campaigns/{one}").text
        assert paper.get(f"/campaigns/{one}/follow-up").status_code == 403


def test_the_form_of_a_running_campaign_selects_what_sending_again_can_help(
    pages_db: Database, signed_in: In
) -> None:
    missed(pages_db)
    page = signed_in("admin").get(FORM).text
    assert ticks(page) == {
        "undelivered:handset:21": "checked",
        "undelivered:barred:13": "",
        "expired": "checked",
        "unknown": "",
        "rejected:filtered:TEMPLATE": "",
        "rejected:filtered:ALIAS": "",
        "rejected:no_such_number:10": "",
        "rejected:other:DUPLICATE MESSAGE": "disabled",
    }
    shown = text(page)
    assert "Với các mục chọn sẵn khi mở trang: 3 thuê bao." in shown
    assert "các số này chặn tin loại này" in shown
    assert "các số này không còn người dùng" in shown
    assert "0 thuê bao trong 1 tin Có thể nhà mạng đã nhận các tin này" in shown


def test_the_offer_of_the_run_is_what_the_form_selects_and_the_draft_gets(
    pages_db: Database, signed_in: In
) -> None:
    missed(pages_db)
    author = signed_in("admin")
    run = author.get("/runs/1").text
    link = re.search(r'href="([^"]+)">Gửi tiếp cho 3 thuê bao…', run)
    assert link
    address = unescape(link[1])
    assert address == f"{FORM}?carrier=viettel"
    form = author.get(address).text
    assert "Với các mục chọn sẵn khi mở trang: 3 thuê bao." in text(form)
    campaign = made(author, pages_db, causes=selected(form), carriers="viettel")
    assert audience(pages_db, campaign) == [10, 12, 13]
    past.begin(pages_db, campaign)
    assert "Gửi tiếp cho" not in text(author.get("/runs/1").text), "they are about to be written to"
    assert "0 thuê bao trong 2 tin Không còn ai" in text(author.get(FORM).text)


def test_a_cause_on_the_run_s_page_leads_to_a_form_with_it_alone(pages_db: Database, signed_in: In) -> None:
    missed(pages_db)
    author = signed_in("admin")
    links = [
        unescape(link)
        for link in re.findall(r'href="([^"]+)">Gửi tiếp nhóm này…', author.get("/runs/1").text)
    ]
    assert f"{FORM}?carrier=viettel&cause=rejected%3Afiltered%3ATEMPLATE" in links
    assert [link for link in links if "DUPLICATE" in link] == []
    chosen = [selected(author.get(link).text) for link in links]
    assert sorted(cause for [cause] in chosen) == sorted(set(ticks(author.get(FORM).text)) - {_DUPLICATE})
    form = author.get(next(link for link in links if "TEMPLATE" in link)).text
    assert "Với các mục chọn sẵn khi mở trang: 3 thuê bao." in text(form)
    assert "Chỉ tại Viettel." in text(form)
    campaign = made(author, pages_db, causes=selected(form), carriers="viettel")
    assert audience(pages_db, campaign) == [0, 1, 2]
    assert "từ chối ngay: bị từ chối do bộ lọc hoặc khai báo tên định danh ( TEMPLATE )" in text(
        author.get(f"/campaigns/{campaign}").text
    )


_DUPLICATE = "rejected:other:DUPLICATE MESSAGE"


def test_people_who_may_get_a_second_copy_are_confirmed_by_their_number(
    pages_db: Database, signed_in: In
) -> None:
    missed(pages_db)
    author = signed_in("admin")
    for wrong in ("", "2", "4"):
        answer = author.send(FORM, FORM, causes=["unknown", "expired"], second_copies=wrong)
        assert answer.status_code == 409
        assert "họ có thể nhận tin hai lần. Để xác nhận, hãy nhập số 3." in text(answer.text)
        assert selected(answer.text) == ["expired", "unknown"]
        assert f'name="second_copies" type="text" value="{wrong}"' in answer.text
    campaign = made(author, pages_db, causes=["unknown", "expired"], second_copies="3")
    assert audience(pages_db, campaign) == [7, 8, 9, 12, 13]
    assert "có thể đã nhận" in text(author.get(f"/campaigns/{campaign}").text)


def test_duplicates_and_forged_causes_reach_nobody(pages_db: Database, signed_in: In) -> None:
    missed(pages_db)
    author = signed_in("admin")
    for causes in ([_DUPLICATE], ["rejected:filtered:NONE"], ["delivered"], ["no_receipt"]):
        answer = author.send(FORM, FORM, causes=causes)
        assert answer.status_code == 422, causes
    assert pages_db.read(lambda c: c.execute(select(func.count()).select_from(campaigns)).scalar()) == 1


@pytest.mark.parametrize("query", ["carrier=", "carrier=nobody", "cause=x", "cause=%00&carrier=%00"])
def test_a_strange_address_shows_the_form_without_a_selection_or_the_usual_one(
    pages_db: Database, signed_in: In, query: str
) -> None:
    missed(pages_db)
    answer = signed_in("admin").get(f"{FORM}?{query}")
    assert answer.status_code in (200, 422)
    assert len(selected(answer.text)) in (0, 2)


def test_an_operator_reads_the_offer_without_a_link_and_a_held_run_has_none(
    pages_db: Database, signed_in: In
) -> None:
    missed(pages_db)
    paper = signed_in("operator", "viettel")
    page = paper.get("/runs/1").text
    assert "Người soạn chiến dịch có thể lập chiến dịch gửi tiếp cho 3 thuê bao." in text(page)
    assert "/follow-up" not in page
    held = {"run_id": 1, "areas": [], "area_basis": "registered", "estimated": 20}
    pages_db.write(lambda c: c.execute(insert(audiences).values(held)))
    assert "gửi tiếp cho" not in text(paper.get("/runs/1").text)
