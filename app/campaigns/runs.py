"""Runs: their lists, and an operator's orders: start, pause, resume, end, cancel; priority and rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, select, update

from app.api.bodies import StrictBody
from app.api.if_match import run_version
from app.campaigns import (
    approval,
    budgets,
    carrier_audience,
    carrier_orders,
    forecast,
    lifecycle,
    optimistic_lock,
    queries,
)
from app.campaigns.carrier_orders import CarrierOrder
from app.campaigns.forecast import Forecast
from app.campaigns.optimistic_lock import Record
from app.campaigns.queries import RunSummary
from app.core import clock
from app.core.errors import Conflict, Invalid
from app.core.ids import Number
from app.core.states import NotSent, RunState, SuspendCause, move_run
from app.database.connection import Database, shared_ms
from app.database.listing import ListPart
from app.database.models import daily_counts, runs
from app.ledger import erasure, restore_acknowledgement, unreached
from app.ledger.contract import SLOWEST
from app.operations import Download, OfCarrier, Paging, Since, Transaction, operation
from app.security import audit
from app.security.roles import AUTHORS, EVERYBODY, SENDERS, WORKERS
from app.sender_names.checks import require_registered
from carriers.phrases import join

TAG = "runs"
OrderForm = Annotated[Literal["json", "txt"], Field(alias="format", description="json, or txt for people")]

PRIORITIES = range(-100, 101)
FASTEST = 100_000  # SMS parts a second


class PriorityBody(StrictBody):
    """The run's priority among others at its carrier."""

    priority: int = Field(
        ge=PRIORITIES[0], le=PRIORITIES[-1], description="higher is sent first", examples=[10]
    )


class RateBody(StrictBody):
    """The run's own rate; null: as fast as the carrier's links allow."""

    segments_per_second: int | None = Field(
        ge=1, le=FASTEST, description="the maximum number of SMS parts per second", examples=[40]
    )


class MomentBody(StrictBody):
    """When a carrier that sends by itself started or ended; now, if left out."""

    at: AwareDatetime | None = Field(
        None,
        description="when the carrier began or ended; only if it sends by itself",
        examples=["2024-02-05T08:00:00+07:00"],
    )


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
            if not stated:  # else the carrier has begun already, and that is recorded
                require_registered(connection, campaign, {run.carrier})
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


# ---- Operations


def _state(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"run": result["id"], "state": result["state"]}


@operation(
    "GET /v1/runs",
    roles=EVERYBODY,
    command="run list",
    options={"campaign_id": "campaign"},
    columns=("id", "campaign_id", "carrier", "state", "subscribers", "started_at"),
)
def list_runs(
    tx: Transaction,
    paging: Paging,
    state: Annotated[RunState | None, Field(description="only in this state")] = None,
    carrier: OfCarrier = None,
    campaign_id: Annotated[Number | None, Field(description="only of this campaign")] = None,
    since: Since = None,
) -> ListPart[RunSummary]:
    """List runs in order of creation, with their progress; an operator sees its own carrier's."""
    wanted = queries.RunFilter(state, carrier, campaign_id, since)
    return queries.runs_page(tx.connection, paging.request, paging.limit, wanted)


@operation("GET /v1/runs/{run_id}", roles=EVERYBODY)
def get_run(tx: Transaction, run_id: Number) -> RunSummary:
    """Get one run: deliveries and SMS parts by state."""
    tx.headers["ETag"] = f'"{run_version(tx.connection, run_id)}"'
    return queries.run(tx.connection, run_id)


@operation(
    "GET /v1/runs/{run_id}/order",
    roles=EVERYBODY,
    files={"model": CarrierOrder, "content": {"text/plain": {}}},
)
def get_order(tx: Transaction, run_id: Number, form: OrderForm = "json") -> CarrierOrder | Download:
    """Get the order to a carrier that sends to its own subscribers: text, areas, window, approval."""
    queries.run(tx.connection, run_id, tx.who.carrier)
    order = carrier_orders.order(tx.connection, run_id)
    if form == "json":
        return order
    text = carrier_orders.as_text(order).encode()
    return Download(text, f"loa-run-{run_id}-order.txt", "text/plain; charset=utf-8")


@operation("GET /v1/runs/{run_id}/forecast", roles=EVERYBODY)
def get_forecast(tx: Transaction, run_id: Number) -> Forecast:
    """Forecast the time at the links' rate and the finish over open hours; warns of missed deadlines."""
    return forecast.forecast(tx.connection, run_id, clock.now(), tx.settings.rates)


@operation(
    "PUT /v1/runs/{run_id}/priority",
    roles=SENDERS,
    command="run priority",
    arguments=("priority",),
    audit="changed the priority of {subject}",
    done="Run {id} has priority {priority}.",
    facts=lambda result: {"run": result["id"], "priority": result["priority"]},
    flash="The priority was changed.",
    page="/runs/{run_id}",
)
def set_priority(tx: Transaction, run_id: Number, body: PriorityBody) -> RunSummary:
    """Set the run's priority among others at its carrier."""
    run = optimistic_lock.run(tx.connection, run_id)
    optimistic_lock.change_run(tx.connection, run, priority=body.priority)
    tx.note(f"run/{run_id}", priority=body.priority, before=run.priority)
    return queries.run(tx.connection, run_id)


@operation(
    "PUT /v1/runs/{run_id}/rate",
    roles=SENDERS,
    command="run rate",
    arguments=("segments_per_second",),
    audit="changed the rate of {subject}",
    done="The rate was changed. It applies after about the next thousand messages.",
    facts=lambda result: {"run": result["id"], "segments_per_second": result["segments_per_second"]},
    page="/runs/{run_id}",
)
def set_rate(tx: Transaction, run_id: Number, body: RateBody) -> RunSummary:
    """Send the run more slowly than the carrier's links allow, from the next thousand messages on."""
    connection, rate = tx.connection, body.segments_per_second
    run = optimistic_lock.run(connection, run_id)
    if run.state == RunState.CANCELLED:
        raise Conflict("Run {run} is cancelled. It sends no more messages.", run=run_id)
    if carrier_audience.of_run(connection, run_id) is not None:
        raise Conflict("The carrier sends run {run} itself at its own rate.", run=run_id)
    least = ceil(round(forecast.rate_at(connection, run.carrier).segments_per_second * SLOWEST, 6)) or 1
    if rate is not None and rate < least:
        raise Invalid(
            "The rate must be between {least} and {most} SMS parts per second; without one the run "
            "uses the rate of its links. To stop sending for a while, pause the run.",
            least=least,
            most=FASTEST,
            field="segments_per_second",
        )
    optimistic_lock.change_run(connection, run, segments_per_second=rate)
    tx.note(f"run/{run_id}", rate=rate, before=run.segments_per_second)
    return queries.run(connection, run_id)


@operation(
    "POST /v1/runs/{run_id}/start",
    roles=SENDERS,
    command="run start",
    audit="started {subject}",
    flash="The run has started.",
    done="Run {id} is {state}.",
    facts=_state,
    page="/runs/{run_id}",
)
def start_run(tx: Transaction, run_id: Number, body: MomentBody | None = None) -> RunSummary:
    """Start sending what was approved; if the carrier sends, report its start. Repeating changes nothing."""
    return _ordered(tx, Verb.START, run_id, body)


@operation(
    "POST /v1/runs/{run_id}/end",
    roles=SENDERS,
    command="run end",
    audit="recorded that {subject} has ended",
    flash="The end was recorded. Enter the figures as soon as they are available.",
    done="Run {id} is {state}.",
    facts=_state,
    page="/runs/{run_id}",
)
def end_run(tx: Transaction, run_id: Number, body: MomentBody | None = None) -> RunSummary:
    """Report that a carrier that sends to its own subscribers has finished. Repeating it changes nothing."""
    return _ordered(tx, Verb.END, run_id, body)


@operation(
    "POST /v1/runs/{run_id}/pause",
    roles=WORKERS,
    command="run pause",
    audit="paused {subject}",
    flash="The run was paused. Messages in flight still arrive.",
    done="Run {id} is {state}.",
    facts=_state,
    page="/runs/{run_id}",
)
def pause_run(tx: Transaction, run_id: Number) -> RunSummary:
    """Pause sending. Messages in flight still arrive. Repeating it changes nothing."""
    return _ordered(tx, Verb.PAUSE, run_id)


@operation(
    "POST /v1/runs/{run_id}/resume",
    roles=WORKERS,
    command="run resume",
    audit="resumed {subject} after a pause",
    flash="The run continues with the next message.",
    done="Run {id} is {state}.",
    facts=_state,
    page="/runs/{run_id}",
)
def resume_run(tx: Transaction, run_id: Number) -> RunSummary:
    """Continue with the next message. Repeating it changes nothing."""
    return _ordered(tx, Verb.RESUME, run_id)


@operation(
    "POST /v1/runs/{run_id}/cancel",
    roles=WORKERS,
    command="run cancel",
    audit="cancelled {subject}",
    flash="The run is being cancelled. Nothing more is sent.",
    done="Run {id} is {state}.",
    facts=_state,
    page="/runs/{run_id}",
)
def cancel_run(tx: Transaction, run_id: Number) -> RunSummary:
    """Stop for good; what was not sent is counted as not sent. Repeating it changes nothing."""
    return _ordered(tx, Verb.CANCEL, run_id)


def _ordered(tx: Transaction, verb: Verb, run_id: int, body: MomentBody | None = None) -> RunSummary:
    act(tx.connection, verb, run_id, tx.who.name, body.at if body else None)
    tx.wake()
    return queries.run(tx.connection, run_id)


@operation(
    "DELETE /v1/runs/{run_id}",
    roles=AUTHORS,
    command="campaign remove-run",
    action="run.remove",
    audit="removed {subject}",
    done="Run {run_id} is removed.",
    facts=lambda result: {"run": result["run_id"], "removed": True},
)
def remove_run(tx: Transaction, run_id: Number) -> None:
    """Remove a planned run from its campaign. An approval becomes void."""
    lifecycle.remove_run(tx.connection, run_id, tx.who.name)
