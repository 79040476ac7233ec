"""What rules say exactly at a bound: the last moment, the last row and the last character still count."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from app.api import rate_limit
from app.api.pasted_table import MOST_ROWS, read_table
from app.api.rate_limit import RETRY
from app.core import clock
from app.core.errors import Invalid
from app.core.sending_window import Window, open_at
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import campaigns
from app.reports.counting.scope import Scope
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import StatedCounts, StatedFigures
from app.reports.intake import statement_rules
from app.sender_names.register import NameBody
from app.telephone_panel.answers import PATIENCE_MS, PanelRow
from app.web.stages import StageColumns
from app.web.view_models.course_marks import closed_hours
from tests.app.campaigns.rows import new_campaign

AT = 1_700_000_000_000


@pytest.mark.parametrize(
    ("done", "now", "kept"),
    [(AT, AT, True), (AT + 1, AT + 1, False), (None, AT, None), (None, AT + 1, False)],
)
def test_what_is_done_at_the_deadline_is_in_time(done: int | None, now: int, kept: bool | None) -> None:
    assert carrier_statement.by_deadline(done, AT, now) is kept


@pytest.mark.parametrize(("sent", "failed", "odd"), [(99, 0, False), (100, 0, True), (100, 1, False)])
def test_a_hundred_messages_of_which_none_failed_are_asked_about(sent: int, failed: int, odd: bool) -> None:
    counts = StatedCounts(sent, 0, sent, sent - failed, failed, 0)
    assert carrier_statement.nothing_failed(StatedFigures(counts)) is odd


@pytest.mark.parametrize(("length", "refused"), [(0, False), (1, True)])
def test_a_note_may_have_as_many_characters_as_is_said(length: int, refused: bool) -> None:
    words = "a" * (statement_rules.NOTE_LENGTH + length)
    assert bool([*statement_rules.word_faults(("note",), words)]) is refused


@pytest.mark.parametrize(("at", "counts"), [(AT, True), (AT + 1, False)])
def test_what_began_or_ended_at_the_cut_off_counts(at: int, counts: bool) -> None:
    run: Any = SimpleNamespace(state=RunState.FINISHED.value, started_at=at, ended_at=at, closing="ended")
    assert Scope(run, ()).begun(AT) is counts
    assert Scope(run, ()).closed(AT) is counts


@pytest.mark.parametrize(("after", "over"), [(-1, False), (0, True)])
def test_a_telephone_is_waited_for_so_long_and_no_longer(after: int, over: bool) -> None:
    row = PanelRow(1, 1, "vnpt", RunState.FINISHED.value, AT, AT, None)
    assert row.over(AT + PATIENCE_MS + after) is over


@pytest.mark.parametrize(("seconds", "spans"), [(59, 0), (60, 1)])
def test_a_closed_minute_is_drawn(seconds: int, spans: int) -> None:
    closes = datetime(2027, 1, 4, 20, tzinfo=clock.VIETNAM)
    window = Window(None, None, "08:00", "20:00")
    assert len(closed_hours(window, closes, closes + timedelta(seconds=seconds))) == spans


def test_a_table_may_have_as_many_lines_as_is_said() -> None:
    head, line = "carrier,name,state\n", "vnpt,CA SON LA,registered\n"
    assert len(read_table(head + line * MOST_ROWS, NameBody)) == MOST_ROWS
    with pytest.raises(Invalid, match="1 to"):
        read_table(head + line * (MOST_ROWS + 1), NameBody)


def test_lists_call_a_campaign_closed_when_its_window_is(db: Database) -> None:
    """The same rule in SQL as in `open_at`, at the first and last moments of windows and of days."""
    starts = datetime(2027, 1, 4, 8, tzinfo=clock.VIETNAM)
    ends = starts + timedelta(days=2, hours=9)
    windows = [
        Window(start, end, *hours)
        for start in (None, starts)
        for end in (None, ends)
        for hours in (("08:00", "20:00"), ("00:00", "24:00"))
    ]

    def work(c: Connection) -> dict[int, Window]:
        made = {new_campaign(c): window for window in windows}
        for n, each in made.items():
            values: dict[str, Any] = {"day_starts": each.day_starts, "day_ends": each.day_ends}
            values |= {"window_start": clock.to_ms_or_none(each.start)}
            values |= {"window_end": clock.to_ms_or_none(each.end)}
            c.execute(update(campaigns).where(campaigns.c.id == n).values(values))
        return made

    made = db.write(work)
    bounds = (starts, starts.replace(hour=20), ends, starts + timedelta(days=1), starts.replace(hour=0))
    for now in (bound + timedelta(milliseconds=ms) for bound in bounds for ms in (-1, 0, 1)):
        query = select(campaigns.c.id).where(StageColumns(frozenset(), now)._closed())
        closed = set(db.read(lambda c, query=query: c.execute(query).scalars().all()))
        assert closed == {n for n, window in made.items() if not open_at(window, now)}, now


def test_the_last_request_of_a_share_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "monotonic", lambda: 5.0)
    rates = rate_limit.Buckets(2)
    told = [rates.take("one") for _ in range(3)]
    assert [RETRY in each for each in told] == [False, False, True]
