"""An operator's orders to a run: start, pause, resume, end, cancel; its priority and its rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Any

from sqlalchemy import Connection, select, update

from app.campaigns import (
    approval,
    budgets,
    carrier_audience,
    forecast,
    lifecycle,
    optimistic_lock,
)
from app.campaigns.optimistic_lock import Record
from app.core import clock
from app.core.errors import Conflict, Invalid
from app.core.states import NotSent, RunState, SuspendCause, move_run
from app.database.connection import Database, shared_ms
from app.database.models import daily_counts, runs
from app.ledger import erasure, restore_acknowledgement, unreached
from app.ledger.contract import SLOWEST
from app.security import audit
from carriers.phrases import join

PRIORITIES = range(-100, 101)
FASTEST = 100_000  # SMS parts a second


class Verb(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"  # only where the carrier sends: Loa sees the end of every other run
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class _Move:
    """From which states a verb leads where, and in which states it has been carried out already."""

    sources: tuple[RunState, ...]
    target: RunState
    obeyed: tuple[RunState, ...]


_MOVES = {
    Verb.START: _Move((RunState.PLANNED,), RunState.RUNNING, (RunState.RUNNING,)),
    Verb.PAUSE: _Move((RunState.RUNNING,), RunState.PAUSED, (RunState.PAUSED,)),
    Verb.RESUME: _Move((RunState.PAUSED,), RunState.RUNNING, (RunState.RUNNING,)),
    Verb.END: _Move((RunState.RUNNING,), RunState.SENT, (RunState.SENT, RunState.FINISHED)),
    Verb.CANCEL: _Move(
        (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED),
        RunState.CANCELLING,
        (RunState.CANCELLING, RunState.CANCELLED),
    ),
}


def open_to(state: RunState, held: bool) -> list[Verb]:
    """Return what can be asked of a run in this state. held: its carrier sends, so Loa can't pause it."""
    never = Verb.PAUSE if held else Verb.END
    return [verb for verb, move in _MOVES.items() if state in move.sources and verb is not never]


def order(db: Database, verb: Verb, run_id: int, who: str, at: datetime | None = None) -> RunState:
    """Carry out the verb, once however often it is asked, and wake the workers; return the new state.

    at: when a carrier that sends to its own subscribers started or ended; by default now.
    """

    def work(connection: Connection) -> RunState:
        state = act(connection, verb, run_id, who, at)
        db.wake(connection)
        return state

    return db.write(work)


def act(connection: Connection, verb: Verb, run_id: int, who: str, at: datetime | None = None) -> RunState:
    """Move the run unless the verb has been carried out before. Raises Conflict from any other state."""
    run = optimistic_lock.run(connection, run_id)
    at_ms = _moment(connection, verb, run, at)
    move = _MOVES[verb]
    if run.state in move.obeyed:
        return RunState(run.state)
    if run.state not in move.sources:
        allowed = join(move.sources, " or ")
        raise Conflict(
            "Cannot {verb} the run because it is {state}. It must be {allowed}.",
            state=run.state,
            verb=verb,
            allowed=allowed,
        )
    new = move_run(run.state, move.target)
    also = _along_with(connection, verb, run, at_ms, at is not None)
    optimistic_lock.change_run(connection, run, state=new, **also)
    said = {} if at is None else {"at": clock.local(at).isoformat(timespec="minutes")}
    audit.note(
        connection, who, f"run.{verb}", f"run/{run_id}", campaign=run.campaign_id, carrier=run.carrier, **said
    )
    return new


def _moment(connection: Connection, verb: Verb, run: Record, at: datetime | None) -> int:
    """Return when the verb took effect, in ms. Raises Invalid for a time that can't be."""
    held = carrier_audience.of_run(connection, run.id) is not None
    if verb is Verb.END and not held:
        raise Conflict(
            "Loa sends run {run} itself and records its end. To stop it early, cancel it.", run=run.id
        )
    if at is None:
        return shared_ms(connection)
    if not held or verb not in (Verb.START, Verb.END):
        raise Invalid(
            "A time can only be given when starting or ending a run that the carrier sends itself.",
            field="at",
        )
    if at.tzinfo is None or at > clock.from_ms(shared_ms(connection)):
        raise Invalid("The time needs a time zone and cannot be in the future.", field="at")
    if verb is Verb.END and run.started_at is not None and clock.to_ms(at) < run.started_at:
        raise Invalid("The run cannot have ended before it started.", field="at")
    return clock.to_ms(at)


def _along_with(connection: Connection, verb: Verb, run: Record, at_ms: int, stated: bool) -> dict[str, Any]:
    """Check what the verb requires; return what else it changes. stated: a person gave the time."""
    if verb in (Verb.START, Verb.RESUME):
        restore_acknowledgement.require_entered(connection)
    match verb:
        case Verb.START:
            campaign = optimistic_lock.campaign(connection, run.campaign_id)
            optimistic_lock.hold_campaign(connection, campaign)
            erasure.require_rows(connection, campaign.id)
            unreached.require_rounds(connection, [campaign.id])
            decision = approval.require_approved(connection, campaign)
            if stated:
                _check_begun(at_ms, decision.at)
            lifecycle.check_window_ahead(campaign, at_ms)
            return {"started_at": at_ms}
        case Verb.RESUME:
            campaign = optimistic_lock.campaign(connection, run.campaign_id)
            approval.require_approved(connection, campaign)
            budgets.require_room(connection, campaign)
            if run.suspended is not None and run.suspended["cause"] == SuspendCause.DAILY:
                _count_day_anew(connection, run.carrier)
            return {"suspended": None, "judged_from": at_ms}
        case Verb.END:
            return {"ended_at": at_ms}
        case Verb.CANCEL:
            return {"closing": NotSent.CANCELLED}
        case _:
            return {}


def _count_day_anew(connection: Connection, carrier: str) -> None:
    """Let the carrier's runs send as many messages again as a day may have."""
    own = select(runs.c.id).where(runs.c.carrier == carrier)
    counted = update(daily_counts).where(daily_counts.c.run_id.in_(own))
    connection.execute(counted.values(before=daily_counts.c.sent))


def _check_begun(at_ms: int, approved_ms: int) -> None:
    """Raise Invalid for a start before the approval; people state times to the minute."""
    if at_ms // 60_000 < approved_ms // 60_000:
        approved = clock.moment(approved_ms).isoformat(timespec="minutes")
        raise Invalid(
            "The run cannot have started before the campaign was approved ({approved}). Enter the "
            "time when the carrier started sending.",
            approved=approved,
            field="at",
        )


def set_rate(connection: Connection, run_id: int, rate: int | None, who: str) -> None:
    """Limit the run to `rate` SMS parts a second, or (None) to the carrier's links.

    Holds for what is claimed from then on. The lowest rate is a tenth of the links'.
    """
    run = optimistic_lock.run(connection, run_id)
    if run.state == RunState.CANCELLED:
        raise Conflict("Run {run} is cancelled. It sends no more messages.", run=run_id)
    if carrier_audience.of_run(connection, run_id) is not None:
        raise Conflict("The carrier sends run {run} itself at its own rate.", run=run_id)
    least = ceil(round(forecast.rate_at(connection, run.carrier).segments_per_second * SLOWEST, 6)) or 1
    if rate is not None and not least <= rate <= FASTEST:
        raise Invalid(
            "The rate must be between {least} and {most} SMS parts per second; without one the run "
            "uses the rate of its links. To stop sending for a while, pause the run.",
            least=least,
            most=FASTEST,
            field="segments_per_second",
        )
    optimistic_lock.change_run(connection, run, segments_per_second=rate)
    audit.note(connection, who, "run.rate", f"run/{run_id}", rate=rate, before=run.segments_per_second)


def set_priority(connection: Connection, run_id: int, priority: int, who: str) -> None:
    """Set the run's priority: of the runs at one carrier, higher numbers are sent first."""
    if priority not in PRIORITIES:
        raise Invalid(
            "The priority must be between {least} and {most}.",
            least=PRIORITIES.start,
            most=PRIORITIES.stop - 1,
            field="priority",
        )
    run = optimistic_lock.run(connection, run_id)
    optimistic_lock.change_run(connection, run, priority=priority)
    audit.note(connection, who, "run.priority", f"run/{run_id}", priority=priority, before=run.priority)
