"""Traffic light of a run against its deadline and the norm, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.campaigns.lifecycle import FileFault, file_fault
from app.core.states import RunState
from app.web.translations import Said, say
from app.web.view_models.norm import NormVerdict

# Plausibility of an uploaded file

_FAULTS: dict[FileFault, Said] = {
    FileFault.BAD: say("Too many bad lines: this may be the wrong file, or columns in another order."),
    FileFault.ELSEWHERE: say(
        "Too many numbers in another carrier's range: this may be another carrier's file."
    ),
    FileFault.NOBODY: say("The file has no valid number."),
}


def of_file(lines: int, accepted: int, rejected: int, other_range: int) -> Said | None:
    """Say what looks wrong with a file, by its import's counts; None if nothing."""
    fault = file_fault(lines, accepted, rejected, other_range)
    return _FAULTS[fault] if fault else None


UNDER_WAY = (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING)


class Light(StrEnum):
    """Status colours, worst last."""

    OFF = "off"
    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


class Judged(NamedTuple):
    """A light with its reason. part: {n} and {total} of the reason, where not all runs are good."""

    light: Light
    said: Said
    part: tuple[int, int] | None = None


class Due(NamedTuple):
    """By when a run must be done: for its report, and, while something is to be sent, by its window's end."""

    deadline: datetime | None
    window_end: datetime | None = None


_ORDER = list(Light)
NOT_BEGUN = Judged(Light.OFF, say("not begun"))
CANCELLED = Judged(Light.OFF, say("cancelled"))
LATE = Judged(Light.BAD, say("after the deadline"))
AFTER_WINDOW = Judged(Light.BAD, say("after the window's end"))
PASSED = Judged(Light.BAD, say("the deadline has passed"))
MISSED = Judged(Light.BAD, say("below the norm of 92 %"))
CUT_OFF = Judged(Light.BAD, say("its time ended before all was sent"))
NONE_SENT = Judged(Light.BAD, say("no message went out"))
UNCLEAR = Judged(Light.WAIT, say("of many messages nobody knows whether they went out"))
NO_FORECAST = Judged(Light.WAIT, say("no forecast: nothing can be sent now"))
NOT_YET = Judged(Light.WAIT, say("waits for its hours"))
TURN = Judged(Light.WAIT, say("waits for its turn: another run is sent first"))
NO_LINK = Judged(Light.BAD, say("the carrier has no link"))
HALTED = Judged(Light.BAD, say("the link is halted"))
LOST = Judged(Light.BAD, say("the link has no connection"))
PROBING = Judged(Light.BAD, say("the carrier answers no message"))
WAITING = Judged(Light.BAD, say("no answer has come from the carrier for a while"))
REFUSING = Judged(Light.BAD, say("the carrier puts off all messages"))
CLOSED = Judged(Light.BAD, say("no worker has the link open"))
STILL = Judged(Light.BAD, say("nothing has gone out for a minute"))
# What to do in each case.
ADVICE: dict[Judged, Said] = {
    NO_LINK: say("Add the carrier's link to the settings and start a worker."),
    HALTED: say("Mend the cause with the carrier, then resume the link."),
    LOST: say("It is tried again by itself; call the carrier if it lasts."),
    PROBING: say("Single messages ask whether answers come again; call the carrier if it lasts."),
    WAITING: say("What is not answered in time counts as unknown; call the carrier if it lasts."),
    REFUSING: say("It is tried again by itself, slowly; ask the carrier about its limits if it lasts."),
    CLOSED: say("Tell those who run Loa that its worker must be started."),
    STILL: say("Look at the links; tell those who run Loa if they are at work."),
    CUT_OFF: say("A follow-up reaches those who got nothing."),
    NONE_SENT: say("A follow-up reaches those who got nothing."),
    UNCLEAR: say("Ask the carrier about them, then send them again or leave them."),
}
PAUSED = Judged(Light.WAIT, say("paused: it waits for somebody to resume it"))
NO_END = Judged(Light.WAIT, say("the carrier has not said that it has ended"))
NO_FIGURES = Judged(Light.WAIT, say("the carrier's figures are still to come"))
UNPROVED = Judged(
    Light.WAIT, say("in time; receipts do not reach the telephone, so the norm can't be judged")
)
MET = Judged(Light.GOOD, say("in time, above the norm of 92 %"))
IN_TIME = Judged(Light.GOOD, say("in time"))
NORM_UNPROVED = Judged(Light.WAIT, say("receipts do not reach the telephone, so the norm can't be judged"))
NORM_MET = Judged(Light.GOOD, say("above the norm of 92 %"))
SOME_GOOD: Said = say("good: {n} of {total} runs")
NO_DEADLINE = Judged(Light.OFF, say("no deadline to keep"))


def judge(
    state: RunState,
    done: datetime | None,
    due: Due,
    norm: NormVerdict,
    now: datetime,
    stops: Judged | None = None,
) -> Judged:
    """Return the worst that applies to a run. done: its end, or the forecast.

    stops: why nothing of a running one is sent, or why one that is over can't be said to have been sent.
    """
    if state is RunState.CANCELLED:
        return CANCELLED
    if state is RunState.PLANNED:
        if due.deadline is not None and now > due.deadline:
            return PASSED
        return AFTER_WINDOW if due.window_end is not None and now >= due.window_end else NOT_BEGUN
    has_begun = state in (RunState.RUNNING, RunState.SENT, RunState.FINISHED)
    if has_begun and stops is not None and stops.light is Light.BAD:
        return stops
    late = None if done is None else _late(state, done, due)
    if late is not None:
        return late
    if norm is NormVerdict.MISSED:
        return MISSED
    if state in UNDER_WAY and done is None:
        return NO_FORECAST
    if has_begun and stops is not None:
        return stops
    # Nobody has said when it goes on, so its forecast proves nothing, with a deadline or without.
    return PAUSED if state is RunState.PAUSED else _good(norm, due.deadline is not None)


def _late(state: RunState, done: datetime, due: Due) -> Judged | None:
    if due.deadline is not None and done > due.deadline:
        return LATE
    outside = state in UNDER_WAY and due.window_end is not None and done > due.window_end
    return AFTER_WINDOW if outside else None


def judge_held(
    state: RunState, ended: bool, stated: bool, kept: bool | None, norm: NormVerdict, due: bool
) -> Judged:
    """Return the worst that applies to a run whose carrier sends. stated: whether there are figures.

    kept: by carrier_statement.held_in_time; due: whether there is a deadline.
    """
    if state is RunState.CANCELLED:
        return CANCELLED
    if kept is False:
        return PASSED if state is RunState.PLANNED else LATE
    if norm is NormVerdict.MISSED:
        return MISSED
    if not stated:
        return NOT_BEGUN if state is RunState.PLANNED else NO_FIGURES
    return _good(norm, due) if ended else NO_END


def _good(norm: NormVerdict, due: bool) -> Judged:
    """Return what may be said where nothing is wrong. due: whether there is a deadline to be kept."""
    if due:
        return {NormVerdict.UNPROVED: UNPROVED, NormVerdict.MET: MET}.get(norm, IN_TIME)
    return {NormVerdict.UNPROVED: NORM_UNPROVED, NormVerdict.MET: NORM_MET}.get(norm, NO_DEADLINE)


def worst(lights: Iterable[Judged]) -> Judged:
    """Return the worst of several, green only if all are; NOT_BEGUN for none."""
    every = list(lights)
    found = max(every, key=lambda each: _ORDER.index(each.light), default=NOT_BEGUN)
    if found.light is not Light.GOOD:
        return found
    good = [each for each in every if each.light is Light.GOOD]
    if len(good) < len(every):
        return Judged(Light.OFF, SOME_GOOD, (len(good), len(every)))
    said = set(every)  # what all of them keep: the deadline, the norm, or both
    if IN_TIME in said:
        return IN_TIME if NORM_MET not in said else Judged(Light.GOOD, SOME_GOOD, (len(good), len(every)))
    return NORM_MET if NORM_MET in said else found
