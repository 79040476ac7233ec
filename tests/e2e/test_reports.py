"""Frozen reports as people use them: two versions compared, one proved and fetched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import scene
from tests.e2e.conftest import Served
from tests.e2e.look import People

pytestmark = pytest.mark.prove


@pytest.fixture
def people(chromium: Browser, papers: Served) -> Iterator[People]:
    found = People(chromium, papers[0])
    yield found
    found.close()


def test_a_frozen_report_is_compared_proved_and_fetched(people: People) -> None:
    page = people.enter(scene.AUTHOR, scene.PASSWORD)
    page.get_by_role("link", name="Báo cáo", exact=True).click()
    page.get_by_role("link", name="Đợt gửi số 1 · VNPT VinaPhone").first.click()
    expect(
        page.get_by_role("heading", name="Báo cáo đợt gửi số 1 của VNPT VinaPhone, bản số 2")
    ).to_be_visible()
    expect(page.get_by_role("row", name="Biểu 1, đã nhận (biên nhận máy)")).to_contain_text("+1")
    page.get_by_role("button", name="Kiểm chứng ngay").click()
    expect(page.get_by_text("Tệp và số liệu đúng như khi chốt.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="bao-cao-run-1-v2.docx").click()
    assert download.value.suggested_filename == "bao-cao-run-1-v2.docx"
