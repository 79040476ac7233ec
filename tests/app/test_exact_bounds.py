"""What rules say exactly at a bound: the last moment, the last row and the last character still count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.api import rate_limit
from app.api.rate_limit import RETRY
from app.core import clock
from app.core.states import RunState
from app.reports.counting.scope import Scope
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import StatedCounts, StatedFigures
from app.reports.intake import statement_rules
from app.telephone_panel.answers import PATIENCE_MS, PanelRow

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


def test_the_last_request_of_a_share_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "monotonic", lambda: 5.0)
    rates = rate_limit.Buckets(2)
    told = [rates.take("one") for _ in range(3)]
    assert [RETRY in each for each in told] == [False, False, True]
