"""Campaigns: the list and its filters; the page with text, approval, runs, areas, reasons and the course."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import delete, insert, update

from app.core.states import DeliveryState as State
from app.database.connection import Database
from app.database.models import (
    approvals,
    deliveries,
    erasures,
    receipts,
    run_batches,
    runs,
    tallies,
)
from app.web.view_models import latency_sample
from app.web.view_models.estimate import hints
from app.web.view_models.latency_sample import LatencySample
from tests.e2e import scene
from tests.e2e.crowd import COMMUNES
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
SENT = 1_707_000_000_000


def _rows(db: Database, run: int, batch: int, count: int) -> None:
    """So many deliveries of a run, sent one a second and received two seconds later, but for every tenth."""
    of = {"campaign_id": 1, "batch_id": batch, "run_id": run}
    rows = [
        of
        | {"seq": n, "phone": 84_910_000_000 + 10_000_000 * run + n, "submitted_at": SENT + 1000 * n}
        | {
            "state": int(State.SUBMITTED if n % 10 == 0 else State.DELIVERED),
            "done_at": None if n % 10 == 0 else SENT + 1000 * n + 2000,
        }
        for n in range(1, count + 1)
    ]

    said = {"campaign_id": 1, "batch_id": batch, "part": 0, "changed": True, "link_id": run, "group_id": run}
    said |= {"level": 2, "reason": 0, "status": "delivered"}
    come = [said | {"seq": row["seq"], "received_at": row["done_at"]} for row in rows if row["done_at"]]

    def work(c: object) -> None:
        c.execute(insert(deliveries), rows)  # type: ignore[attr-defined]
        c.execute(insert(receipts), come)  # type: ignore[attr-defined]
        own = update(run_batches).where(run_batches.c.run_id == run)
        c.execute(own.values(fanned_upto=count))  # type: ignore[attr-defined]

    db.write(work)


def test_the_list_has_the_newest_first_and_is_filtered(pages_db: Database, signed_in: In) -> None:
    empty = text(signed_in().get("/campaigns").text)
    assert "Chưa có chiến dịch nào." in empty
    scene.build(pages_db)
    paper = signed_in("approver")
    page = text(paper.get("/campaigns").text)
    assert page.index("tiền ảo, tháng 3") < page.index("giả danh công an, Tết")
    only = text(paper.get("/campaigns?state=submitted").text)
    assert "tiền ảo, tháng 3" in only
    assert "giả danh công an, Tết" not in only
    assert "giả danh công an, Tết" in text(paper.get("/campaigns?carrier=viettel&directive=1").text)
    assert "Không có chiến dịch nào như vậy." in text(paper.get("/campaigns?directive=99&after=zz").text)
    own = paper.sign_in("Trực VNPT", scene.PASSWORD)
    assert own.status_code == 303
    mine = text(paper.get("/campaigns?carrier=viettel").text)
    assert "MobiFone" not in mine


def test_the_page_says_what_came_of_it_to_each_who_may_know(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    _rows(pages_db, 1, 1, 40)
    decided = {
        "campaign_id": 1,
        "digest": "d" * 64,
        "decision": "voided",
        "reason": "edited",
        "at": 1,
        "by": "b",
    }
    pages_db.write(lambda c: c.execute(insert(approvals).values(decided)))
    paper = signed_in("auditor")
    page = text(paper.get("/campaigns/1").text)
    for said in ("303/CAT-PA05", "231.480", "120.114", "hết hiệu lực vì đã sửa sau đó", "d" * 64):
        assert said in page
    assert scene.TEXT in page
    assert "Diễn biến gửi và nhận tin" in page
    assert "2,0 giây 2,0 giây 36" in page
    assert "mẫu đại diện" not in page  # all rows were looked at
    assert "Thành phố Sơn La" in page or "Huyện" in page
    own = paper.sign_in("Trực VNPT", scene.PASSWORD)
    assert own.status_code == 303
    mine = text(paper.get("/campaigns/1").text)
    assert "120.114" in mine
    assert not re.search("231.480|Viettel|MobiFone", mine)


def test_areas_stand_worst_first(pages_db: Database, signed_in: In) -> None:
    """Of each commune one message more was received than of the one before, and ten failed."""
    scene.build(pages_db)
    of = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "reason": 0}
    rows = [
        of | {"area": code, "state": int(state), "n": n, "segments": n}
        for nth, code in enumerate(COMMUNES)
        for state, n in ((State.DELIVERED, 10 + nth), (State.UNDELIVERED, 10))
    ]
    pages_db.write(lambda c: c.execute(delete(tallies)))
    pages_db.write(lambda c: c.execute(insert(tallies), rows))
    paper = signed_in("auditor")
    page = paper.get("/campaigns/1").text
    assert re.findall(r'<th scope="row">([^<]+)', page)[:2] == ["Phường Tô Hiệu", "Phường Chiềng An"]
    assert len(re.findall(r'<tr class="rated', page)) == len(COMMUNES) == 75
    tiles = re.findall(r'<li class="(\w+)">([^<]+) <b>([^<]+)</b>', page)
    assert len(tiles) == 75
    assert tiles[0] == ("bad", "Phường Tô Hiệu", "50,0%")


def test_a_message_counts_as_received_when_its_receipt_came_whatever_time_that_names(
    pages_db: Database,
) -> None:
    scene.build(pages_db)
    _rows(pages_db, 1, 1, 30)
    late = update(receipts).where(receipts.c.batch_id == 1).values(received_at=receipts.c.received_at + 9000)
    pages_db.write(lambda c: c.execute(late))
    without = (receipts.c.batch_id == 1, receipts.c.seq == 7)
    pages_db.write(lambda c: c.execute(delete(receipts).where(*without)))
    sent = [SENT + 1000 * n for n in range(1, 31)]
    came = [at + 11_000 if (at - SENT) % 10_000 else None for at in sent]
    came[6] = sent[6] + 2000  # without a receipt's arrival: the time that it names
    found = pages_db.read(latency_sample.sample, 1)
    assert sorted(found.times) == list(zip(sent, came, strict=True))
    assert found.waits_ms == [11_000] * 26


def test_the_page_counts_no_deliveries_and_asks_no_more_with_a_long_run(
    pages_db: Database, statements: list[str], signed_in: In
) -> None:
    scene.build(pages_db)
    _rows(pages_db, 1, 1, 8_000)
    paper = signed_in("auditor")
    statements.clear()
    page = text(paper.get("/campaigns/1").text)
    assert "Thời điểm lấy theo mẫu đại diện" in page
    about = [each for each in statements if "FROM deliveries" in each]
    assert len(about) == 2  # one for each run: all lines of the sample are one parameter
    assert all("deliveries.seq IN" in each or "deliveries.seq = ANY" in each for each in about)
    assert len(statements) < 48


def test_a_sample_of_a_run_is_even_and_small(pages_db: Database) -> None:
    scene.build(pages_db)
    _rows(pages_db, 1, 1, 8_000)
    found = pages_db.read(latency_sample.sample, 1)
    assert not found.whole
    assert len(found.times) == latency_sample.STRETCHES * latency_sample.ROWS
    latency = latency_sample.latency(found)
    assert latency is not None
    assert (latency.p50_s, latency.p90_s) == (2.0, 2.0)
    middle = latency_sample.curve([done for _, done in found.times if done], [SENT + 4_002_000], 7_200)
    assert middle[0] == pytest.approx(3_600, rel=0.02)


def test_quantiles_and_curves_of_nothing_and_of_little() -> None:
    assert latency_sample.latency(LatencySample([(5, None)], True)) is None
    waits = LatencySample([], True, [1000 * n for n in (1, 2, 3, 10)])
    found = latency_sample.latency(waits)
    assert found is not None
    assert (found.p50_s, found.p90_s, found.n) == (2.0, 3.0, 4)
    assert latency_sample.curve([], [1, 2], 10) == [0.0, 0.0]
    assert latency_sample.curve([1, 2, 2, 9], [0, 2, 9], 8) == [0.0, 6.0, 8.0]


def test_hints_name_the_place_and_the_remedy() -> None:
    found = hints("Gọi ngay 0912345678!!! “Tết” http://x.vn")
    assert [each.position for each in found] == sorted(each.position for each in found)
    said = " ".join(each.said for each in found)
    for part in ("This number is not approved", "exclamation", "link", "This number is not approved"):
        assert part in said
    assert not any("0912345678" in each.excerpt for each in found)
    assert hints("Canh giac lua dao.") == []


def test_a_campaign_whose_totals_are_erased_says_where_the_rest_is(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    gone = {"kind": "totals", "subject_id": 1, "name": "x", "rule": "x", "days": 1, "due_at": 1, "by": "x"}
    row = gone | {"counts": {}, "totals": [], "started_at": 1, "ended_at": 1, "created_at": 1}
    keep = {name: value for name, value in row.items() if name in erasures.c}
    pages_db.write(lambda c: c.execute(insert(erasures).values(keep)))
    pages_db.write(lambda c: c.execute(update(runs).values(state="finished")))
    paper = signed_in("auditor")
    for path in ("/campaigns/1", "/runs/1"):
        assert "đã được xóa theo quy định lưu giữ" in text(paper.get(path).text)
