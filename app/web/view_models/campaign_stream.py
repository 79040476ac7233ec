"""Event streams of run and campaign pages; one query serves all visitors."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from fastapi import Request, Response
from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from app.api.event_streams import Hub, StateSnapshot
from app.campaigns import queries
from app.core.states import OVER
from app.database.models import campaigns, runs
from app.web.view_models import run_status
from app.web.view_models.overview_page import LiveRun, live_run
from app.web.view_models.run_status import RunView

_TAG = 16


@dataclass(frozen=True, slots=True)
class Followed:
    """A campaign or one of its runs, as seen by one carrier's operator (None: by anybody else)."""

    campaign_id: int
    run_id: int | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Moving:
    """The stream's JSON. shape: hash of the page's structure; a change makes the page reload."""

    shape: str
    runs: dict[int, LiveRun]


_MOVING = TypeAdapter(Moving)


def shape(campaign_state: str, runs: Sequence[RunView]) -> str:
    """Hash everything the page shows except figures."""
    parts = [str(campaign_state), *((run.id, run.stage, run.light, run.said) for run in runs)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_TAG]


class Follow:
    """Takes snapshots for all open run and campaign pages."""

    def __call__(
        self, connection: Connection, watched: Collection[Followed]
    ) -> dict[Followed, StateSnapshot]:
        ids = {each.campaign_id for each in watched}
        rows = connection.execute(select(campaigns).where(campaigns.c.id.in_(ids))).all()
        members = select(runs).where(runs.c.campaign_id.in_(ids)).order_by(runs.c.id)
        found = run_status.views(connection, rows, queries.runs_of(connection, members))
        states = {row.id: row.state for row in rows}
        return {
            each: _picture(each, states[each.campaign_id], found)
            for each in watched
            if each.campaign_id in states
        }


def _picture(followed: Followed, state: str, runs: Sequence[RunView]) -> StateSnapshot:
    own = [run for run in runs if run.campaign_id == followed.campaign_id]
    own = [
        run for run in own if followed.run_id in (None, run.id) and followed.operator in (None, run.carrier)
    ]
    body = _MOVING.dump_json(Moving(shape(state, own), {run.id: live_run(run) for run in own}))
    over = bool(own) and all(run.state in OVER for run in own)
    return StateSnapshot("open", body, hashlib.sha256(body).hexdigest()[:_TAG], over)


async def stream(request: Request, followed: Followed, last_id: str) -> Response:
    """Stream events until all runs are over; a client that has the last event gets 204."""
    hub = cast(Hub[Followed], request.app.state.followed)
    picture = await hub.now(followed)
    if picture is None or (picture.over and picture.tag == last_id):
        return Response(status_code=204)
    return hub.opened(request, followed, last_id)
