"""Load the state of all watched runs and campaigns in one read."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import Connection, or_, select

from app.api.event_streams import StateSnapshot
from app.campaigns import queries
from app.core.states import CampaignState, RunState
from app.database.models import campaigns, runs

_TAG = 16
_OVER = (RunState.FINISHED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Watched:
    """A run or campaign as seen by the operator of one carrier, or by anybody (None)."""

    run_id: int | None = None
    campaign_id: int | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """The state of a campaign with its runs."""

    id: int
    state: CampaignState
    runs: list[queries.RunSummary]


_RUN, _CAMPAIGN = TypeAdapter(queries.RunSummary), TypeAdapter(CampaignProgress)


def look(connection: Connection, watched: Collection[Watched]) -> dict[Watched, StateSnapshot]:
    """Return a snapshot of each that exists and is visible."""
    run_ids = {each.run_id for each in watched if each.run_id is not None}
    campaign_ids = {each.campaign_id for each in watched if each.campaign_id is not None}
    members = select(runs).where(or_(runs.c.id.in_(run_ids), runs.c.campaign_id.in_(campaign_ids)))
    found = queries.runs_of(connection, members.order_by(runs.c.id))
    query = select(campaigns.c.id, campaigns.c.state).where(campaigns.c.id.in_(campaign_ids))
    states = {row.id: CampaignState(row.state) for row in connection.execute(query)}
    pictures = {each: _picture(each, found, states) for each in watched}
    return {each: picture for each, picture in pictures.items() if picture is not None}


def _picture(
    of: Watched, found: Sequence[queries.RunSummary], states: dict[int, CampaignState]
) -> StateSnapshot | None:
    if of.run_id is not None:
        own = next((run for run in found if run.id == of.run_id), None)
        if own is None or of.operator not in (None, own.carrier):
            return None
        return _made(own.state, _RUN.dump_json(own), own.state in _OVER)
    if of.campaign_id not in states:
        return None
    state = states[of.campaign_id]
    members = [run for run in found if run.campaign_id == of.campaign_id]
    members = [run for run in members if of.operator in (None, run.carrier)]
    if of.operator is not None and not members:
        return None
    over = bool(members) and all(run.state in _OVER for run in members)
    return _made(state, _CAMPAIGN.dump_json(CampaignProgress(of.campaign_id, state, members)), over)


def _made(state: str, body: bytes, over: bool) -> StateSnapshot:
    return StateSnapshot(state, body, hashlib.sha256(body).hexdigest()[:_TAG], over)
