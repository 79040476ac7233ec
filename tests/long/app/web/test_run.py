"""A run's page: orders say what will happen and do it, for those who may; unknown ones."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.campaigns import lifecycle
from app.campaigns.carrier_audience import Audience
from app.campaigns.runs import Verb, open_to
from app.core.areas import Basis
from app.core.config import LinkSettings
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import audit, campaigns, runs, submissions, unknowns
from app.ledger.contract import SubmitOutcome
from app.security import audit as acts
from app.web.view_models import campaign_stream
from app.web.view_models.campaign_stream import Follow, Followed
from carriers.contract import Unknown
from tests.app import world
from tests.app.campaigns.rows import new_campaign, new_run
from tests.app.world import World
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
TEXT = "Canh giac lua dao"


@pytest.fixture
def ready(pages_db: Database) -> World:
    """An approved run of three that has not begun."""
    found = world.build(pages_db, 3)
    _set(pages_db, state="planned", started_at=None)
    return found


def _set(db: Database, **values: object) -> None:
    db.write(lambda c: c.execute(update(runs).values(values)))


def _state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("failed", "Trong 340 tin gần nhất có 71 tin bị lỗi."),
        ("refused", "Trong 340 tin gần nhất, nhà mạng từ chối 71 tin."),
        ("unknown", "Trong 340 tin gần nhất có 71 tin không có trả lời."),
        ("daily", "Hôm nay nhà mạng đã nhận 71 tin; mức tối đa mỗi ngày là 340 tin."),
    ],
)
def test_a_run_that_has_paused_itself_says_why_and_an_approver_lets_it_go_on(
    ready: World, signed_in: In, cause: str, words: str
) -> None:
    why = {"cause": cause, "bad": 71, "of": 340, "reasons": {"filtered": 60}, "at": 1_706_000_000_000}
    _set(ready.db, state="paused", started_at=1_706_000_000_000, suspended=why)
    paper = signed_in("approver")
    page = text(paper.get("/runs/1").text)
    assert "Đợt gửi đã tự tạm dừng lúc" in page
    assert words in page
    assert "Hãy tìm nguyên nhân" in page
    assert "Tet, Viettel: đợt gửi đã tự tạm dừng. Xem lý do rồi quyết định" in text(paper.get("/").text)
    version = ready.db.read(lambda c: c.execute(select(campaigns.c.version)).scalar_one())
    assert paper.send("/runs/1", f"/runs/1/resume?version={version}").status_code == 303
    assert _state(ready.db) == "running"
    assert "tự tạm dừng" not in text(paper.get("/runs/1").text)


def test_each_order_says_what_will_happen_and_then_does_it(ready: World, signed_in: In) -> None:
    paper, db = signed_in("operator", "viettel"), ready.db
    page = text(paper.get("/runs/1").text)
    assert re.search(
        r"3 người sẽ nhận 1 bản tin mỗi người\. (.* )?Xong khoảng \d\d:\d\d( \d\d/\d\d)?\.", page
    )
    for order, state, said in (
        ("start", "running", "Đợt gửi đã bắt đầu."),
        ("pause", "paused", "Đợt gửi đã tạm dừng."),
        ("resume", "running", "Đợt gửi chạy tiếp"),
        ("cancel", "cancelling", "Đợt gửi đang được hủy."),
    ):
        (action,) = re.findall(rf'action="(/runs/1/{order}[^"]*)"', paper.get("/runs/1").text)
        answer = paper.send("/runs/1", action)
        assert (answer.status_code, _state(db)) == (303, state)
        assert said in text(paper.get("/runs/1").text)
    assert "Đợt gửi đã kết thúc, không bắt đầu hay tạm dừng được nữa." in text(paper.get("/runs/1").text)
    refused = paper.send("/campaigns", "/runs/1/start")
    assert refused.status_code == 409
    assert "Không bắt đầu được vì đợt gửi đang hủy. Chỉ làm được khi đợt gửi chưa gửi." in text(refused.text)


def test_who_starts_sees_the_text_and_the_sender(ready: World, signed_in: In) -> None:
    page = signed_in("operator", "viettel").get("/runs/1").text
    for order, shown in (("start", True), ("cancel", False)):
        (question,) = re.findall(rf'<form[^>]*action="/runs/1/{order}.*?</form>', page, re.S)
        assert (TEXT in text(question) and "CA SONLA" in text(question)) is shown
        assert "Không, quay lại" in text(question)
    assert re.findall(r'<summary class="button danger">([^<]*)', page) == ["Hủy đợt gửi…"]
    page = page.partition("/runs/1/cancel")[2]
    assert TEXT in text(page)  # on the page itself as well


def test_before_a_worker_was_up_the_rate_is_that_of_the_settings(
    pages_db: Database, pages_app: FastAPI, signed_in: In
) -> None:
    """On the page of the run, and for whoever approves it."""
    pages_db.write(new_run)
    pages_db.write(lifecycle.submit, 1, "author")
    link = LinkSettings(carrier="vnpt", segments_per_second=10)
    pages_app.state.settings = pages_app.state.settings.model_copy(update={"links": {"vnpt_1": link}})
    paper = signed_in("admin")
    page = text(paper.get("/runs/1").text)
    assert "Chưa có tiến trình gửi nào mở kết nối của nhà mạng" in page
    assert re.search(r"Dự kiến xong, nếu[^.]* \d\d:\d\d", page), page
    assert "chưa biết: hiện không gửi được" not in text(paper.get("/approvals?campaign=1").text)


def test_others_see_and_do_no_more_than_their_role_may(ready: World, signed_in: In) -> None:
    auditor = signed_in("auditor")
    page = auditor.get("/runs/1").text
    assert "/runs/1/start" not in page
    assert "Người vận hành của nhà mạng hoặc quản trị viên điều hành" in text(page)
    assert auditor.send("/runs/1", "/runs/1/start").status_code == 403
    other = signed_in("operator", "vnpt")
    for path in (
        "/runs/1",
        "/runs/1/unknown",
        "/runs/1/events",
        "/campaigns/1",
        "/batches/1",
        "/deliveries/1/1/2",
    ):
        assert other.get(path).status_code == 404
    assert other.send("/links", "/runs/1/start").status_code == 404
    assert _state(ready.db) == "planned"


def test_a_forged_form_gives_no_order_and_a_draft_can_t_begin(pages_db: Database, signed_in: In) -> None:
    campaign = pages_db.write(new_campaign)
    held = Audience((), Basis.UNDIVIDED, 1000)
    pages_db.write(lifecycle.add_held_run, campaign, "vnpt", held, "author")
    paper = signed_in("admin")
    assert "sau khi chiến dịch được phê duyệt" in text(paper.get("/runs/1").text)
    assert paper.post("/runs/1/start", {"csrf": "x"}).status_code == 403
    refused = paper.send("/runs/1", "/runs/1/start")
    assert refused.status_code == 409
    assert "Chỉ bắt đầu gửi được sau khi được phê duyệt" in text(refused.text)


def test_who_has_read_another_content_does_not_start_it(ready: World, signed_in: In) -> None:
    paper = signed_in("operator", "viettel")
    read = re.findall(r'action="(/runs/1/start[^"]*)"', paper.get("/runs/1").text)
    assert [each.startswith("/runs/1/start?version=") for each in read] == [True]
    ready.db.write(lambda c: c.execute(update(campaigns).values(version=campaigns.c.version + 1)))
    late = paper.send("/runs/1", read[0])
    assert (late.status_code, _state(ready.db)) == (412, "planned")
    assert "Ai đó vừa thay đổi" in text(late.text)
    now = re.findall(r'action="(/runs/1/start[^"]*)"', late.text)
    assert now != read
    assert (paper.send("/runs/1", now[0]).status_code, _state(ready.db)) == (303, "running")


def test_the_turn_is_changed_and_a_wrong_one_stays_in_its_field(ready: World, signed_in: In) -> None:
    paper = signed_in("admin")
    refused = paper.send("/runs/1", "/runs/1/priority", priority="900")
    assert refused.status_code == 422
    assert 'value="900"' in refused.text
    assert "Mục mức ưu tiên nhiều nhất là 100" in text(refused.text)
    assert paper.send("/runs/1", "/runs/1/priority", priority="7").status_code == 303
    assert "Thứ tự ưu tiên trong các đợt gửi của nhà mạng: 7" in text(paper.get("/runs/1").text)


def test_a_lower_rate_is_set_and_taken_back(ready: World, signed_in: In) -> None:
    paper = signed_in("operator", "viettel")
    refused = paper.send("/runs/1", "/runs/1/rate", segments_per_second="0")
    assert refused.status_code == 422
    assert "Mục bản tin mỗi giây phải từ 1 trở lên" in text(refused.text)
    assert paper.send("/runs/1", "/runs/1/rate", segments_per_second="200").status_code == 303
    assert "Tốc độ: nhiều nhất 200 bản tin/giây" in text(paper.get("/runs/1").text)
    assert paper.send("/runs/1", "/runs/1/rate", segments_per_second="").status_code == 303
    assert "Tốc độ: theo các kết nối của nhà mạng" in text(paper.get("/runs/1").text)


@pytest.fixture
def lost(pages_db: Database) -> World:
    """A running run whose three answers were lost."""
    found = world.build(pages_db, 3)
    found.fan_out()
    lease = found.claim()
    assert lease is not None
    outcomes = [SubmitOutcome(item, Unknown("no answer <in 30 s>")) for item in lease.items]
    found.db.write(found.ledger.record, found.link, lease, outcomes, None, 30.0)
    return found


def test_unknown_ones_are_decided_on_one_by_one_or_all(lost: World, signed_in: In) -> None:
    paper, db = signed_in("operator", "viettel"), lost.db
    assert "3 tin chưa rõ kết quả." in text(paper.get("/runs/1").text)
    page = paper.get("/runs/1/unknown").text
    assert "8491*****00" in page
    assert "84912000000" not in page
    assert "no answer &lt;in 30 s&gt;" in page
    nobody = paper.send("/runs/1/unknown", "/runs/1/unknown/write-off", reason="x")
    assert nobody.status_code == 422
    silent = paper.send("/runs/1/unknown", "/runs/1/unknown/write-off", line="1-2")
    assert silent.status_code == 422
    assert "lý do được lưu trong nhật ký" in text(silent.text)
    assert re.findall(r'value="([\d-]+)" checked', silent.text) == ["1-2"]  # what was ticked stays ticked
    assert db.read(lambda c: c.execute(select(unknowns.c.written_off_by)).scalars().all()) == [None] * 3
    done = paper.send(
        "/runs/1/unknown", "/runs/1/unknown/write-off", line="1-2", reason="nhà mạng đã trả lời"
    )
    assert done.status_code == 303
    assert "Đã chốt là chưa rõ: 1 tin." in text(paper.get("/runs/1").text)
    detail = db.read(
        lambda c: c.execute(select(audit.c.detail).order_by(audit.c.id.desc()).limit(1)).scalar_one()
    )
    assert detail == {"n": 1, "reason": "nhà mạng đã trả lời"}
    rest = paper.send("/runs/1/unknown", "/runs/1/unknown/write-off", all="1", reason="hỏi rồi")
    assert rest.status_code == 303
    assert "Đã chốt là chưa rõ: 2 tin." in text(paper.get("/runs/1").text)
    lost.check()


def test_the_carrier_is_asked_by_a_list_of_whole_numbers_for_its_own_operator(
    lost: World, signed_in: In
) -> None:
    paper, db = signed_in("operator", "viettel"), lost.db
    db.write(lambda c: c.execute(update(submissions).values(reference="=abc").where(submissions.c.seq == 2)))
    page = paper.get("/runs/1/unknown").text
    assert "lô 1, dòng 2" in text(page)
    assert "Danh sách có số đầy đủ" in text(page)
    (way,) = re.findall(r'href="([^"]*unknown.csv)"', page)
    rows = list(csv.reader(paper.get(way).text.lstrip("\ufeff").splitlines()))
    assert rows[0][0] == "số thuê bao"
    assert [row[0] for row in rows[1:]] == ["84912000000", "84912000001", "84912000002"]
    assert rows[1][2] == "viettel-1"
    assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", rows[1][3])
    assert [row[4] for row in rows[1:]] == ["'=abc", "", ""]  # no formula
    send = {"line": "1-2", "reason": "nhà mạng đã trả lời"}
    assert paper.send("/runs/1/unknown", "/runs/1/unknown/write-off", **send).status_code == 303
    assert len(paper.get(way).text.splitlines()) == 3  # what is decided on is not asked about, or counted
    shown = [each for each in db.read(acts.listed, 0, 100).items if each.action == "numbers.shown"]
    assert [(act.subject, act.detail) for act in shown] == [
        ("run/1", {"place": "unknown-list", "numbers": n}) for n in (3, 2)
    ]


def test_who_is_no_operator_of_the_carrier_gets_masked_numbers(lost: World, signed_in: In) -> None:
    paper = signed_in("admin")
    found = paper.get("/v1/runs/1/unknown.csv").text
    assert "8491*****00" in found
    assert "84912000000" not in found
    assert "người vận hành của nhà mạng lấy được số đầy đủ" in text(paper.get("/runs/1/unknown").text)


def test_the_stream_has_the_page_s_shape_and_ends_with_the_run(ready: World, signed_in: In) -> None:
    paper, db = signed_in("operator", "viettel"), ready.db
    (shape,) = re.findall(r'data-shape="(\w+)"', paper.get("/runs/1").text)
    of = Followed(1, 1, "viettel")
    picture = db.read(Follow(), [of, Followed(1, None, "vnpt"), Followed(9)])
    assert f'"shape":"{shape}"'.encode() in picture[of].body
    assert not picture[of].over
    assert (
        picture[Followed(1, None, "vnpt")].body
        == b'{"shape":"%s","runs":{}}' % campaign_stream.shape("approved", []).encode()
    )
    assert Followed(9) not in picture
    _set(db, state="cancelled")
    last = db.read(Follow(), [of])[of]
    assert last.over
    assert paper.get("/runs/1/events", Last_Event_ID=last.tag).status_code == 204
    assert "data-stream" not in paper.get("/runs/1").text


@pytest.mark.parametrize(
    ("state", "held", "verbs"),
    [
        (RunState.PLANNED, False, [Verb.START, Verb.CANCEL]),
        (RunState.RUNNING, False, [Verb.PAUSE, Verb.CANCEL]),
        (RunState.RUNNING, True, [Verb.END, Verb.CANCEL]),
        (RunState.PAUSED, False, [Verb.RESUME, Verb.CANCEL]),
        (RunState.FINISHED, False, []),
    ],
)
def test_what_can_be_asked_of_a_run(state: RunState, held: bool, verbs: list[Verb]) -> None:
    assert open_to(state, held) == verbs
