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
    FileFault.BAD: say(
        "Too many bad lines. This may be the wrong file, or its columns may be in a different order."
    ),
    FileFault.ELSEWHERE: say(
        "Too many numbers in another carrier's range. This may be another carrier's file."
    ),
    FileFault.NOBODY: say("The file has no valid numbers."),
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
NOT_BEGUN = Judged(Light.OFF, say("not started"))
CANCELLED = Judged(Light.OFF, say("cancelled"))
UNSURE = Judged(Light.WAIT, say("may be late: the forecast spans the deadline"))
LATE = Judged(Light.BAD, say("after the deadline"))
AFTER_WINDOW = Judged(Light.BAD, say("after the end of the window"))
PASSED = Judged(Light.BAD, say("the deadline has passed"))
MISSED = Judged(Light.BAD, say("below the 92% target"))
CUT_OFF = Judged(Light.BAD, say("the sending window ended before everything was sent"))
NONE_SENT = Judged(Light.BAD, say("no message went out"))
UNCLEAR = Judged(Light.WAIT, say("many messages have an unknown outcome"))
NO_FORECAST = Judged(Light.WAIT, say("no forecast: nothing can be sent now"))
NOT_YET = Judged(Light.WAIT, say("waiting for its hours"))
TURN = Judged(Light.WAIT, say("waiting for another run to finish"))
NO_LINK = Judged(Light.BAD, say("the carrier has no link"))
HALTED = Judged(Light.BAD, say("the link is halted"))
LOST = Judged(Light.BAD, say("the link is disconnected"))
PROBING = Judged(Light.BAD, say("the carrier does not answer"))
WAITING = Judged(Light.BAD, say("waiting for the carrier's answers"))
REFUSING = Judged(Light.BAD, say("the carrier defers all messages"))
CLOSED = Judged(Light.BAD, say("no worker has opened the link"))
STILL = Judged(Light.BAD, say("nothing was sent in the last minute"))
# What to do in each case.
ADVICE: dict[Judged, Said] = {
    NO_LINK: say("Add the carrier's link to the settings and start a worker."),
    HALTED: say("Fix the cause with the carrier, then resume the link."),
    LOST: say("Loa reconnects by itself. If it lasts, call the carrier."),
    PROBING: say(
        "Loa tests with single messages whether answers arrive again. If it lasts, call the carrier."
    ),
    WAITING: say("Messages not answered in time count as unknown. If it lasts, call the carrier."),
    REFUSING: say("Loa retries, more and more slowly. If it lasts, ask the carrier about its limits."),
    CLOSED: say("Ask the people who operate Loa to start its worker."),
    STILL: say("Check the links. If they are working, tell the people who operate Loa."),
    CUT_OFF: say("Use a follow-up to reach those who received nothing."),
    NONE_SENT: say("Use a follow-up to reach those who received nothing."),
    UNCLEAR: say("Ask the carrier about them, then write them off or create a follow-up."),
}
PAUSED = Judged(Light.WAIT, say("paused: waiting to be resumed"))
NO_END = Judged(Light.WAIT, say("the carrier has not reported the end"))
NO_FIGURES = Judged(Light.WAIT, say("waiting for the carrier's figures"))
UNPROVED = Judged(Light.WAIT, say("on time; no handset receipts, so the target cannot be checked"))
MET = Judged(Light.GOOD, say("on time, above the 92% target"))
IN_TIME = Judged(Light.GOOD, say("on time"))
NORM_UNPROVED = Judged(Light.WAIT, say("no handset receipts, so the target cannot be checked"))
NORM_MET = Judged(Light.GOOD, say("above the 92% target"))
SOME_GOOD: Said = say("good: {n} of {total} runs")
SOME_MISSED: Said = say("below the 92% target: {n} of {total} runs")
NO_DEADLINE = Judged(Light.OFF, say("no report deadline"))
EXPECTED_MET = Judged(Light.GOOD, say("expected on time, above the 92% target so far"))
EXPECTED = Judged(Light.GOOD, say("expected on time"))
# Of a letter: whether its deadline is kept, and why nobody can say.
WILL_BE_LATE = Judged(Light.BAD, say("expected after the deadline"))
NOBODY_KNOWS = Judged(Light.WAIT, say("on time: unknown"))
PAUSED_ITSELF = Judged(Light.BAD, say("a run has paused itself"))
SOME_PLANNED = Judged(Light.WAIT, say("a run has not started"))
AWAITS_APPROVAL = Judged(Light.WAIT, say("a campaign is awaiting approval"))
NOTHING_APPROVED = Judged(Light.WAIT, say("no campaign is approved yet"))


def judge(
    state: RunState,
    ends: tuple[datetime, datetime] | None,
    limits: Due,
    norm: NormVerdict,
    now: datetime,
    stops: Judged | None = None,
) -> Judged:
    """Return the worst that applies to a run. ends: the earliest and latest end by the forecast, or its end.

    stops: why nothing of a running one is sent, or why one that is over can't be said to have been sent.
    """
    if state is RunState.CANCELLED:
        return CANCELLED
    if state is RunState.PLANNED:
        if limits.deadline is not None and now > limits.deadline:
            return PASSED
        return AFTER_WINDOW if limits.window_end is not None and now >= limits.window_end else NOT_BEGUN
    has_begun = state in (RunState.RUNNING, RunState.SENT, RunState.FINISHED)
    if has_begun and stops is not None and stops.light is Light.BAD:
        return stops
    late = None if ends is None else _late(state, ends[0], limits)
    if late is not None:
        return late
    if norm is NormVerdict.MISSED:
        return MISSED
    if state in UNDER_WAY and ends is None:
        return NO_FORECAST
    if ends is not None and _late(state, ends[1], limits) is not None:
        return UNSURE
    if has_begun and stops is not None:
        return stops
    # Nobody has said when it goes on, so its forecast proves nothing, with a deadline or without.
    if state is RunState.PAUSED:
        return PAUSED
    found = _good(norm, limits.deadline is not None)
    return {IN_TIME: EXPECTED, MET: EXPECTED_MET}.get(found, found) if state is RunState.RUNNING else found


def _late(state: RunState, done: datetime, limits: Due) -> Judged | None:
    if limits.deadline is not None and done > limits.deadline:
        return LATE
    outside = state in UNDER_WAY and limits.window_end is not None and done > limits.window_end
    return AFTER_WINDOW if outside else None


def judge_held(
    state: RunState, ended: bool, stated: bool, in_time: bool | None, norm: NormVerdict, has_deadline: bool
) -> Judged:
    """Return the worst that applies to a run whose carrier sends. stated: whether there are figures.

    in_time: by carrier_statement.held_in_time; has_deadline: whether there is a deadline.
    """
    if state is RunState.CANCELLED:
        return CANCELLED
    if in_time is False:
        return PASSED if state is RunState.PLANNED else LATE
    if norm is NormVerdict.MISSED:
        return MISSED
    if not stated:
        return NOT_BEGUN if state is RunState.PLANNED else NO_FIGURES
    return _good(norm, has_deadline) if ended else NO_END


def _good(norm: NormVerdict, has_deadline: bool) -> Judged:
    """Return what may be said where nothing is wrong. has_deadline: whether one has to be kept."""
    if has_deadline:
        return {NormVerdict.UNPROVED: UNPROVED, NormVerdict.MET: MET}.get(norm, IN_TIME)
    return {NormVerdict.UNPROVED: NORM_UNPROVED, NormVerdict.MET: NORM_MET}.get(norm, NO_DEADLINE)


def worst(lights: Iterable[Judged]) -> Judged:
    """Return the worst of several, green only if all are; NOT_BEGUN for none."""
    every = list(lights)
    found = max(every, key=lambda item: _ORDER.index(item.light), default=NOT_BEGUN)
    if found == MISSED and set(every) != {MISSED}:  # their figures together may stand above it
        return Judged(Light.BAD, SOME_MISSED, (every.count(MISSED), len(every)))
    if found.light is not Light.GOOD:
        return found
    good = [each for each in every if each.light is Light.GOOD]
    if len(good) < len(every):
        return Judged(Light.OFF, SOME_GOOD, (len(good), len(every)))
    said = set(every)  # what all of them keep: the deadline, the norm, or both
    if EXPECTED_MET in said:
        return EXPECTED_MET if said <= {EXPECTED_MET, MET} else EXPECTED
    if in_time := next((each for each in (EXPECTED, IN_TIME) if each in said), None):
        return in_time if NORM_MET not in said else Judged(Light.GOOD, SOME_GOOD, (len(good), len(every)))
    return NORM_MET if NORM_MET in said else found
