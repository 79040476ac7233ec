"""What happened while a campaign was sent: marks on its course, and the hours without sending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.campaigns.queries import RunSummary
from app.core import clock, sending_window
from app.core.sending_window import Window
from app.core.states import RunState
from app.web.stages import Stage
from app.web.translations import Said, say
from app.web.view_models.run_status import RunView

STARTED = say("started")
PAUSED_ITSELF = say("paused itself")
LINK_DOWN = say("link down")
ENDED = say("finished")
_MOST_NIGHTS = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to these carriers' runs within a minute; at: the first of it."""

    at: datetime
    said: Said
    carriers: tuple[str, ...]


def of_runs(runs: Sequence[RunSummary], views: Mapping[int, RunView]) -> list[Mark]:
    """Return the marks in order of time; views: how the runs stand, by id."""
    found: dict[tuple[Said, datetime], list[tuple[datetime, str]]] = {}
    for run in runs:
        for said, at in _events(run, views[run.id]):
            minute = at.replace(second=0, microsecond=0)
            found.setdefault((said, minute), []).append((at, run.carrier))
    marks = [
        Mark(min(at for at, _ in group), said, tuple(carrier for _, carrier in group))
        for (said, _), group in found.items()
    ]
    return sorted(marks, key=lambda mark: mark.at)


def _events(run: RunSummary, view: RunView) -> Iterator[tuple[Said, datetime]]:
    if run.started_at is not None:
        yield STARTED, run.started_at
    if run.suspended is not None:
        yield PAUSED_ITSELF, run.suspended.at
    if view.stage == Stage.LINK_DOWN and view.since is not None:
        yield LINK_DOWN, view.since
    if run.ended_at is not None and run.state is not RunState.CANCELLED:
        yield ENDED, run.ended_at


def closed_hours(window: Window, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    """Return the times between these moments in which the window was closed."""
    spans: list[tuple[datetime, datetime]] = []
    at = first
    while at < last and len(spans) < _MOST_NIGHTS:
        change = sending_window.next_change(window, at)
        ends = last if change is None else min(change, last)
        if not sending_window.open_at(window, at) and ends - at >= timedelta(minutes=1):
            spans.append((at, ends))
        if change is None or change <= at:
            break
        at = change
    return spans


def seconds(at: datetime) -> float:
    return clock.to_ms(at) / 1000
