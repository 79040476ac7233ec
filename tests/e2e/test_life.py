"""The whole life of a campaign in a browser, as three people live it: with JavaScript, and without.

An operator uploads, an administrator writes, another person approves, the operator starts, all three watch,
and the report that the administrator downloads has the figures that the carrier's centre has counted itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docx
import pytest
from playwright.sync_api import Browser, Download, Locator, Page, expect

from carriers.simulators.smsc import SmscBehaviour
from tests.e2e.guide import picture
from tests.e2e.living import Living, living
from tests.e2e.look import People, reads
from tests.faults.processes import PATIENCE_S, Home

In = Callable[..., Page]
# Numbers with these ends choose their own fate at the centre: two fail, one expires, one is refused at once.
ENDS = (9907, 9907, 9908, 9902)
PHONES = [f"0981{n:02}{end}" for n, end in enumerate(ENDS)] + [f"0982{n:06}" for n in range(246)]
# Of the lines: too short, no number, a fixed line, and two that are there already.
BAD, AGAIN = ("0981", "không có", "02123456789"), (PHONES[7], PHONES[8])
FILE = "Số điện thoại\n" + "".join(f"{line}\n" for line in (*BAD, *PHONES, *AGAIN))
NAME, LETTER = "Cảnh báo giả danh công an", "303/CAT-PA05"
TEXT = "Công an không làm việc qua điện thoại. KHÔNG chuyển tiền, KHÔNG đọc OTP cho bất kỳ ai."
FINISHED, PATIENCE_MS = "hoàn thành", PATIENCE_S * 1000
# Notes each figure that has another value than before while the page stays what it is.
NOTE_MOVES = """addEventListener("DOMContentLoaded", () => new MutationObserver((all) => {
  const moved = new Set(JSON.parse(sessionStorage.moved || "[]"));
  for (const each of all) {
    const figure = each.target.closest && each.target.closest("[data-live]");
    const before = each.removedNodes[0] && each.removedNodes[0].textContent;
    if (figure && before !== figure.textContent) moved.add(figure.dataset.live);
  }
  sessionStorage.moved = JSON.stringify([...moved]);
}).observe(document.body, { subtree: true, childList: true }))"""


@dataclass(frozen=True, slots=True)
class Cast:
    """Three people, each in a browser of their own."""

    operator: Page
    admin: Page
    approver: Page
    script: bool

    def all(self) -> tuple[Page, ...]:
        return self.operator, self.admin, self.approver


@pytest.fixture
def loa(sqlite_url: str, tmp_path: Path) -> Iterator[Living]:
    """Loa with its worker, beside a centre whose receipts take a moment."""
    home = Home(tmp_path, sqlite_url)
    behaviour = SmscBehaviour(by_number=True, receipt_delay_s=0.2, receipt_spread_s=1.0, out_of_order=True)
    try:
        with living(home, behaviour) as found:
            yield found
    finally:
        home.end()


@pytest.fixture
def people(chromium: Browser, loa: Living) -> Iterator[People]:
    """Windows on that Loa, for `signed_in`."""
    found = People(chromium, loa.home.base)
    yield found
    found.close()


@pytest.mark.parametrize(
    "script", [True, pytest.param(False, marks=pytest.mark.prove)], ids=["live", "without-javascript"]
)
def test_three_people_bring_a_campaign_from_a_file_to_a_report(
    loa: Living, signed_in: In, tmp_path: Path, script: bool
) -> None:
    cast = Cast(*(signed_in(who, script) for who in ("viettel", "admin", "approver")), script)
    _upload(cast, tmp_path)
    _write(cast)
    _submit(cast)
    _approve(cast)
    _watch(cast)
    _start(cast)
    _see_the_end(cast)
    _compare(loa, *_report(cast))


def _upload(cast: Cast, folder: Path) -> None:
    """The operator's file: its errors are seen at once."""
    file, page = folder / "thue-bao-viettel.csv", cast.operator
    file.write_text(FILE, "utf-8")
    page.get_by_role("link", name="Các lô thuê bao").click()
    page.get_by_role("link", name="Tải tệp lên").first.click()
    page.set_input_files("[name=file]", file)
    page.get_by_role("button", name="Tải lên").click()
    if cast.script:
        expect(page.get_by_role("row", name="2 Thiếu chữ số. 0981")).to_be_visible()
        expect(_figure(page, "Thuê bao")).to_have_text(str(len(PHONES)))
        expect(page.get_by_text("Lô đã sẵn sàng.")).to_have_count(0)
        reads(page)
        picture(page, "02-tai-tep", page.locator("main"))
    _until_there(page, page.get_by_text("sẵn sàng"))
    expect(page.get_by_role("row", name="Thiếu chữ số.")).to_be_visible()
    for label, n in (("Thuê bao", len(PHONES)), ("Dòng lỗi", len(BAD)), ("Trùng trong tệp", len(AGAIN))):
        expect(_figure(page, label)).to_have_text(str(n))


def _write(cast: Cast) -> None:
    """The administrator's letter and campaign, with the parts of an SMS counted while it is written."""
    page = cast.admin
    page.goto("/directives/new")
    for name, value in {"number": LETTER, "issuer": "Công an tỉnh", "subject": "Tuyên truyền"}.items():
        page.fill(f"[name={name}]", value)
    page.fill("[name=addressees]", "Viettel Sơn La\nSở Tư pháp")
    page.get_by_role("button", name="Lưu công văn").click()
    page.get_by_role("link", name="Soạn chiến dịch theo công văn này").click()
    page.fill("[name=name]", NAME)
    page.fill("[name=text]", TEXT)
    page.fill("[name=sender]", "CA SON LA")
    page.select_option("[name=purpose]", "canh_bao_khan")  # a test does not wait for the morning
    page.fill("[name=day_starts]", "00:00")
    page.fill("[name=day_ends]", "24:00")
    if cast.script:
        page.get_by_label("thue-bao-viettel.csv").check()
    else:
        page.get_by_role("button", name="Xem trước").click()
    preview = page.locator("#preview")
    expect(preview.get_by_text("1 bản tin")).to_be_visible()  # without diacritics
    expect(preview.get_by_text("2 bản tin")).to_be_visible()  # with them
    if cast.script:
        expect(preview.locator("tr.total")).to_contain_text(str(2 * len(PHONES)))
        picture(page, "03-soan", preview)
    page.get_by_role("button", name="Lưu bản nháp").click()
    page.wait_for_url("**/edit")


def _submit(cast: Cast) -> None:
    """Its run is added where it has none, and somebody else is asked; the author can't decide."""
    page = cast.admin
    if not cast.script:
        page.get_by_text("Thêm đợt gửi tại Viettel").click()
        page.get_by_label("thue-bao-viettel.csv").check()
        page.get_by_role("button", name="Thêm đợt gửi").first.click()
    page.locator("summary", has_text="Trình phê duyệt").click()
    page.get_by_role("button", name="Đồng ý trình").click()
    page.wait_for_url("**/campaigns/1")  # a page that is left before would take the order along
    page.goto("/approvals?campaign=1")
    expect(page.get_by_text("Cần người khác quyết định.")).to_be_visible()
    expect(page.locator("summary", has_text=re.compile("^Phê duyệt$"))).to_have_count(0)


def _approve(cast: Cast) -> None:
    """By another person, who has read all of it."""
    page = cast.approver
    page.get_by_role("link", name=re.compile(r"^Phê duyệt( \d+)?$")).first.click()
    page.wait_for_url("**/approvals")  # the page before has a link of that name as well
    expect(page.get_by_text("Cong an khong lam viec qua dien thoai.")).to_be_visible()
    page.locator("summary", has_text=re.compile("^Phê duyệt$")).click()
    page.fill("#f-approve", "Cần gửi ngay trong đêm.")
    page.get_by_role("button", name="Đồng ý phê duyệt").click()
    expect(page.get_by_role("status")).to_contain_text("Đã phê duyệt chiến dịch")


def _watch(cast: Cast) -> None:
    """Each opens a page on which figures will move: the run, the overview, the campaign."""
    for page, path in zip(cast.all(), ("/runs/1", "/", "/campaigns/1"), strict=True):
        page.context.add_init_script(NOTE_MOVES)
        page.goto(path)
        if cast.script:
            expect(page.get_by_text("Trực tiếp.")).to_be_visible()


def _start(cast: Cast) -> None:
    """The operator sees what will happen, and says yes."""
    page = cast.operator
    expect(_figure(page, "Thuê bao còn phải gửi")).to_have_text(str(len(PHONES)))
    # A run that is not started has no finish on the page; the question says it.
    expect(_figure(page, "Dự kiến xong")).to_have_count(0)
    page.locator("summary", has_text="Bắt đầu gửi").click()
    question = page.locator("details.confirm[open]")
    expect(question).to_contain_text(f"{len(PHONES)} người sẽ nhận 1 bản tin mỗi người.")
    expect(question).to_contain_text("Xong khoảng ")
    if cast.script:
        picture(page, "05-bat-dau", page.locator("#orders"))
    page.get_by_role("button", name="Đồng ý, bắt đầu gửi").click()
    expect(page.get_by_role("status")).to_contain_text("Đợt gửi đã bắt đầu.")
    if cast.script:
        expect(_figure(page, "Đã gửi")).not_to_have_text("0")
        picture(page, "06-theo-doi", page.locator("section", has=page.locator("#stands")))


def _see_the_end(cast: Cast) -> None:
    """Everybody sees the run finish: with a script the page renews itself, without it is loaded again."""
    for page in cast.all():
        there = page.locator(".badge").get_by_text(FINISHED, exact=True)
        if cast.script:
            expect(there.first).to_be_visible(timeout=PATIENCE_MS)
            moved = json.loads(page.evaluate("sessionStorage.moved"))
            assert {"runs.1.sent", "runs.1.received", "runs.1.waiting"} <= set(moved), page.url
        else:
            _until_there(page, there)
        expect(page.locator("main")).to_contain_text(str(len(PHONES)))


def _report(cast: Cast) -> tuple[dict[str, Any], dict[str, int]]:
    """Built, frozen after a question, and downloaded: what machines read, and what the paper says."""
    page = cast.admin
    page.goto("/reports")
    page.get_by_role("link", name="Báo cáo về").first.click()
    page.locator("summary", has_text="Chốt báo cáo").click()
    page.get_by_role("button", name="Chốt số liệu này").click()
    expect(page.get_by_text("Đã chốt bản số 1.")).to_be_visible()
    if cast.script:
        picture(page, "09-bao-cao")
    found = json.loads(_fetched(page, "bao-cao-run-1-v1.json").path().read_text("utf-8"))
    return dict(found["general"]), _paper(_fetched(page, "bao-cao-run-1-v1.docx"))


def _fetched(page: Page, name: str) -> Download:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    return download.value


def _paper(file: Download) -> dict[str, int]:
    """The rows of form 1 by their marks."""
    rows = [row.cells for table in docx.Document(str(file.path())).tables for row in table.rows]
    found = {row[0].text: row[3].text.replace(".", "") for row in rows if len(row) == 5}
    return {mark: int(n) for mark, n in found.items() if mark.startswith("(") and n.isdigit()}


def _compare(loa: Living, general: dict[str, Any], paper: dict[str, int]) -> None:
    """Each figure is what the carrier's own centre has counted."""
    seen = loa.smsc.report()
    assert (seen["copies_max"], seen["receipts_outstanding"]) == (1, 0)
    states = dict(seen["parts_by_state"])
    delivered, failed = states.pop("DELIVRD"), seen["refused"] + sum(states.values())
    assert (delivered, failed) == (246, 4)
    assert general["sent_messages"] == seen["distinct_numbers"] + seen["refused"] == len(PHONES)
    assert (general["received_by_handset_messages"], general["failed_messages"]) == (delivered, failed)
    assert (general["no_receipt_messages"], general["unknown_messages"]) == (0, 0)
    assert paper["(1)"] == len(PHONES) + len(BAD) + len(AGAIN)
    assert [paper[mark] for mark in ("(3)", "(4a)", "(5)")] == [len(PHONES), delivered, failed]


def _figure(page: Page, label: str) -> Locator:
    """The value beside a label in a list of figures."""
    return page.locator("dl.figures > div", has=page.get_by_text(label, exact=True)).locator("dd")


def _until_there(page: Page, what: Locator) -> None:
    """Load the page again until this is on it, as people do without JavaScript."""
    for _ in range(int(PATIENCE_S)):
        if what.count():
            return
        page.wait_for_timeout(500)
        page.reload()
    expect(what.first).to_be_visible()
