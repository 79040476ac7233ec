"""The API of runs: what they are, how far they have come, and an operator's orders."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app import clock
from app.api import Db, Id, Page, Paging, Who, page_of
from app.campaigns import lifecycle, queries
from app.campaigns import runs as stage
from app.campaigns.forecast import Forecast, forecast
from app.campaigns.schemas import PriorityBody
from app.states import RunState

router = APIRouter(prefix="/v1/runs", tags=["runs"])


def get_own_run(run_id: Id, db: Db, who: Who) -> int:
    """The run of the path; NotFound for an operator of another carrier, as if there were none."""
    db.read(queries.run, run_id, who.carrier)
    return run_id


Run = Annotated[int, Depends(get_own_run)]


@router.get("")
def list_runs(
    db: Db, who: Who, paging: Paging, state: RunState | None = None, carrier: str | None = None
) -> Page[queries.Run]:
    """Runs in the order in which they were made, with their progress; an operator sees the own carrier's."""
    wanted = queries.Wanted(state, carrier, who.carrier)
    return page_of(db.read(queries.runs_page, paging.after, paging.limit, wanted), paging)


@router.get("/{run_id}")
def get_run(run_id: Run, db: Db, who: Who) -> queries.Run:
    """One run: deliveries and SMS parts by state."""
    return db.read(queries.run, run_id)


@router.get("/{run_id}/forecast")
def get_forecast(run_id: Run, db: Db, who: Who) -> Forecast:
    """Time at the links' rate, finish time over open hours, and warnings of deadlines that will be missed."""
    return db.read(forecast, run_id, clock.now())


@router.delete("/{run_id}", status_code=204)
def remove_run(run_id: Run, db: Db, who: Who) -> None:
    """Take a planned run out of its campaign. An approval becomes void."""
    db.write(lifecycle.remove_run, run_id, who.name)


@router.put("/{run_id}/priority")
def set_priority(run_id: Run, body: PriorityBody, db: Db, who: Who) -> queries.Run:
    """Give the run its turn among others at its carrier."""
    db.write(stage.set_priority, run_id, body.priority, who.name)
    return db.read(queries.run, run_id)


@router.post("/{run_id}/start")
def start_run(run_id: Run, db: Db, who: Who) -> queries.Run:
    """Begin to send what was approved. Asked again, it changes nothing."""
    return _ordered(db, stage.Verb.START, run_id, who)


@router.post("/{run_id}/pause")
def pause_run(run_id: Run, db: Db, who: Who) -> queries.Run:
    """Stop sending, after what is in flight. Asked again, it changes nothing."""
    return _ordered(db, stage.Verb.PAUSE, run_id, who)


@router.post("/{run_id}/resume")
def resume_run(run_id: Run, db: Db, who: Who) -> queries.Run:
    """Go on at the next message. Asked again, it changes nothing."""
    return _ordered(db, stage.Verb.RESUME, run_id, who)


@router.post("/{run_id}/cancel")
def cancel_run(run_id: Run, db: Db, who: Who) -> queries.Run:
    """Send no more, for good; what was not sent is counted as not sent. Asked again, it changes nothing."""
    return _ordered(db, stage.Verb.CANCEL, run_id, who)


def _ordered(db: Db, verb: stage.Verb, run_id: int, who: Who) -> queries.Run:
    stage.order(db, verb, run_id, who.name)
    return db.read(queries.run, run_id)
