"""What a page says is true: no green over a dead link, one forecast, the right campaigns, each role's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy import text as sql

from app.core import clock
from app.database.connection import Database
from app.database.models import (
    campaigns,
    link_health,
    links,
    receipts,
    runs,
    sessions,
    webhook_clocks,
)
from app.directives.status import status
from app.reports.counting import consolidated
from app.web import rendering
from app.web.view_models import latency_sample, overview_page
from app.web.view_models.overview_page import Watch
from tests.app.campaigns.rows import new_batch, new_campaign
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
MINUTE = 60_000
NOT_OPEN = "không có tiến trình gửi nào mở kết nối"
WHOLE_DAY = {"day_starts": "00:00", "day_ends": "24:00"}


def put(db: Database, table: Any, **values: object) -> None:
    db.write(lambda c: c.execute(insert(table).values(values)))


def link(db: Database, link: int, age_ms: int = 0, **values: object) -> None:
    """What a worker has said of this link so long ago."""
    of_scene = delete(link_health).where(link_health.c.link_id == link, link_health.c.holder == "worker")
    db.write(lambda c: c.execute(of_scene))
    seen = {"link_id": link, "holder": "w", "seen_at": clock.now_ms() - age_ms}
    put(db, link_health, **(seen | values))


def whole_day(db: Database) -> None:
    db.write(lambda c: c.execute(update(campaigns).values(WHOLE_DAY)))


@pytest.fixture
def province(pages_db: Database) -> Database:
    """The scene, whose campaigns may send at any hour; run 1 is under way at viettel, by link 1."""
    scene.build(pages_db)
    whole_day(pages_db)
    return pages_db


def test_a_run_whose_links_no_process_has_ever_opened_is_not_in_time(
    province: Database, signed_in: In
) -> None:
    paper = signed_in("operator", "viettel")
    assert "kịp hạn" in paper.get("/runs/1").text
    province.write(lambda c: c.execute(delete(link_health)))
    for path in ("/runs/1", "/", "/campaigns/1"):
        page = text(paper.get(path).text)
        assert NOT_OPEN in page, path
        assert "kịp hạn" not in page, path


DEAD: Mapping[str, tuple[dict[str, Any], str]] = {
    "lost": ({"lost_since": 0, "refusal": "refused"}, "mất kết nối"),
    "deaf": ({"connected_since": 0, "answered_at": 0, "probing": "silent"}, "nhà mạng không trả lời tin nào"),
    "waits": ({"connected_since": 0, "waiting_since": 0}, "đang chờ nhà mạng trả lời"),
    "puts off": (
        {"connected_since": 0, "answered_at": 0, "refusing_since": 0, "refusal": "0x58"},
        "nhà mạng hoãn nhận mọi tin",
    ),
    "left": ({"age_ms": 40_000}, "không có tiến trình gửi nào mở kết nối"),
}


@pytest.mark.parametrize("how", DEAD)
def test_a_dead_link_is_red_wherever_something_depends_on_it(
    province: Database, signed_in: In, how: str
) -> None:
    said, words = DEAD[how]
    moved = {name: clock.now_ms() - 5 * MINUTE for name, value in said.items() if value == 0}
    link(province, 1, **(said | moved))
    paper = signed_in("operator", "viettel")
    for path in ("/", "/runs/1", "/campaigns/1"):
        page = paper.get(path).text
        assert re.search(rf'class="badge bad">{words}', page), path
        assert "kịp hạn" not in re.findall(r'class="badge good">([^<]*)', page), path
    todo = text(re.findall(r'id="todo".*?</section>', paper.get("/").text, re.S)[0])
    assert f"Kết nối viettel-1 của Viettel: {words}" in todo
    links_page = paper.get("/links").text
    assert 'class="badge bad"' in links_page
    assert "Hãy" in text(links_page) or "hãy gọi nhà mạng" in text(links_page)  # what to do
    for path in ("/", "/runs/1"):
        assert re.search(r"từ \d\d:\d\d( \d\d/\d\d)?\.", text(paper.get(path).text)), path  # since when


def test_a_renamed_link_is_said_to_be_no_longer_in_the_settings(province: Database, signed_in: In) -> None:
    link(province, 1, age_ms=40_000, lost_since=clock.now_ms())
    paper = signed_in("operator", "viettel")
    assert "mất kết nối từ" in text(paper.get("/links").text)
    province.write(lambda c: c.execute(update(links).where(links.c.id == 1).values(left_at=clock.now_ms())))
    page = paper.get("/links").text
    assert '<span class="badge off">không còn trong cấu hình' in page
    assert "Chạy hoặc dừng từ" in page
    assert "Kết nối viettel-1" not in text(paper.get("/").text)


def test_a_carrier_whose_clock_is_wrong_is_red_on_the_page_of_links(
    province: Database, signed_in: In
) -> None:
    now = clock.now_ms()
    paper = signed_in("operator", "viettel")
    (before,) = re.findall(r'data-shape="(\w+)"', paper.get("/links").text)
    put(province, webhook_clocks, link_id=1, first_at=now, last_at=now, times=2, ahead_s=86_400)
    page = paper.get("/links").text
    assert re.search(
        r'class="badge bad">cần xem</span> <small>Biên nhận bị từ chối: đồng hồ của nhà mạng nhanh hơn 1440',
        page,
    )
    assert re.findall(r'data-shape="(\w+)"', page) != [before]
    province.write(lambda c: c.execute(update(webhook_clocks).values(times=3)))
    again = paper.get("/links").text  # one call more is no reason to load the page again
    assert re.findall(r'data-shape="(\w+)"', again) == re.findall(r'data-shape="(\w+)"', page)
    todo = text(re.findall(r'id="todo".*?</section>', paper.get("/").text, re.S)[0])
    assert (
        "Kết nối viettel-1 của Viettel: Biên nhận bị từ chối: đồng hồ của nhà mạng nhanh hơn 1440 phút"
        in todo
    )


def test_a_dead_link_leaves_no_forecast(province: Database, signed_in: In) -> None:
    link(province, 1, lost_since=clock.now_ms())
    page = text(signed_in("operator", "viettel").get("/runs/1").text)
    assert re.search(r"Xong khoảng|Dự kiến \d", page) is None
    assert page.count("Dự kiến xong –") == 2


def test_a_page_of_links_hears_of_a_change(province: Database, signed_in: In) -> None:
    page = signed_in("operator", "viettel").get("/links").text
    (before,) = re.findall(r'data-shape="(\w+)"', page)
    link(province, 1, lost_since=clock.now_ms())
    picture = province.read(Watch(), ["viettel"])["viettel"].body.decode()
    (now,) = re.findall(r'"links":"(\w+)"', picture)
    assert now != before
    assert now in signed_in("auditor").get("/links").text or now in page.replace(before, now)


def counted(db: Database, *looks: tuple[int, int], run: int = 1) -> None:
    """(seconds ago, SMS parts sent by then), as a worker has counted."""
    now = clock.now_ms()
    for ago, segments in looks:
        row = {"run_id": run, "at": now - 1000 * ago, "segments": segments}
        db.write(
            lambda c, row=row: c.execute(
                sql("INSERT INTO run_counts (run_id, at, segments) VALUES (:run_id, :at, :segments)"), row
            )
        )


def shown(page: str) -> set[str]:
    """Every moment at which the page says that run 1 will be done."""
    return set(re.findall(r'(?:runs\.1\.ends" data-as="span">|khoảng )(\d\d:\d\d(?: \d\d/\d\d)?)', page))


def test_the_forecast_is_one_and_by_the_measured_rate(province: Database, signed_in: In) -> None:
    # 298,680 parts are left: at the contract's 400 a second 12 minutes, at 100 measured 50.
    counted(province, (40, 100_000), (0, 104_000))
    paper = signed_in("admin")
    found = {path: shown(paper.get(path).text) for path in ("/", "/runs/1", "/campaigns/1")}
    in_50 = {rendering.moment(clock.now() + timedelta(minutes=m), "vi") for m in (49, 50)}
    assert all(len(each) == 1 and each <= in_50 for each in found.values()), found
    done = province.read(status, 1, clock.now()).runs[0].done_at
    assert done is not None
    assert rendering.moment(done, "vi") in in_50


def test_the_forecast_keeps_the_run_s_own_limit_on_every_page(province: Database, signed_in: In) -> None:
    province.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(segments_per_second=50)))
    paper = signed_in("admin")
    found = set.union(*(shown(paper.get(path).text) for path in ("/", "/runs/1")))
    assert found <= {rendering.moment(clock.now() + timedelta(minutes=m), "vi") for m in (99, 100)}


def test_a_run_of_which_nothing_goes_out_for_a_minute_is_red(province: Database, signed_in: In) -> None:
    counted(province, (60, 100_000), (0, 100_000))
    page = signed_in("admin").get("/runs/1").text
    assert 'class="badge bad">một phút nay không gửi được tin nào' in page
    assert "kịp hạn" not in re.findall(r'class="badge good">([^<]*)', page)


def test_a_run_behind_another_one_waits_for_its_turn(province: Database, signed_in: In) -> None:
    """Links send one run after the other: nothing of the second goes out, and nothing is wrong."""
    province.write(lambda c: c.execute(update(runs).where(runs.c.id == 4).values(VIETTEL)))
    province.write(lambda c: c.execute(update(campaigns).values(state="approved", directive_id=1)))
    counted(province, (60, 100_000), (0, 104_000))
    counted(province, (60, 0), (0, 0), run=4)
    page = signed_in("admin").get("/runs/4").text
    assert 'class="badge wait">chờ đến lượt: đợt gửi khác được gửi trước' in page
    assert "một phút nay không gửi" not in page


VIETTEL = {"carrier": "viettel", "state": "running"}


def test_the_overview_keeps_what_runs_and_waits_whatever_was_drafted_later(
    province: Database, signed_in: In
) -> None:
    for _ in range(30):
        province.write(new_campaign)
    paper = signed_in("admin")
    page = paper.get("/").text
    names = re.findall(r'id="c\d+"><a [^>]*>([^<]*)', page)
    assert names == [scene.FIRST.name, scene.SECOND.name]
    assert "1 chiến dịch chờ phê duyệt" in text(page)
    assert "Before Tet" not in page  # a draft is its author's work


def test_a_letter_counts_what_was_approved_under_it(province: Database, signed_in: In) -> None:
    province.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == 2).values(state="draft")))
    found = province.read(overview_page.read_overview, None)
    assert {each.number: each.campaigns for each in found.letters} == {"303/CAT-PA05": 1, "412/CAT-PA05": 0}


@pytest.mark.parametrize("state", ["draft", "rejected", "submitted"])
def test_no_report_counts_a_campaign_that_nobody_approved(province: Database, state: str) -> None:
    """Campaign 2, under letter 2, was never approved."""
    province.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == 2).values(state=state)))
    assert province.read(consolidated.build, 2, clock.now_ms()).lines == ()
    found = province.read(status, 2, clock.now())
    assert found.runs == []
    assert not [each for each in found.missing if "chưa bắt đầu gửi" in each.what]


def test_each_role_is_told_what_to_press(province: Database, signed_in: In) -> None:
    operator = signed_in("operator", "mobifone").get("/").text
    todo = re.findall(r'id="todo".*?</section>', operator, re.S)[0]
    assert re.findall(r'class="button" href="([^"]*)"', todo) == ["/runs/3#orders"]
    assert "Bắt đầu gửi cho 88.204 thuê bao" in text(todo)
    assert re.search(r'href="/"[^>]*>Tổng quan <b[^>]*>1<', operator)
    approver = signed_in("approver").get("/").text
    todo = re.findall(r'id="todo".*?</section>', approver, re.S)[0]
    assert 'class="button" href="/approvals?campaign=2"' in todo
    assert re.search(r'href="/approvals"[^>]*>Phê duyệt <b[^>]*>1<', approver)
    assert "Bắt đầu gửi cho" not in todo  # an approver starts nothing


def test_runs_that_found_no_place_are_counted(province: Database, signed_in: In) -> None:
    """Twenty are named."""
    paper = signed_in("admin")
    row = province.read(lambda c: c.execute(select(runs).where(runs.c.id == 3)).one())._asdict()
    more = [row | {"id": 100 + n, "carrier": f"carrier{n}"} for n in range(24)]
    province.write(lambda c: c.execute(insert(runs), more))
    todo = re.findall(r'id="todo".*?</section>', paper.get("/").text, re.S)[0]
    assert "Còn 5 đợt gửi nữa đã được duyệt, chưa ai bắt đầu." in text(todo)
    why = {"cause": "failed", "bad": 61, "of": 300, "reasons": {}, "at": 1_706_000_000_000}
    paused = update(runs).where(runs.c.id >= 100).values(state="paused", suspended=why)
    province.write(lambda c: c.execute(paused))
    todo = re.findall(r'id="todo".*?</section>', paper.get("/").text, re.S)[0]
    assert "Còn 4 đợt gửi nữa đã tự tạm dừng." in text(todo)


def test_a_letter_leads_to_its_page(province: Database, signed_in: In) -> None:
    page = signed_in("admin").get("/").text
    assert '<a href="/directives/1">303/CAT-PA05</a>' in page  # whose figures are shown
    assert '<a href="/directives/2"><strong>412/CAT-PA05</strong></a>' in page  # nothing is approved under it


def test_a_run_outside_its_hours_says_when_it_begins(province: Database, signed_in: In) -> None:
    later = clock.local(clock.now() + timedelta(hours=2)).replace(minute=0)
    start = clock.to_ms(later)
    province.write(
        lambda c: c.execute(update(campaigns).where(campaigns.c.id == 1).values(window_start=start))
    )
    page = text(signed_in("operator", "viettel").get("/runs/1").text)
    assert f"chờ đến giờ được gửi bắt đầu lúc {rendering.moment(later, 'vi')}" in page


def test_latency_is_by_our_own_clock(province: Database) -> None:
    """The carrier cuts its dates at the minute, so that receipts seem to come before their messages."""
    d = "campaign_id = 1 AND batch_id = 2"
    province.write(lambda c: c.execute(sql("DELETE FROM receipts")))
    province.write(
        lambda c: c.execute(sql(f"UPDATE deliveries SET done_at = submitted_at / 60000 * 60000 WHERE {d}"))
    )
    said = {
        "level": 2,
        "reason": 0,
        "link_id": 2,
        "group_id": 2,
        "status": "delivered",
        "part": 0,
        "changed": True,
    }
    rows = province.read(
        lambda c: c.execute(sql(f"SELECT seq, submitted_at FROM deliveries WHERE {d}")).all()
    )
    come = [
        said | {"campaign_id": 1, "batch_id": 2, "seq": seq, "received_at": at + 11_000} for seq, at in rows
    ]
    province.write(lambda c: c.execute(insert(receipts), come))
    found = latency_sample.latency(province.read(latency_sample.sample, 2))
    assert found is not None
    assert (found.p50_s, found.p90_s) == (11.0, 11.0)
    province.write(lambda c: c.execute(sql("DELETE FROM receipts")))
    assert (
        latency_sample.latency(province.read(latency_sample.sample, 2)) is None
    )  # the carrier's dates alone prove nothing


def test_a_planned_run_shows_no_time_of_its_end(province: Database, signed_in: In) -> None:
    province.write(lambda c: c.execute(update(links).values(state="running")))
    rows = re.findall(r'<tr class="run">.*?</tr>', signed_in("admin").get("/").text, re.S)
    (planned,) = [row for row in rows if "/runs/3" in row]
    assert re.search(r'runs\.3\.ends" data-as="span">–<', planned)


def test_a_page_says_when_its_figures_were_taken(province: Database, signed_in: In) -> None:
    paper = signed_in("operator", "viettel")
    for path in ("/", "/runs/1", "/campaigns/1", "/links"):
        assert re.search(r"Số liệu lúc \d\d:\d\d:\d\d ?\.", text(paper.get(path).text)), path
    assert "phần này không tự cập nhật" in text(paper.get("/campaigns/1").text)


@pytest.mark.parametrize(
    ("page", "order", "fields"),
    [
        ("/runs/1", "/runs/1/pause", {}),
        ("/campaigns/2/edit", "/campaigns/2/edit", {"name": "x"}),
        ("/links", "/links/1/resume", {}),
        ("/compose", "/compose", {"text": "a long text"}),
    ],
)
def test_an_order_after_the_session_has_ended_is_said_to_be_not_carried_out(
    province: Database, signed_in: In, page: str, order: str, fields: dict[str, str]
) -> None:
    paper = signed_in("admin")
    paper.get(page)
    province.write(lambda c: c.execute(delete(sessions)))
    answer = paper.post(order, {"csrf": "of before"} | fields)
    assert answer.status_code == 303
    form = paper.get(answer.headers["location"])
    assert "Phiên làm việc đã hết. Lệnh vừa rồi CHƯA được thực hiện." in text(form.text)
    assert f'name="next" value="{page}"' in form.text
    wrong = paper.sign_in("admin person", "wrong", next=page, lost="1")
    assert "CHƯA được thực hiện" in text(wrong.text)  # said until it has been read
    answer = paper.sign_in("admin person", next=page, lost="1")
    assert answer.headers["location"] == page
    assert "Lệnh vừa rồi CHƯA được thực hiện" in text(paper.get(page).text)
    assert (
        province.read(lambda c: c.execute(select(runs.c.state).where(runs.c.id == 1)).scalar_one())
        == "running"
    )


WRONG = {
    "another carrier's": ({"lines": 5001, "accepted": 5001, "other_range": 5000}, "nhà mạng khác"),
    "columns": ({"lines": 10_200, "accepted": 200, "rejected": 10_000}, "Quá nhiều dòng lỗi"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_file_that_is_plainly_wrong_is_red_and_is_sent_by_after_a_tick_alone(
    pages_db: Database, signed_in: In, how: str
) -> None:
    counts, words = WRONG[how]
    pages_db.write(new_batch, "vnpt", **counts)
    paper = signed_in("admin")
    assert re.search(rf'class="refusal"[^>]*><p><strong>[^<]*{words}', paper.get("/batches/1").text)
    assert re.search(rf'class="badge bad">[^<]*{words}', paper.get("/batches").text)
    form = {"name": "n", "purpose": "tuyen_truyen", "sender": "CA SON LA", "text": "Canh giac.", "batch": "1"}
    refused = paper.send("/compose", "/compose", **form)
    assert refused.status_code == 422
    assert "Lô 1 có thể là nhầm tệp" in text(refused.text)
    assert "Tôi đã kiểm tra lô số 1" in text(refused.text)
    assert paper.send("/compose", "/compose", **form, known="1").status_code == 303


def test_a_file_with_some_mistakes_needs_no_tick(pages_db: Database, signed_in: In) -> None:
    pages_db.write(new_batch, "vnpt", lines=1000, accepted=950, rejected=50, other_range=90)
    paper = signed_in("admin")
    assert 'class="refusal"' not in paper.get("/batches/1").text
    assert "Tôi đã xem lô" not in text(paper.get("/compose").text)
