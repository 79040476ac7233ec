"""An upload with a script: progress and counts on the spot, and a file that can't be used says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.look import reads

pytestmark = pytest.mark.prove

In = Callable[..., Page]
BATCH = re.compile(r"/batches/\d+$")


def _send(page: Page, file: Path, content: str) -> None:
    file.write_text(content, "utf-8")
    page.goto("/batches/new")
    page.set_input_files("[name=file]", file)
    page.get_by_role("button", name="Tải lên").click()


def test_a_good_file_ends_ready_and_the_same_one_again_is_told(signed_in: In, tmp_path: Path) -> None:
    page, good = signed_in("vnpt"), "Số điện thoại,Mã xã\n0912000001,03646\n0912000002,03646\n"
    _send(page, tmp_path / "good.csv", good)
    page.wait_for_url(BATCH)
    expect(page.get_by_text("Lô đã sẵn sàng.")).to_be_visible()
    reads(page)
    _send(page, tmp_path / "other name.csv", good)
    expect(page.get_by_text("Chính tệp này đã được tải lên lúc")).to_be_visible()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Số điện thoại\n" + "0981000001\n0981000002\n" * 9, "2 trên 2 số thuộc đầu số của nhà mạng khác"),
        ("Số điện thoại\n0912000003\n" + "12\n" * 9, "9 trên 10 dòng bị lỗi"),
        ("Số điện thoại,Mã xã\n0912000004,99999\n", "1 trên 1 thuê bao không rõ địa bàn"),
    ],
    ids=["another carrier's", "bad lines", "unknown areas"],
)
def test_a_wrong_file_is_not_ready_at_its_upload_and_says_why_in_numbers(
    signed_in: In, tmp_path: Path, content: str, said: str
) -> None:
    page = signed_in("vnpt")
    _send(page, tmp_path / "wrong.csv", content)
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_text("Lô đã sẵn sàng.")).to_have_count(0)
    reads(page)


def test_a_file_that_can_t_be_used_says_why_in_the_reader_s_language(signed_in: In, tmp_path: Path) -> None:
    page = signed_in("vnpt")
    _send(page, tmp_path / "bad.csv", "Họ tên;Địa chỉ\nLan;Bản Lướt\n")
    page.wait_for_url(BATCH)
    expect(page.get_by_text("Tệp không có cột số điện thoại")).to_be_visible()
    reads(page)


def test_a_refused_upload_comes_back_as_the_form(signed_in: In, tmp_path: Path) -> None:
    page = signed_in("vnpt")
    _send(page, tmp_path / "empty.csv", "")
    expect(page.get_by_text("Tệp rỗng. Hãy chọn tệp khác.").first).to_be_visible()


@pytest.mark.parametrize("arrived", [False, True])
def test_a_connection_that_is_lost_says_whether_the_file_may_have_arrived(
    signed_in: In, tmp_path: Path, arrived: bool
) -> None:
    page = signed_in("vnpt")
    after = "this.upload.dispatchEvent(new ProgressEvent('load'));" if arrived else ""
    stop = "document.querySelector('#stop').hidden"
    page.add_init_script(f"""XMLHttpRequest.prototype.send = function () {{
      {after} window.stopped = {stop}; this.dispatchEvent(new ProgressEvent("error"));
    }};""")
    _send(page, tmp_path / "cut.csv", "0912000001\n")
    expect(page.locator("#may-have")).to_be_visible(visible=arrived)
    expect(page.locator("#cut-off")).to_be_visible(visible=not arrived)
    assert page.evaluate("window.stopped") is arrived
