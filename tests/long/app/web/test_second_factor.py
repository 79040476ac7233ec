"""The page to set up a second factor: led to where it is demanded, and by the verbs of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.web.pages.sign_in_pages import qr
from tests.long.app.web.conftest import PASSWORD, Paper, text

In = Callable[..., Paper]


@pytest.fixture
def pages_app(pages_db: Database, tmp_path: Path) -> FastAPI:
    """Demands a second factor of admins."""
    return create_app(
        Settings(data=tmp_path, environment="development", second_factor_roles=("admin",)), pages_db
    )


def secret_on(page: str) -> str:
    return re.findall(r"<code>([A-Z2-7]{32})</code>", page)[0]


def test_who_lacks_a_demanded_factor_is_led_to_its_page_and_sets_it_up(signed_in: In) -> None:
    paper = signed_in("admin")
    led = paper.get("/")
    assert (led.status_code, led.headers["location"]) == (303, "/second-factor")
    shown = paper.send("/second-factor", "/second-factor", password=PASSWORD)
    assert shown.status_code == 200
    secret = secret_on(shown.text)
    assert paper.get("/").status_code == 303
    fields = {"csrf": re.findall(r'name="csrf" value="(\w+)"', shown.text)[0]}
    wrong = paper.post("/second-factor/confirm", fields | {"code": "000"})
    assert wrong.status_code == 422
    assert secret not in wrong.text
    done = paper.post("/second-factor/confirm", fields | {"code": pyotp.TOTP(secret).now()})
    assert done.status_code == 200
    codes = re.findall(r"<code>((?:\w{5}-){5}\w{5})</code>", done.text)
    assert len(set(codes)) == 10
    assert paper.get("/").status_code == 200
    assert paper.sign_in("admin person").status_code == 401
    assert paper.sign_in("admin person", code=codes[0]).status_code == 303
    again = paper.get("/second-factor")
    assert "đã được thiết lập" in text(again.text)
    assert (
        paper.post("/second-factor", fields | {"password": PASSWORD}).status_code == 403
    )  # another session's


def test_a_wrong_password_shows_no_secret(signed_in: In) -> None:
    refused = signed_in("admin").send("/second-factor", "/second-factor", password="wrong password")
    assert refused.status_code == 401
    assert "wrong password" not in refused.text
    assert re.search(r"[A-Z2-7]{32}", refused.text) is None


def test_other_roles_find_the_page_and_are_not_led_there(signed_in: In) -> None:
    paper = signed_in("auditor")
    assert paper.get("/").status_code == 200
    assert paper.get("/second-factor").status_code == 200


def test_the_code_is_the_address_that_an_app_reads() -> None:
    width, path = qr("otpauth://totp/Loa:lan?secret=JBSWY3DPEHPK3PXP&issuer=Loa")
    dark = {(int(x) - 4, int(y) - 4) for x, y in re.findall(r"M(\d+),(\d+)h1v1h-1z", path)}
    size = width - 8
    assert size % 4 == 1  # a version of the standard: 17 + 4n modules
    for left, top in ((0, 0), (size - 7, 0), (0, size - 7)):  # its three marks
        assert all((left + n, top) in dark and (left, top + n) in dark for n in range(7))
        assert (left + 1, top + 1) not in dark


def test_who_must_set_one_up_reads_why_and_sees_no_menu_that_leads_back(signed_in: In) -> None:
    paper = signed_in("admin")
    page = paper.get("/second-factor").text
    assert "Vai trò của bạn bắt buộc xác thực hai lớp" in text(page)
    assert "<nav" not in page
    secret = secret_on(paper.send("/second-factor", "/second-factor", password=PASSWORD).text)
    done = paper.send("/second-factor", "/second-factor/confirm", code=pyotp.TOTP(secret).now()).text
    assert "<nav" in done
    assert "Chép các mã" in done
    assert "In" in text(done)
