"""What an operator does with a run: start, pause, resume, cancel, and its turn among others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from app import audit, clock
from app.campaigns import approval, lifecycle, records
from app.campaigns.records import Record
from app.db import Database
from app.errors import Conflict, Invalid
from app.states import NotSent, RunState, move_run

PRIORITIES = range(-100, 101)


class Verb(StrEnum):
    """What can be asked of a run."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class _Move:
    """From which states a verb leads where, and in which states it has been obeyed already."""

    sources: tuple[RunState, ...]
    target: RunState
    obeyed: tuple[RunState, ...]


_MOVES = {
    Verb.START: _Move((RunState.PLANNED,), RunState.RUNNING, (RunState.RUNNING,)),
    Verb.PAUSE: _Move((RunState.RUNNING,), RunState.PAUSED, (RunState.PAUSED,)),
    Verb.RESUME: _Move((RunState.PAUSED,), RunState.RUNNING, (RunState.RUNNING,)),
    Verb.CANCEL: _Move(
        (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED),
        RunState.CANCELLING,
        (RunState.CANCELLING, RunState.CANCELLED),
    ),
}


def order(db: Database, verb: Verb, run_id: int, who: str) -> RunState:
    """Carry out the verb, once however often it is asked, and wake the workers; the run's state then."""

    def work(connection: Connection) -> RunState:
        state = act(connection, verb, run_id, who)
        db.wake(connection)
        return state

    return db.write(work)


def act(connection: Connection, verb: Verb, run_id: int, who: str) -> RunState:
    """Move the run; a run that the verb has moved before stays as it is. Conflict from any other state."""
    run = records.run(connection, run_id)
    move = _MOVES[verb]
    if run.state in move.obeyed:
        return RunState(run.state)
    if run.state not in move.sources:
        allowed = " or ".join(move.sources)
        raise Conflict(f"The run is {run.state}; {verb} is for a run that is {allowed}.")
    new = move_run(run.state, move.target)
    records.change_run(connection, run, state=new, **_along_with(connection, verb, run))
    audit.note(connection, who, f"run.{verb}", f"run/{run_id}", campaign=run.campaign_id, carrier=run.carrier)
    return new


def _along_with(connection: Connection, verb: Verb, run: Record) -> dict[str, Any]:
    """What else the verb writes, and what it demands."""
    if verb is Verb.START:
        campaign = records.campaign(connection, run.campaign_id)
        records.hold_campaign(connection, campaign)
        approval.require_approved(connection, campaign)
        lifecycle.check_window_ahead(campaign)
        return {"started_at": clock.now_ms()}
    return {"closing": NotSent.CANCELLED} if verb is Verb.CANCEL else {}


def set_priority(connection: Connection, run_id: int, priority: int, who: str) -> None:
    """Give the run its turn: of the runs at one carrier, higher numbers are sent first."""
    if priority not in PRIORITIES:
        raise Invalid(
            f"The priority is between {PRIORITIES.start} and {PRIORITIES.stop - 1}.", field="priority"
        )
    run = records.run(connection, run_id)
    records.change_run(connection, run, priority=priority)
    audit.note(connection, who, "run.priority", f"run/{run_id}", priority=priority, before=run.priority)
