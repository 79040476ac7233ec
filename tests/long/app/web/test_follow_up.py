"""The form of a follow-up, its campaign's page and the approver's: sizes and digests, and never a number."""

from __future__ import annotations

import re
from collections.abc import Callable

from app.campaigns import lifecycle
from app.database.connection import Database
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
PEOPLE = {n: D.DELIVERED if n % 2 else D.UNDELIVERED for n in range(20)}


def test_a_follow_up_is_made_by_a_form_and_approved_by_another(pages_db: Database, signed_in: In) -> None:
    one = sent(pages_db, PEOPLE)
    author = signed_in("admin")
    assert f"/campaigns/{one}/follow-up" in author.get(f"/campaigns/{one}").text
    form = author.get(f"/campaigns/{one}/follow-up").text
    assert re.findall(r'value="(\w+)" checked', form) == ["undelivered", "expired", "no_receipt"]
    assert 'name="area" value="116"' in form
    place = f"/campaigns/{one}/follow-up"
    refused = author.send(place, place, outcomes=["undelivered"], area=["119"], areas="999").text
    assert 'name="area" value="119" checked' in refused
    answer = author.send(
        place, place, outcomes=["undelivered"], area=["116"], areas="Thị trấn Ít Ong", text="Canh giac."
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
    for fields, said in (
        ({"areas": "999"}, "Không có địa bàn"),
        ({"outcomes": []}, "cần ít nhất 1 dòng"),
        ({"outcomes": ["expired"]}, "Không có ai để gửi tiếp"),
        ({"campaign_ids": "x"}, "số nguyên"),
        ({"campaign_ids": "99"}, "99"),
    ):
        answer = author.send(place, place, **({"outcomes": ["undelivered"], "name": "Đợt hai"} | fields))
        page = text(answer.text)
        assert answer.status_code in (404, 409, 422), fields
        assert said in page, page[:1500]
        assert "Đợt hai" in answer.text


def test_an_auditor_and_an_operator_see_no_form(pages_db: Database, signed_in: In) -> None:
    one = sent(pages_db, PEOPLE)
    for role, carrier in (("auditor", None), ("operator", "vnpt")):
        paper = signed_in(role, carrier)
        assert "follow-up" not in paper.get(f"/campaigns/{one}").text
        assert paper.get(f"/campaigns/{one}/follow-up").status_code == 403
