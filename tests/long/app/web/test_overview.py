"""The overview's figures: each role sees its own, from tallies alone, and lights say what is true."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, insert, update

from app.campaigns import lifecycle
from app.campaigns.carrier_audience import Audience, Basis
from app.core import clock
from app.core.states import DeliveryState as State
from app.core.states import NotSent
from app.database.connection import Database
from app.database.models import campaigns, directives, links, run_counts, runs, tallies
from app.directives.status import status
from app.observability.faults import Faults
from app.observability.metrics import Metrics
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.web.view_models import overview_page, traffic_light
from app.web.view_models.overview_page import Watch
from app.web.view_models.traffic_light import Light
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
HOUR = 3_600_000


def test_an_empty_overview_says_what_to_do_next(signed_in: In) -> None:
    said = text(signed_in().get("/").text)
    assert "Không có việc nào cần xử lý." in said
    assert "Chưa có công văn nào." in said
    assert "Chưa có chiến dịch nào." in said


def test_an_operator_sees_its_own_carrier_only(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    office = text(signed_in("auditor").get("/").text)
    assert all(name in office for name in ("VNPT VinaPhone", "Viettel", "412/CAT-PA05", "mobifone-1"))
    assert "Biên nhận chưa khớp tin nào: 7" in office
    own = text(signed_in("operator", "vnpt").get("/").text)
    assert "120.114" in own
    assert not re.search("Viettel|MobiFone|mobifone|412/CAT|231.480|143", own)
    assert "Biên nhận chưa khớp tin nào: 7" in own  # they came over its link
    other = text(signed_in("operator", "viettel").get("/").text)
    assert "Biên nhận chưa khớp" not in other


def test_a_part_of_loa_that_fails_is_red_for_who_sees_all_carriers(pages_db: Database, signed_in: In) -> None:
    faults = Faults(pages_db, Metrics())
    asyncio.run(faults.note("sending by viettel-1", ZeroDivisionError()))
    auditor = signed_in("auditor")
    office = text(auditor.get("/").text)
    assert "Một bộ phận của Loa đang gặp lỗi: sending by viettel-1." in office
    assert "viettel-1" not in text(signed_in("operator", "vnpt").get("/").text)
    asyncio.run(faults.over("sending by viettel-1"))
    assert "đang gặp lỗi" not in text(auditor.get("/").text)


def test_what_others_wrote_is_escaped(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    pages_db.write(lambda c: c.execute(update(campaigns).values(name="<script>alert(1)</script>")))
    page = signed_in().get("/").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_overview_reads_no_delivery_and_asks_little(
    pages_db: Database, statements: list[str], signed_in: In
) -> None:
    scene.build(pages_db)
    paper = signed_in()
    statements.clear()
    paper.get("/")
    assert not [each for each in statements if re.search(r"\b(deliveries|subscribers|submissions)\b", each)]
    assert 5 < len(statements) < 35


def head(page: str) -> dict[str, str]:
    """The chief's figures by their names."""
    big = page[page.index('class="big"') : page.index("</dl>", page.index('class="big"'))]
    return {
        text(name): text(value) for name, value in re.findall("<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", big, re.S)
    }


def test_the_first_number_is_one_total_over_all_carriers(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    pages_db.write(lambda c: c.execute(update(campaigns).values(day_starts="00:00", day_ends="24:00")))
    # VNPT's receipts prove its own centre alone.
    pages_db.write(
        lambda c: c.execute(update(links).where(links.c.carrier == "vnpt").values(receipt_level=1))
    )
    of_vnpt = (tallies.c.run_id == 2) & (tallies.c.state == int(State.DELIVERED))
    pages_db.write(lambda c: c.execute(update(tallies).where(of_vnpt).values(state=int(State.RELAYED))))
    page = signed_in("auditor").get("/").text
    found = head(page)
    people = 412_310 + 127_338 + 88_204
    assert found["Đã gửi, trên " + f"{people:,} thuê bao".replace(",", ".")] == "390.308 62,2%"
    # Of the subscribers whose carrier gives receipts of telephones.
    assert found["Máy đã nhận"].startswith("231.480 46,2% trên 500.514")
    assert found["Nhà mạng đã tiếp nhận"].startswith("120.114 ")
    assert found["Còn phải gửi"].startswith("237.544 ")
    assert "351.594" not in page  # the two are never one number
    assert re.match(r"\d\d:\d\d( \d\d/\d\d)? chưa kể 1 đợt gửi chưa bắt đầu", found["Dự kiến xong"])
    assert page.index('id="total"') < page.index('id="todo"') < page.index('id="letters"')


def test_letters_stand_by_their_deadlines_those_to_come_before_those_that_have_passed(
    pages_db: Database,
) -> None:
    hours = (70, -50, 2, None, -3, 400, -100)
    row = {"issued_on": "2024-01-29", "issuer": "CAT", "subject": "x", "addressees": [], "created_by": "an"}
    now = clock.now_ms()
    rows = [
        row
        | {
            "number": str(each),
            "created_at": now,
            "report_deadline": None if each is None else now + each * HOUR,
        }
        for each in hours
    ]
    pages_db.write(lambda c: c.execute(insert(directives), rows))
    found = pages_db.read(overview_page.read_overview, None).letters
    assert [each.number for each in found] == ["2", "70", "400", "-3", "-50", "-100", "None"]


@pytest.mark.parametrize(
    ("state", "still_open"),
    [
        (State.SUBMITTED, True),
        (State.UNKNOWN, True),
        (State.RELAYED, True),
        (State.UNDELIVERED, False),
        (State.EXPIRED, False),
        (State.REJECTED, False),
    ],
)
def test_the_target_is_missed_once_nothing_that_may_still_come_would_reach_it(
    pages_db: Database, state: State, still_open: bool
) -> None:
    scene.build(pages_db)

    def judged(received: int, others: int) -> traffic_light.Judged:
        key = {"campaign_id": 1, "run_id": 2, "batch_id": 2, "area": "119", "reason": 0}
        counts = ((State.DELIVERED, received), (state, others))
        told = [key | {"state": int(each), "n": n, "segments": n} for each, n in counts]
        pages_db.write(lambda c: c.execute(delete(tallies).where(tallies.c.run_id == 2)))
        pages_db.write(lambda c: c.execute(insert(tallies), told))
        views = pages_db.read(overview_page.read_overview, None).campaigns
        (run,) = [each for campaign in views for each in campaign.runs if each.id == 2]
        return traffic_light.Judged(run.light, run.said)

    assert judged(920, 80) == traffic_light.MET  # 92% exactly
    assert (judged(919, 81) == traffic_light.MISSED) is not still_open


def held_run(db: Database, **row: object) -> int:
    """Approved under letter 1 as well: a run that Gmobile sends by itself, begun eight days ago."""

    def write(c: Connection) -> int:
        draft, audience = replace(scene.FIRST, name="held"), Audience((), Basis.UNDIVIDED, 100_000)
        campaign_id = lifecycle.create(c, draft, scene.HOURS, scene.AUTHOR)
        run_id = lifecycle.add_held_run(c, campaign_id, "gmobile", audience, scene.AUTHOR)
        c.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(state="approved"))
        c.execute(update(campaigns).values(day_starts="00:00", day_ends="24:00"))
        begun = {"state": "running", "started_at": clock.now_ms() - 8 * scene.DAY}
        c.execute(update(runs).where(runs.c.id == run_id).values(begun | row))
        return run_id

    return db.write(write)


def state(db: Database, run_id: int, said_ms: int, **changes: object) -> None:
    """The carrier's first figures of the run came then: 100,000 sent, 99,000 received."""
    said = clock.local(clock.from_ms(said_ms))
    general = {"eligible": 100_000, "sent": 100_000, "received": 99_000, "failed": 1000, "segments": 200_000}
    claim = {
        "level": "handset",
        "began_at": clock.local(clock.from_ms(said_ms - 6 * scene.DAY)).isoformat(),
        "cutoff_at": said.isoformat(),
        "received_at": said.isoformat(),
        "number": "1/BC",
        "dated_on": said.date().isoformat(),
        "general": general,
    }
    whole = StatementBody.model_validate(claim | changes).claim(EntrySource.API)
    db.write(statement_service.state, run_id, whole, "officer")


def test_what_a_carrier_states_is_beside_the_total_and_never_in_it(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    run_id = held_run(pages_db)
    paper = signed_in("auditor")
    before, shape = paper.get("/").text, pages_db.read(Watch(), [""])[""].body
    assert "chưa tính phần Gmobile tự gửi (chưa báo kết thúc)" in head(before)["Dự kiến xong"]
    state(pages_db, run_id, clock.now_ms() - HOUR)
    page = paper.get("/").text
    figures = [list(head(each).items())[:3] for each in (before, page)]
    assert figures[0] == figures[1]
    (bars,) = {tuple(re.findall(r'<svg class="bar".*?</svg>', each, re.S)[:1]) for each in (before, page)}
    assert bars
    assert "Gmobile tự báo số liệu, không cộng vào tổng: đã gửi 100.000, máy đã nhận 99.000." in text(page)
    assert pages_db.read(Watch(), [""])[""].body != shape  # an open page loads it


AGO, DUE = scene.DAY * 7, scene.DAY  # before now: when sending ended in time, and the deadline
ENDED_LONG_AGO = {"state": "cancelled", "ended_at": 1}
ENDED = {"state": "sent"}


@pytest.mark.parametrize(
    ("row", "ended_ago", "said_ago"),
    [
        ({}, None, HOUR),  # figures without an end
        (ENDED, AGO, HOUR),  # figures after the deadline
        (ENDED, AGO, None),  # no figures
        (ENDED, DUE // 2, 2 * DUE),  # figures in time, its end not
    ],
)
def test_what_a_carrier_sends_is_late_on_pages_and_in_the_status_alike(
    pages_db: Database, row: dict[str, object], ended_ago: int | None, said_ago: int | None
) -> None:
    scene.build(pages_db)
    now = clock.now_ms()
    run_id = held_run(pages_db, **row, ended_at=None if ended_ago is None else now - ended_ago)
    if said_ago is not None:
        state(pages_db, run_id, now - said_ago)
    pages_db.write(lambda c: c.execute(update(directives).values(report_deadline=now - DUE)))
    assert lights(pages_db, run_id) == (Light.BAD, False)


def test_what_a_carrier_sends_is_green_once_its_end_and_its_figures_came_in_time(pages_db: Database) -> None:
    scene.build(pages_db)
    now = clock.now_ms()
    run_id = held_run(pages_db)
    pages_db.write(lambda c: c.execute(update(directives).values(report_deadline=now + DUE)))
    assert lights(pages_db, run_id) == (Light.WAIT, None)
    state(pages_db, run_id, now - HOUR)
    assert lights(pages_db, run_id) == (Light.WAIT, None)
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(ended_at=now)))
    assert lights(pages_db, run_id) == (Light.GOOD, True)


def lights(db: Database, run_id: int) -> tuple[Light, bool | None]:
    """The run's light on the overview, and whether it is in time by the status of its letter."""
    shown = [run for each in db.read(overview_page.read_overview, None).campaigns for run in each.runs]
    (light,) = [run.light for run in shown if run.id == run_id]
    (kept,) = [run.in_time for run in db.read(status, 1, clock.now()).runs if run.run_id == run_id]
    return light, kept


def done_runs(db: Database, ago_ms: int = 0) -> None:
    """The runs of Viettel and VNPT ended so long ago, and telephones have received all."""

    def write(c: Connection) -> None:
        ended = clock.now_ms() - ago_ms
        c.execute(update(campaigns).values(day_starts="00:00", day_ends="24:00"))
        done = {"state": "finished", "started_at": ended - scene.DAY, "ended_at": ended}
        c.execute(update(runs).where(runs.c.id.in_((1, 2))).values(done))
        c.execute(update(tallies).values(state=int(State.DELIVERED)))

    db.write(write)


@pytest.mark.parametrize(
    ("closing", "state", "reason", "light", "words"),
    [
        (
            NotSent.WINDOW_CLOSED,
            State.NOT_SENT,
            NotSent.WINDOW_CLOSED,
            Light.BAD,
            "hết thời gian gửi khi chưa gửi hết",
        ),
        (None, State.UNKNOWN, 0, Light.WAIT, "nhiều tin chưa rõ đã được gửi đi hay chưa"),
        (None, State.NOT_SENT, NotSent.DO_NOT_SEND, Light.BAD, "không tin nào được gửi đi"),
    ],
)
def test_a_run_that_is_over_and_was_not_sent_is_not_green(
    pages_db: Database,
    signed_in: In,
    closing: NotSent | None,
    state: State,
    reason: int,
    light: Light,
    words: str,
) -> None:
    scene.build(pages_db)
    done_runs(pages_db)
    pages_db.write(
        lambda c: c.execute(update(directives).values(report_deadline=clock.now_ms() + 9 * scene.DAY))
    )
    assert lights(pages_db, 1) == (Light.GOOD, True)
    ended = update(runs).where(runs.c.id == 1).values(closing=closing)
    pages_db.write(lambda c: c.execute(ended))
    counts = update(tallies).where(tallies.c.run_id == 1).values(state=int(state), reason=int(reason))
    pages_db.write(lambda c: c.execute(counts))
    assert lights(pages_db, 1) == (light, None if state is State.UNKNOWN else False)
    paper = signed_in("auditor")
    for path in ("/", "/campaigns/1", "/runs/1"):
        assert words in text(paper.get(path).text), path


@pytest.mark.parametrize("third", ["planned", "cancelled"])
def test_two_good_runs_of_three_are_said_to_be_that_and_not_green(
    pages_db: Database, signed_in: In, third: str
) -> None:
    scene.build(pages_db)
    done_runs(pages_db)
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == 3).values(state=third)))
    found = pages_db.read(overview_page.read_overview, None)
    (letter,) = [each for each in found.letters if each.number == "303/CAT-PA05"]
    assert (letter.judged.light, letter.judged.part) == (Light.OFF, (2, 3))
    wanted = traffic_light.NOBODY_KNOWS if third == "planned" else traffic_light.IN_TIME
    assert letter.verdict == wanted
    assert letter.because == (traffic_light.SOME_PLANNED if third == "planned" else None)


@pytest.mark.parametrize("directive", [1, None])
def test_what_will_not_be_done_within_its_window_is_red(pages_db: Database, directive: int | None) -> None:
    scene.build(pages_db)
    soon = {"window_end": clock.now_ms() + 60_000, "day_starts": "00:00", "day_ends": "24:00"}
    pages_db.write(lambda c: c.execute(update(campaigns).values(soon | {"directive_id": directive})))
    found = pages_db.read(overview_page.read_overview, None)
    light = {run.id: (run.light, run.said) for each in found.campaigns for run in each.runs}[1]
    assert light == traffic_light.AFTER_WINDOW[:2]


def test_without_a_deadline_nothing_is_said_to_be_in_time(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    whole = {"day_starts": "00:00", "day_ends": "24:00", "directive_id": None}
    pages_db.write(lambda c: c.execute(update(campaigns).values(whole)))
    paper = signed_in("auditor")
    for path in ("/", "/runs/1", "/campaigns/1"):
        page = text(paper.get(path).text)
        assert "không có hạn báo cáo" in page, path
        assert "kịp hạn" not in page, path


def test_a_letter_whose_work_ended_long_ago_is_judged_by_it(
    pages_db: Database, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.build(pages_db)
    done_runs(pages_db, 8 * scene.DAY)
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == 3).values(ENDED_LONG_AGO)))
    found = pages_db.read(overview_page.read_overview, None)
    assert 1 not in [each.id for each in found.campaigns]
    (letter,) = [each for each in found.letters if each.number == "303/CAT-PA05"]
    assert (letter.judged.light, letter.judged.part) == (Light.OFF, (2, 3))
    done = {"state": "finished", "ended_at": clock.now_ms() - 8 * scene.DAY}
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == 3).values(done)))
    sent = {"campaign_id": 1, "run_id": 3, "batch_id": 4, "state": int(State.SUBMITTED), "reason": 0, "n": 9}
    pages_db.write(lambda c: c.execute(insert(tallies).values(sent | {"segments": 9})))
    found = pages_db.read(overview_page.read_overview, None)
    (letter,) = [each for each in found.letters if each.number == "303/CAT-PA05"]
    assert letter.judged == traffic_light.IN_TIME  # the norm is not met by all
    statements.clear()
    pages_db.read(overview_page.read_overview, None)
    again = len(statements)
    sooner = update(directives).values(report_deadline=clock.now_ms() - scene.DAY)
    pages_db.write(lambda c: c.execute(sooner))
    statements.clear()
    found = pages_db.read(overview_page.read_overview, None)
    assert len(statements) > again  # nobody had looked at these since; polls in between ask nothing of them
    assert {each.judged for each in found.letters} == {traffic_light.IN_TIME, traffic_light.PASSED}
    late = {"state": int(State.UNDELIVERED)}  # receipts that change no run's end: looked for once a minute
    pages_db.write(lambda c: c.execute(update(tallies).values(late)))
    in_a_minute = clock.monotonic() + 61
    monkeypatch.setattr(clock, "monotonic", lambda: in_a_minute)
    found = pages_db.read(overview_page.read_overview, None)
    assert {each.judged for each in found.letters} == {traffic_light.MISSED, traffic_light.PASSED}


def test_the_total_moves_with_its_hour_and_has_no_forecast_that_a_run_has_not(pages_db: Database) -> None:
    scene.build(pages_db)
    now = clock.now_ms()
    rows = [{"run_id": 1, "at": now - 60_000 * n, "segments": 9000 - 100 * n} for n in range(40)]
    pages_db.write(lambda c: c.execute(insert(run_counts), rows))
    pages_db.write(lambda c: c.execute(update(runs).values(started_at=now - 2 * HOUR)))
    found = pages_db.read(overview_page.read_overview, None).panels[0]
    assert found.last_hour == 525_940 - 5100  # since the first count
    pages_db.write(lambda c: c.execute(update(links).values(state="halted")))
    halted = pages_db.read(overview_page.read_overview, None).panels[0]
    assert (halted.ends, [each.stage for each in halted.carriers]) == (None, ["planned", "link_down", "sent"])
    assert halted.letter is not None
    assert (halted.letter.verdict, halted.letter.because) == (
        traffic_light.NOBODY_KNOWS,
        traffic_light.HALTED,
    )


def test_the_stream_s_picture_has_the_page_s_figures_for_each_who_watch(pages_db: Database) -> None:
    scene.build(pages_db)
    pictures = pages_db.read(Watch(), ["", "vnpt"])
    assert b'"sent":262970' in pictures[""].body
    assert b'"sent":262970' not in pictures["vnpt"].body
    assert b'"sent":127338' in pictures["vnpt"].body
    found = pages_db.read(overview_page.read_overview, None)
    assert overview_page.shape(found).encode() in pictures[""].body


def _hours_now(*, are_open: bool) -> dict[str, str]:
    """Sending hours that are open, or closed, at the hour at which this is run."""
    hour = clock.local(clock.now()).hour
    closed = {"day_starts": "13:00", "day_ends": "23:00"}
    closed = closed if hour < 12 else {"day_starts": "01:00", "day_ends": "11:00"}
    return {"day_starts": "00:00", "day_ends": "24:00"} if are_open else closed


@pytest.mark.parametrize(
    ("are_open", "wanted"),
    [
        # One carrier has sent all, one is sending in time, and the third one has not begun.
        (True, traffic_light.Judged(Light.OFF, traffic_light.SOME_GOOD, (2, 3))),
        (False, traffic_light.NOT_YET),
    ],
    ids=["by day", "by night"],
)
def test_a_letter_whose_deadline_has_passed_is_red_until_all_is_done(
    pages_db: Database, are_open: bool, wanted: traffic_light.Judged
) -> None:
    scene.build(pages_db)
    pages_db.write(lambda c: c.execute(update(campaigns).values(_hours_now(are_open=are_open))))
    found = pages_db.read(overview_page.read_overview, None)
    going, passed = found.letters
    assert (passed.number, passed.judged.light) == ("412/CAT-PA05", Light.BAD)
    assert (going.number, going.judged) == ("303/CAT-PA05", wanted)
