"""The traffic light of a run: green, amber or red against its deadline and the norm, with the words why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.reports.history import Verdict
from app.states import RunState
from app.web.words import Said, say

UNDER_WAY = (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING)


class Light(StrEnum):
    """How something stands; the worst last."""

    OFF = "off"
    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


class Judged(NamedTuple):
    """A light, and why it is so."""

    light: Light
    said: Said


_ORDER = list(Light)
NOT_BEGUN = Judged(Light.OFF, say("not begun"))
CANCELLED = Judged(Light.OFF, say("cancelled"))
LATE = Judged(Light.BAD, say("after the deadline"))
PASSED = Judged(Light.BAD, say("the deadline has passed"))
MISSED = Judged(Light.BAD, say("below the norm of 92 %"))
NO_FORECAST = Judged(Light.WAIT, say("no forecast: nothing can be sent now"))
NO_FIGURES = Judged(Light.WAIT, say("the carrier's figures are still to come"))
UNPROVED = Judged(
    Light.WAIT, say("in time; receipts do not reach the telephone, so the norm can't be judged")
)
MET = Judged(Light.GOOD, say("in time, above the norm of 92 %"))
IN_TIME = Judged(Light.GOOD, say("in time"))


def judge(
    state: RunState, done: datetime | None, deadline: datetime | None, norm: Verdict, now: datetime
) -> Judged:
    """The worst that is true of a run. done: when it ended, or will by the forecast."""
    if state is RunState.CANCELLED:
        return CANCELLED
    if state is RunState.PLANNED:
        return PASSED if deadline is not None and now > deadline else NOT_BEGUN
    if deadline is not None and done is not None and done > deadline:
        return LATE
    if norm is Verdict.MISSED:
        return MISSED
    if state in UNDER_WAY and done is None:
        return NO_FORECAST
    return {Verdict.UNPROVED: UNPROVED, Verdict.MET: MET}.get(norm, IN_TIME)


def worst(lights: Iterable[Judged]) -> Judged:
    """The worst of several; not begun where there is none."""
    return max(lights, key=lambda each: _ORDER.index(each.light), default=NOT_BEGUN)
