"""Which runs a lane may send for at this moment, and what it says for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app import clock
from app.dispatch import lanes
from app.hours import Window, open_at
from app.ledger.contract import Lane, Lease, Ledger
from app.models import campaigns, runs
from app.states import CampaignState, LaneState, RunState

_VALIDITY_STEP_S = 900  # coarse, so that a whole quarter of an hour shares one prepared message
_LONGEST_VALIDITY_S = 48 * 3600


@dataclass(frozen=True, slots=True)
class Script:
    """What a run says: wording by language ("" for the default), sender ID, and the end of its window."""

    run_id: int
    sender: str
    texts: dict[str, str]
    window: Window

    def text(self, lang: str | None) -> str:
        """The wording for one subscriber."""
        return self.texts.get(lang or "", self.texts[""])

    def validity_s(self, now: datetime) -> int | None:
        """How long the carrier may go on trying: to the window's end, in quarters of an hour."""
        if self.window.end is None:
            return None
        left = int((self.window.end - now).total_seconds())
        steps = max(1, left // _VALIDITY_STEP_S)
        return min(steps * _VALIDITY_STEP_S, _LONGEST_VALIDITY_S)


def scripts(connection: Connection, carrier: str, now: datetime) -> list[Script]:
    """The carrier's running runs whose sending hours are open now, the most urgent first."""
    c, r = campaigns.c, runs.c
    query = (
        select(r.id, c.sender, c.texts, c.window_start, c.window_end, c.day_starts, c.day_ends)
        .join(campaigns, c.id == r.campaign_id)
        .where(
            r.carrier == carrier, r.state == RunState.RUNNING.value, c.state == CampaignState.APPROVED.value
        )
        .order_by(r.priority.desc(), r.id)
    )
    found = []
    for row in connection.execute(query):
        window = Window.of(row.window_start, row.window_end, row.day_starts, row.day_ends)
        if open_at(window, now):
            found.append(Script(row.id, row.sender, row.texts, window))
    return found


@dataclass(frozen=True, slots=True)
class Work:
    """A chunk and what to say for it."""

    lease: Lease
    script: Script


def claim(connection: Connection, ledger: Ledger, lane: Lane, owner: str, lease_s: float) -> Work | LaneState:
    """The next chunk for this lane; or the lane's state, where it is halted or nothing is due."""
    state = lanes.state(connection, lane.id)
    if state is not LaneState.RUNNING:
        return state
    open_now = {script.run_id: script for script in scripts(connection, lane.carrier, clock.now())}
    lease = ledger.claim(connection, lane, list(open_now), owner, lease_s)
    return Work(lease, open_now[lease.run_id]) if lease else state
