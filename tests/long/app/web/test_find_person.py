"""The page that finds a person: for who may, exact, masked, and with the number in no address."""

from __future__ import annotations

from collections.abc import Callable

from app.database.connection import Database
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


def test_a_part_of_a_number_finds_nobody_and_others_may_not_look(pages_db: Database, signed_in: In) -> None:
    answer = signed_in().send("/find", "/find", phone="0911")
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    auditor = signed_in("auditor")
    assert auditor.get("/find").status_code == 403
    assert auditor.send("/account", "/find", phone="0911000019").status_code == 403
