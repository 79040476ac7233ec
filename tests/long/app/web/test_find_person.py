"""The page that finds a person: for who may, exact, masked, and with the number in no address."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import update

from app.database.connection import Database
from app.database.models import deliveries
from app.dispatch.find_person import A_MINUTE
from app.privacy import do_not_send
from tests.app.world import FIRST_PHONE, build
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def test_a_person_is_found_and_led_to_what_happened(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    paper = signed_in("operator", "vnpt")
    assert 'href="/find"' in paper.get("/").text
    answer = paper.send("/find", "/find", phone="0911 000 019")
    said = text(answer.text)
    assert answer.status_code == 200
    assert "8491*****19: 1 chiến dịch" in said
    assert f"{scene.FIRST.name} không nhận được" in said
    assert "Lý do: số không tồn tại hoặc đã thu hồi." in said
    assert scene.TEXT in said
    assert 'href="/deliveries/1/2/19"' in answer.text
    assert "911000019" not in answer.text.replace(" ", "")
    none = text(paper.send("/find", "/find", phone="0918 999 999").text)
    assert "Trong 1 chiến dịch, không chiến dịch nào có tin tới số này" in none


def test_who_was_left_out_at_queueing_is_told_why_and_is_led_nowhere(
    pages_db: Database, signed_in: In
) -> None:
    world = build(pages_db, 2)
    number = f"0{FIRST_PHONE - 84 * 10**9}"
    pages_db.write(do_not_send.add, "viettel", [number], "lan")
    world.fan_out()
    pages_db.write(do_not_send.remove, "viettel", [number], "lan")
    page = signed_in("operator", "viettel").send("/find", "/find", phone=number).text
    assert "Lý do: thuê bao từ chối nhận (danh sách không gửi)." in text(page)
    assert "/deliveries/" not in page


def test_a_part_of_a_number_finds_nobody_and_others_may_not_look(pages_db: Database, signed_in: In) -> None:
    answer = signed_in().send("/find", "/find", phone="0911")
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    auditor = signed_in("auditor")
    assert auditor.get("/find").status_code == 403
    assert auditor.send("/account", "/find", phone="0911000019").status_code == 403


def test_who_guesses_numbers_is_told_to_wait_on_the_page_and_by_the_api(
    pages_db: Database, signed_in: In
) -> None:
    paper = signed_in("operator", "vnpt")
    for n in range(A_MINUTE):
        assert paper.send("/find", "/find", phone=f"09110000{n:02d}").status_code == 200
    stopped = paper.send("/find", "/find", phone="0911000099")
    assert stopped.status_code == 429
    assert int(stopped.headers["Retry-After"]) > 0
    assert "Mỗi người chỉ được tra 30 số mỗi phút và 500 số mỗi ngày" in text(stopped.text)
    csrf = paper.get("/v1/me", Accept="application/json").json()["csrf_token"]
    cookie = "; ".join(f"{name}={value}" for name, value in paper.cookies.items())
    asked = {"Cookie": cookie, "X-CSRF-Token": csrf}
    answer = paper.client.post("/v1/deliveries/find", json={"phone": "0911000099"}, headers=asked)
    assert (answer.status_code, answer.json()["title"]) == (429, "Too many requests")


def test_an_administrator_sees_what_is_held_and_an_operator_is_offered_nothing_of_it(
    pages_db: Database, signed_in: In
) -> None:
    build(pages_db, 3)
    paper = signed_in("admin")
    shown = text(paper.send("/find", "/find/data", phone="0912000000").text)
    for words in ("danh sách thuê bao", "thực hiện chiến dịch theo công văn", "không xác định được"):
        assert words in shown.casefold()
    assert "0912000000" not in shown
    operator = signed_in("operator", "viettel")
    assert "Dữ liệu đang lưu" not in text(operator.get("/find").text)
    assert operator.send("/find", "/find/data", phone="0912000000").status_code == 403


def test_a_receipt_by_a_clock_of_minutes_does_not_seem_to_come_before_its_message(
    pages_db: Database, signed_in: In
) -> None:
    scene.build(pages_db)
    d = deliveries.c
    sent = 1_706_000_044_000
    times = {"submitted_at": sent, "done_at": sent - 44_000 + 40_000}
    own = update(deliveries).where(d.campaign_id == 1, d.batch_id == 2, d.seq == 19)
    pages_db.write(lambda c: c.execute(own.values(times)))
    said = text(signed_in("operator", "vnpt").send("/find", "/find", phone="0911 000 019").text)
    assert "(nhà mạng chỉ ghi đến phút)" in said
