"""Forms as people fill them in: a refused file, a letter and its reports, a text and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete

from app.campaigns import lifecycle
from app.database.connection import Database
from app.database.models import sessions
from tests.app.campaigns.rows import new_batch
from tests.e2e.look import reads
from tests.e2e.scene import AUTHOR, FIRST, HOURS, PASSWORD, PEOPLE, TEXT

pytestmark = pytest.mark.prove

In = Callable[..., Page]


def test_a_refused_file_is_told_with_javascript_too(signed_in: In, tmp_path: Path) -> None:
    page, empty = signed_in("vnpt"), tmp_path / "empty.csv"
    empty.write_bytes(b"")
    page.goto("/batches/new")
    page.set_input_files("[name=file]", empty)
    page.get_by_role("button", name="Tải lên").click()
    expect(page.get_by_role("alert")).to_contain_text("Có chỗ điền chưa đúng.")


def test_a_letter_is_kept_and_a_report_on_it_without_javascript(signed_in: In) -> None:
    page = signed_in("admin", script=False)
    page.goto("/directives/new")
    for name, value in {"number": "77/CAT", "issuer": "Công an tỉnh", "subject": "Tuyên truyền"}.items():
        page.fill(f"[name={name}]", value)
    page.fill("[name=addressees]", "Sở Tư pháp\nBáo Sơn La")
    page.get_by_role("button", name="Lưu công văn").click()
    page.get_by_role("link", name="Nhập báo cáo").first.click()
    page.select_option("[name=channel-0]", "loudspeaker")
    page.fill("[name=pieces-0]", "12")
    page.get_by_role("button", name="Lưu báo cáo").click()
    expect(page.get_by_text("1 / 2")).to_be_visible()


def _enter(page: Page, who: str) -> None:
    page.fill("[name=name]", PEOPLE[who].name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")


def _kept(page: Page) -> list[str]:
    return [key for key in page.evaluate("Object.keys(sessionStorage)") if key.startswith("loa ")]


def test_the_next_person_at_a_shared_desk_finds_nothing_of_the_one_before(
    signed_in: In, province: tuple[str, Database]
) -> None:
    page, db = signed_in("admin"), province[1]
    page.goto("/compose")
    page.fill("[name=text]", TEXT)
    assert len(_kept(page)) == 1
    db.write(lambda c: c.execute(delete(sessions)))
    page.goto("/sign-in?next=/compose")
    assert len(_kept(page)) == 1  # whoever comes back has it
    _enter(page, "approver")
    page.wait_for_url(lambda url: "sign-in" not in url)
    assert _kept(page) == []
    page.goto("/account")
    page.evaluate("sessionStorage.setItem('loa x /compose', JSON.stringify({at: Date.now(), fields: []}))")
    page.get_by_role("button", name="Đăng xuất").click()
    page.wait_for_url("**/sign-in")
    expect(page.get_by_role("status").first).to_be_visible()
    assert _kept(page) == []


def test_adding_a_run_loses_nothing_that_was_written_and_not_kept(
    signed_in: In, province: tuple[str, Database]
) -> None:
    page, db, other = signed_in("admin"), province[1], "Canh giac: khong doc ma OTP."
    made = db.write(lambda c: lifecycle.create(c, replace(FIRST, name="desk"), HOURS, AUTHOR))
    db.write(new_batch, "viettel", name="desk.csv", sha256="7" * 64, lines=100, accepted=100)
    page.goto(f"/campaigns/{made}/edit")
    page.fill("[name=text]", other)
    page.locator("details.more summary").first.click()
    page.locator("details.more input[name=batch]").first.check()
    page.locator("details.more button").first.click()
    expect(page.locator(".said")).to_be_visible()
    expect(page.locator("[name=text]")).to_have_value(other)
    expect(page.locator("#changed")).to_be_visible()
    page.get_by_role("button", name="Lưu").first.click()
    expect(page.locator("#restored")).to_be_hidden()
    expect(page.locator("[name=text]")).to_have_value(other)
    assert _kept(page) == []


def test_the_preview_follows_the_writing(signed_in: In) -> None:
    page = signed_in("admin")
    page.goto("/compose")
    preview = page.locator("#preview")
    page.locator("[name=text]").press_sequentially(TEXT[:40])
    expect(preview).to_contain_text("40 ký tự")
    page.fill("[name=text]", TEXT)
    expect(preview.get_by_text("2 bản tin")).to_be_visible()
    page.locator("[name=batch]").first.check()
    expect(preview.locator("tr.total")).to_be_visible()
    assert page.url.endswith("/compose")
    reads(page)


def test_what_was_written_outlives_the_session(signed_in: In, province: tuple[str, Database]) -> None:
    page, db = signed_in("admin"), province[1]
    page.goto("/compose")
    page.fill("[name=name]", "Cảnh báo lừa đảo")
    page.fill("[name=text]", TEXT)
    page.locator("[name=batch]").first.check()
    expect(page.locator("#preview tr.total")).to_be_visible()
    db.write(lambda c: c.execute(delete(sessions)))
    page.fill("[name=sender]", "CA SON LA")
    page.wait_for_url("**/sign-in?*")  # a page without a session is not left to be read
    _enter(page, "admin")
    page.wait_for_url("**/compose")
    expect(page.locator("#restored")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("Cảnh báo lừa đảo")
    expect(page.locator("[name=text]")).to_have_value(TEXT)
    expect(page.locator("[name=batch]").first).to_be_checked()
    page.get_by_role("button", name="English").click()  # another language loses nothing either
    expect(page.locator("[name=name]")).to_have_value("Cảnh báo lừa đảo")
    page.get_by_role("button", name="Save as draft").click()
    page.wait_for_url("**/edit")
    page.goto("/compose")
    expect(page.locator("[name=name]")).to_have_value("")
    expect(page.locator("#restored")).to_be_hidden()
