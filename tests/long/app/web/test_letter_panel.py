"""A letter's figures: each subscriber once, and none falls, whatever ends, is followed up or is drafted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, select, update

from app.campaigns import runs as orders
from app.campaigns.runs import Verb
from app.core import clock
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import campaigns, directives, links, runs, tallies
from app.reports.counting import unique_reach
from app.web import stages
from app.web.view_models import letter_panel, overview_page, traffic_light
from app.web.view_models.letter_panel import LetterPanel
from tests.app.campaigns.past import D, link, queue, sent
from tests.app.campaigns.rows import DRAFT, new_campaign, new_link, whole_run
from tests.app.campaigns.test_held_runs import approved
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
LETTER = {"number": "306/KH-UBND", "issued_on": "2025-10-27", "issuer": "UBND", "subject": "V/v lừa đảo"}


@pytest.fixture
def letter(db: Database) -> int:
    due = clock.now_ms() + 86_400_000
    row = LETTER | {"created_by": "lan", "created_at": 1, "report_deadline": due, "addressees": []}
    made = insert(directives).values(row).returning(directives.c.id)
    return int(db.write(lambda c: c.execute(made).scalar_one()))


def panel(db: Database, letter: int, operator: str | None = None) -> LetterPanel:
    """As its page shows it, counted anew."""
    letter_panel._known.clear()
    found = db.read(overview_page.read_letter, letter, operator)[1]
    assert found is not None
    return found


def figures(of: LetterPanel) -> tuple[int, ...]:
    return of.addressed, of.sent, of.reached, of.relayed, of.failed, of.open, of.waiting


def test_a_subscriber_of_two_campaigns_counts_once_with_the_best_that_came(db: Database, letter: int) -> None:
    of = replace(DRAFT, directive_id=letter)
    sent(db, {0: D.DELIVERED, 1: D.UNDELIVERED, 2: D.EXPIRED, 3: D.SUBMITTED}, draft=of)
    assert figures(panel(db, letter)) == (4, 4, 1, 0, 2, 1, 0)
    sent(db, {1: D.DELIVERED, 2: D.REJECTED, 3: D.UNKNOWN, 4: D.DELIVERED}, draft=of)
    found = panel(db, letter)
    assert figures(found) == (5, 5, 3, 0, 1, 1, 0)
    assert (found.once, found.provable, [each.received for each in found.carriers]) == (True, 5, [3])


def test_no_figure_falls_when_a_campaign_ends_and_leaves_the_page(db: Database, letter: int) -> None:
    of = replace(DRAFT, directive_id=letter)
    sent(db, dict.fromkeys(range(6), D.DELIVERED), draft=of, state="running")
    going = sent(db, dict.fromkeys(range(4, 9), D.DELIVERED), draft=of, state="running")
    before = db.read(overview_page.read_overview, None).panels[0]
    assert figures(before)[:3] == (9, 9, 9)
    long_ago = {"state": "finished", "ended_at": clock.now_ms() - 9 * 86_400_000}
    db.write(lambda c: c.execute(update(runs).where(runs.c.campaign_id != going).values(long_ago)))
    letter_panel._known.clear()
    found = db.read(overview_page.read_overview, None)
    assert [each.id for each in found.campaigns] == [going]
    assert figures(found.panels[0]) == figures(before)


def test_who_is_still_to_be_queued_is_still_to_come_and_counts_once(db: Database, letter: int) -> None:
    of = replace(DRAFT, directive_id=letter)
    sent(db, {0: D.DELIVERED, 1: D.UNDELIVERED}, draft=of)
    planned = db.write(whole_run, phones=5)[0]  # numbers 0 to 4
    under = {"directive_id": letter, "state": "approved"}
    db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == planned).values(under)))
    assert figures(panel(db, letter)) == (5, 2, 1, 0, 1, 0, 3)


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("queued", [0, 2])
def test_who_is_not_queued_is_to_come_as_long_as_the_run_may_go_on(
    db: Database, letter: int, state: RunState, queued: int
) -> None:
    campaign = db.write(whole_run, phones=5)[0]
    under = {"directive_id": letter, "state": "approved"}
    db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == campaign).values(under)))
    db.write(lambda c: c.execute(update(runs).values(state=state, started_at=1)))
    key = {"campaign_id": campaign, "run_id": 1, "batch_id": 1, "area": "116", "reason": 0}
    if queued:
        row = key | {"state": int(D.QUEUED), "n": queued, "segments": queued}
        db.write(lambda c: c.execute(insert(tallies).values(row)))
    over = (RunState.SENT, RunState.FINISHED, RunState.CANCELLED)
    waiting = queued if state in over else 5
    found = panel(db, letter)
    assert (found.addressed, found.waiting, found.sent) == (waiting, waiting, 0)


def test_a_run_that_is_being_cancelled_takes_nobody_out_of_the_figures(db: Database, letter: int) -> None:
    sent(db, {0: D.DELIVERED, 1: D.UNDELIVERED}, draft=replace(DRAFT, directive_id=letter))
    planned, run_id = db.write(whole_run, phones=5)  # numbers 0 to 4
    under = {"directive_id": letter, "state": "approved"}
    db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == planned).values(under)))
    before = figures(panel(db, letter))
    orders.order(db, Verb.CANCEL, run_id, "operator")
    assert figures(panel(db, letter)) == before
    queue(db)
    assert figures(panel(db, letter))[:5] == before[:5]


def test_a_carrier_that_is_found_to_prove_no_handset_adds_nothing_to_the_reached_share(
    db: Database, letter: int
) -> None:
    one = sent(db, dict.fromkeys(range(4), D.DELIVERED), "viettel", draft=replace(DRAFT, directive_id=letter))
    sent(db, dict.fromkeys(range(100, 110), D.DELIVERED), into=one)
    assert panel(db, letter).reached_share == 1
    own = update(links).where(links.c.carrier == "vnpt")
    db.write(lambda c: c.execute(own.values(receipt_level=1)))
    found = panel(db, letter)
    assert (found.reached, found.provable, found.reached_share, found.relayed) == (4, 4, 1, 10)
    assert [(each.carrier, each.received) for each in found.carriers] == [("viettel", 4), ("vnpt", 10)]


def test_an_operator_sees_its_own_part_of_the_letter(db: Database, letter: int) -> None:
    of = replace(DRAFT, directive_id=letter)
    first = sent(db, {0: D.DELIVERED, 1: D.DELIVERED}, "viettel", draft=of)
    sent(db, {100: D.DELIVERED}, "vnpt", into=first)
    assert figures(panel(db, letter))[:3] == (3, 3, 3)
    assert figures(panel(db, letter, "vnpt"))[:3] == (1, 1, 1)
    assert [each.carrier for each in panel(db, letter, "vnpt").carriers] == ["vnpt"]


def test_the_verdict_is_a_word_with_its_reason(db: Database, letter: int) -> None:
    def verdict() -> tuple[traffic_light.Judged, traffic_light.Judged | None]:
        found = db.read(overview_page.read_letter, letter, None)[0]
        return found.verdict, found.because

    assert verdict() == (traffic_light.NOBODY_KNOWS, traffic_light.NOTHING_APPROVED)
    one = sent(db, {0: D.QUEUED, 1: D.DELIVERED}, draft=replace(DRAFT, directive_id=letter), state="running")
    whole_day = {"day_starts": "00:00", "day_ends": "24:00"}
    db.write(lambda c: c.execute(update(campaigns).values(whole_day)))
    own = update(runs).where(runs.c.campaign_id == one)
    # The link of the past has no process that holds it open.
    assert verdict() == (traffic_light.NOBODY_KNOWS, traffic_light.CLOSED)
    why = {"cause": "failed", "bad": 61, "of": 300, "reasons": {}, "at": 1_706_000_000_000}
    db.write(lambda c: c.execute(own.values(state="paused", suspended=why, ended_at=None)))
    assert verdict() == (traffic_light.NOBODY_KNOWS, traffic_light.PAUSED_ITSELF)
    ended = {"state": "finished", "ended_at": clock.now_ms() - 1000}
    db.write(lambda c: c.execute(own.values(ended)))
    assert verdict() == (traffic_light.IN_TIME, None)
    late = clock.to_ms(clock.now() - timedelta(hours=1))
    db.write(lambda c: c.execute(update(directives).values(report_deadline=late)))
    assert verdict() == (traffic_light.LATE, None)


def test_a_carrier_that_sends_itself_is_in_time_once_its_figures_are_there(db: Database, letter: int) -> None:
    def verdict() -> tuple[traffic_light.Judged, traffic_light.Judged | None]:
        found = db.read(overview_page.read_letter, letter, None)[0]
        return found.verdict, found.because

    run_id = approved(db, directive_id=letter)
    orders.order(db, Verb.START, run_id, "operator")
    assert verdict() == (traffic_light.NOBODY_KNOWS, traffic_light.NO_FIGURES)
    orders.order(db, Verb.END, run_id, "operator")
    assert verdict() == (traffic_light.NOBODY_KNOWS, traffic_light.NO_FIGURES)
    late = {"report_deadline": clock.now_ms() + 100}
    db.write(lambda c: c.execute(update(directives).values(late)))
    time.sleep(0.2)
    assert verdict() == (traffic_light.LATE, None)


def test_five_hundred_drafts_cost_a_letter_nothing(db: Database, letter: int) -> None:
    of = replace(DRAFT, directive_id=letter)
    sent(db, {0: D.DELIVERED, 1: D.DELIVERED}, draft=of)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _cursor, said, *_rest: asked.append(said))

    def count() -> int:
        asked.clear()
        found = db.read(unique_reach.of_directive, letter, clock.now_ms())
        assert found is not None
        assert found.persons == 2
        panel(db, letter)
        return len(asked)

    before = count()
    for _ in range(30):
        db.write(new_campaign, of)
    assert count() <= before, asked


def test_lists_and_pages_say_alike_how_a_run_stands(db: Database) -> None:
    """The database's words are those of RunView."""
    link(db)
    db.write(new_link, "viettel-1", carrier="viettel")
    of = {"day_starts": "00:00", "day_ends": "24:00"}
    for carrier in ("vnpt", "viettel"):
        for state in ("running", "finished", "paused", "planned"):
            sent(db, {0: D.QUEUED}, carrier, state=state)
    db.write(lambda c: c.execute(update(campaigns).values(of)))
    closed = update(campaigns).where(campaigns.c.id == 1).values(window_start=4_000_000_000_000)
    db.write(lambda c: c.execute(closed))
    why = {"cause": "failed", "bad": 61, "of": 300, "reasons": {}, "at": 1_706_000_000_000}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 3).values(suspended=why)))
    ids = list(db.read(lambda c: c.execute(select(campaigns.c.id)).scalars().all()))
    listed = db.read(stages.of_campaigns, ids, None)
    shown = {each.id: each.stage for each in db.read(overview_page.read_overview, None).campaigns}
    assert shown
    assert {each: listed[each] for each in shown} == shown
    assert {"link_down", "suspended", "paused", "finished", "planned"} <= set(listed.values())


def test_a_letter_s_page_has_the_figures_of_the_overview(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    paper = signed_in("auditor")
    (first, second) = (text(paper.get(path).text) for path in ("/", "/directives/1"))
    for figure in ("627.852 thuê bao 390.308", "Còn phải gửi 237.544"):
        assert figure in first
        assert figure in second
