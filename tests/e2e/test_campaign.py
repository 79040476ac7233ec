"""Orders to a run as its operator gives them without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.database.connection import Database
from app.database.models import runs

pytestmark = pytest.mark.prove

In = Callable[..., Page]


def test_an_operator_stops_and_resumes_a_run_without_javascript(
    signed_in: In, province: tuple[str, Database]
) -> None:
    page = signed_in("viettel", script=False)
    page.goto("/campaigns/1")
    page.get_by_role("link", name="Viettel", exact=True).click()
    page.get_by_text("Tạm dừng", exact=True).click()
    page.get_by_role("button", name="Đồng ý, tạm dừng").click()
    expect(page.get_by_role("status")).to_contain_text("Đợt gửi đã tạm dừng.")
    state = select(runs.c.state).where(runs.c.id == 1)
    assert province[1].read(lambda c: c.execute(state).scalar_one()) == "paused"
    page.get_by_text("Hủy đợt gửi…", exact=True).click()
    expect(page.get_by_text("Không thể hoàn tác.")).to_be_visible()
    page.get_by_text("Chạy tiếp", exact=True).click()
    expect(page.get_by_text("người sẽ nhận 2 bản tin mỗi người.")).to_be_visible()
    page.get_by_role("button", name="Đồng ý, gửi tiếp").click()
    expect(page.get_by_role("status")).to_contain_text("Đợt gửi chạy tiếp từ tin kế tiếp.")
    assert province[1].read(lambda c: c.execute(state).scalar_one()) == "running"
