"""The public page: in the look of the others, in both languages, without sign-in and without a trace."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import campaigns, runs
from app.runtime.api_app import create_app
from tests.app.client import Client
from tests.app.text_verification.test_routes import went_out
from tests.app.world import build
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
TEXT = "Canh giac lua dao: khong doc ma OTP cho nguoi la, bao cong an gan nhat"


@pytest.fixture
def citizen(pages_db: Database, paper: Paper) -> Paper:
    """Nobody that Loa knows; one text is being sent since 29-01-2024."""
    build(pages_db, 1)
    pages_db.write(lambda c: c.execute(update(campaigns).values(texts={"": TEXT})))
    pages_db.write(lambda c: c.execute(update(runs).values(started_at=1_706_493_600_000, ended_at=None)))
    pages_db.write(went_out)
    return paper


def test_it_looks_like_the_other_pages_and_asks_for_no_sign_in_and_no_number(citizen: Paper) -> None:
    page = citizen.get("/verify")
    assert page.status_code == 200
    assert "loa.css" in page.text
    assert "/sign-in" not in page.text
    assert page.text.count("<input") == 1  # where the switch of languages leads
    assert "Không cần nhập số điện thoại." in text(page.text)
    assert citizen.cookies == {}


def test_a_genuine_text_is_told_with_sender_and_days(citizen: Paper) -> None:
    said = text(citizen.post("/verify", {"text": f"(TB) {TEXT}"}).text)
    assert "Đúng từng chữ" in said
    assert "tên người gửi CA SONLA, từ 29/01/2024 đến nay" in said


def test_it_speaks_english_by_the_switch(citizen: Paper) -> None:
    switched = citizen.post("/language", {"language": "en", "next": "/verify"})
    assert switched.headers["location"] == "/verify"
    assert "Is this message genuine?" in text(citizen.get("/verify").text)
    page = citizen.post("/verify", {"text": f"{TEXT} tai trang-la.xyz"}).text
    assert "WARNING" in page
    assert "<ins>tai trang-la.xyz</ins>" in page
    assert "sender ID CA SONLA, since 29 Jan 2024" in text(page)
    assert "No text like this was sent through this system." in text(
        citizen.post("/verify", {"text": "khac"}).text
    )
    assert "2000 characters" in text(citizen.post("/verify", {"text": ""}).text)


def test_what_was_pasted_is_not_repeated_in_the_form(citizen: Paper) -> None:
    page = citizen.post("/verify", {"text": "goi so 0912345678 ngay"}).text
    assert "0912345678" not in page
    assert citizen.cookies == {}


def test_who_has_signed_in_may_look_too(citizen: Paper, signed_in: In) -> None:
    assert "Tin nhắn này có thật không?" in text(signed_in("operator", "vnpt").get("/verify").text)


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("Bạn liên quan vụ án rửa tiền, hãy chuyển tiền vào tài khoản an toàn", "money threat account"),
        ("Truy cap vneid-gov.xyz va nhap ma OTP", "link code"),
        ("Chieu nay hop to dan pho luc 7 gio toi", ""),
    ],
)
def test_what_frauds_ask_for_is_named_in_a_text_that_is_not_ours(
    citizen: Paper, pasted: str, said: str
) -> None:
    signs = {
        "money": "yêu cầu chuyển tiền",
        "threat": "dọa về vụ án",
        "account": "Tin nêu tài khoản",
        "link": "Tin có đường dẫn",
        "code": "Tin hỏi mã",
    }
    page = text(citizen.post("/verify", {"text": pasted}).text)
    assert "Không có trong các tin đã gửi" in page
    assert {name for name, sign in signs.items() if sign in page} == {*said.split()}


def test_what_our_own_text_warns_of_is_no_sign_of_fraud_in_an_altered_one(citizen: Paper) -> None:
    said = text(citizen.post("/verify", {"text": f"{TEXT} tai trang-la.xyz"}).text)
    assert "Tin có đường dẫn" in said
    assert "Tin hỏi mã" not in said  # the true text itself says: khong doc ma OTP


def test_who_speaks_and_whom_to_call_is_on_the_page_and_a_poster_leads_there(citizen: Paper) -> None:
    page = citizen.get("/verify").text
    assert "Công an tỉnh Sơn La" in text(page)
    assert 'href="tel:156"' in page
    poster = citizen.get("/verify/poster").text
    assert "/verify</strong>" in poster
    assert 'aria-label="Địa chỉ dạng mã QR"' in poster


def _with(folder: Path, db: Database, **more: Any) -> Paper:
    return Paper(Client(create_app(Settings(data=folder, environment="development", **more), db)))


@pytest.mark.parametrize(("name", "kind"), [("crest.svg", "image/svg+xml"), ("huy-hieu.png", "image/png")])
def test_the_crest_of_the_settings_stands_above_who_speaks(
    pages_db: Database, tmp_path: Path, name: str, kind: str
) -> None:
    file = tmp_path / name
    file.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    paper = _with(tmp_path, pages_db, crest=file, guide_url="https://loa.example.vn/guide")
    for path in ("/verify", "/verify/poster"):
        page = paper.get(path).text
        (source,) = re.findall(r'<img class="crest" src="([^"]+)"', page)
        assert "guide" not in page  # the guide is for those who work here
    found = paper.get(source)
    assert (found.status_code, found.headers["content-type"]) == (200, kind)
    assert paper.get(source.replace("/static/", "/static/0")).status_code == 404


def test_no_crest_is_no_picture_and_a_wrong_one_is_refused_at_the_start(
    citizen: Paper, tmp_path: Path
) -> None:
    assert "<img" not in citizen.get("/verify").text
    big = tmp_path / "big.svg"
    big.write_bytes(b"x" * 100_001)
    for wrong in (tmp_path / "none.svg", tmp_path / "crest.gif", big):
        with pytest.raises(ValueError, match="crest"):
            Settings(crest=wrong)
