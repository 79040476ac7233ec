"""Follow-ups: a campaign to those whom earlier ones did not reach, made in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from app.campaigns import lifecycle, optimistic_lock
from app.campaigns.drafts import amended, of_row
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.areas import normalise_area
from app.core.errors import Conflict, Invalid
from app.core.states import BatchState, DeliveryState, RunState
from app.database import jobs
from app.database.connection import Database, shared_ms
from app.database.models import (
    audiences,
    batches,
    campaigns,
    follow_up_sources,
    follow_ups,
    run_batches,
    runs,
    tallies,
)
from app.file_import.leased_import import FOLLOW_UP
from app.ledger import approval_digest, erasure, money, unreached
from app.ledger.contract import VALIDITY_MS
from app.ledger.unreached import USUAL, FollowUpDefinition, Outcome
from app.security import audit, row_stamps
from carriers.phrases import Phrase

MOST_SOURCES = 100


@dataclass(frozen=True, slots=True)
class FollowUpRequest:
    """changes: fields of the draft that differ from the newest source; without a text it says the same."""

    sources: tuple[int, ...]
    outcomes: tuple[Outcome, ...] = USUAL
    areas: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FollowUpBatch:
    """A carrier's share. digest: keyed, over its subscribers; null until it is ready, or without a key."""

    batch_id: int
    carrier: str
    state: BatchState
    subscribers: int
    digest: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Whom a campaign follows up. ready: its audience is made, and does not change any more, except that
    who is reached meanwhile is left out when it is queued and sent.
    """

    sources: list[int]
    outcomes: list[Outcome]
    areas: list[str]
    ready: bool
    subscribers: int
    batches: list[FollowUpBatch]


def create(connection: Connection, request: FollowUpRequest, default: DayHours, who: str) -> int:
    """Make the draft with its runs, whose batches a worker makes then; return its ID."""
    sources = [optimistic_lock.campaign(connection, each) for each in sorted(set(request.sources))]
    if not 1 <= len(sources) <= MOST_SOURCES:
        raise Invalid(
            "Choose between 1 and {most} campaigns to follow up.", most=MOST_SOURCES, field="campaign_ids"
        )
    if not request.outcomes:
        raise Invalid("Choose at least one outcome, for example undelivered.", field="outcomes")
    areas = _areas(request.areas)
    ids = tuple(row.id for row in sources)
    unreached.require_rounds(connection, ids, field="campaign_ids")
    for row in sources:
        approval_digest.refuse_answers(row, field="campaign_ids")
        _require_finished(connection, row)
    carriers = _carriers(connection, ids, request.outcomes, areas)
    campaign_id = _draft(connection, sources, request.changes, default, who)
    chosen = FollowUpDefinition(
        campaign_id, ids, tuple(sorted(set(request.outcomes), key=list(Outcome).index)), areas
    )
    suppliers = _suppliers(connection, ids, who)
    _share_budget(connection, campaign_id, sources, request.changes)
    made = [_add_run(connection, chosen, carrier, suppliers, who) for carrier in carriers]
    said = {"sources": list(ids), "outcomes": list(chosen.outcomes), "areas": list(areas), "batches": made}
    audit.note(connection, who, "campaign.follow_up", f"campaign/{campaign_id}", **said)
    return campaign_id


def create_waking(
    connection: Connection, db: Database, request: FollowUpRequest, default: DayHours, who: str
) -> int:
    """Do `create`, and wake the workers when it is committed."""
    made = create(connection, request, default, who)
    db.wake(connection)
    return made


def _areas(area_codes: Sequence[str]) -> tuple[str, ...]:
    codes = {raw: normalise_area(raw) for raw in area_codes}
    for raw, code in codes.items():
        if code is None:
            raise Invalid(
                "Area “{area}” does not exist. Enter district or commune codes, for example 116 or 03646.",
                area=raw[:40],
                field="areas",
            )
    return tuple(sorted({code for code in codes.values() if code is not None}))


def _require_finished(connection: Connection, source: Row[Any]) -> None:
    """Raise Conflict unless what became of each message is known, as far as it ever will be.

    While a run sends or waits for receipts, "no receipt" says nothing: most of those will still be reached.
    """
    erasure.require_totals(connection, source.id)
    held = select(audiences.c.run_id)
    own = select(runs).where(runs.c.campaign_id == source.id, runs.c.id.not_in(held)).order_by(runs.c.id)
    rows = connection.execute(own).all()
    if not rows:
        raise Invalid(
            "Campaign {id} has no run with a list of numbers, so Loa does not know who was not reached.",
            id=source.id,
            field="campaign_ids",
        )
    over = shared_ms(connection) - VALIDITY_MS
    for run in rows:
        settled = run.state == RunState.CANCELLED and not _waits(connection, run.id)
        if not (settled or unreached.is_over(run.state, run.ended_at, over)):
            raise Conflict(_unfinished(run), field="campaign_ids")


def _unfinished(run: Row[Any]) -> str:
    if run.state == RunState.CANCELLED:
        until = clock.moment((run.ended_at or run.created_at) + VALIDITY_MS)
        return Phrase(
            "Run {id} ({carrier}) was cancelled, but receipts for what it sent may still arrive. "
            "Follow it up after {time}.",
            id=run.id,
            carrier=run.carrier,
            time=until.isoformat(timespec="minutes"),
        )
    return Phrase(
        "Run {id} ({carrier}) is {state}. A campaign can be followed up once all its runs are "
        "finished or cancelled, because receipts may arrive until then.",
        id=run.id,
        carrier=run.carrier,
        state=run.state,
    )


def _waits(connection: Connection, run_id: int) -> bool:
    t, open_ = tallies.c, (DeliveryState.QUEUED, DeliveryState.SUBMITTED)
    query = select(func.coalesce(func.sum(t.n), 0)).where(t.run_id == run_id, t.state.in_(open_))
    return bool(connection.execute(query).scalar_one())


def _carriers(
    connection: Connection, ids: Sequence[int], outcomes: Sequence[Outcome], areas: Sequence[str]
) -> list[str]:
    """Return the carriers that may have somebody, by their counts. Raises Invalid if there is none."""
    t, states = tallies.c, {state for each in outcomes for state in unreached.STATES[each]}
    query = (
        select(runs.c.carrier)
        .join(tallies, t.run_id == runs.c.id)
        .where(runs.c.campaign_id.in_(ids), t.state.in_(states))
        .group_by(runs.c.carrier)
        .having(func.sum(t.n) > 0)
        .order_by(runs.c.carrier)
    )
    if areas:
        query = query.where(t.area.in_(sorted(unreached.covered(areas))))
    found = list(connection.execute(query).scalars())
    if not found:
        raise Invalid(
            "There is no one to follow up: these campaigns have no messages with the chosen "
            "outcomes in the chosen areas.",
            field="areas" if areas else "outcomes",
        )
    return found


def _draft(
    connection: Connection,
    sources: Sequence[Row[Any]],
    changes: Mapping[str, Any],
    default: DayHours,
    who: str,
) -> int:
    newest = sources[-1]
    same = of_row(newest)
    name = f"{newest.name[:170]} – gửi tiếp lần {_next_round(connection, newest.id)}"
    fresh: dict[str, Any] = {"name": name, "window_start": None, "window_end": None}
    fresh |= {"budget_segments": None}
    return lifecycle.create(connection, amended(same, fresh | dict(changes)), default, who)


def _share_budget(
    connection: Connection, campaign_id: int, sources: Sequence[Row[Any]], changes: Mapping[str, Any]
) -> None:
    """Let it share the budget of the newest source that has one: what is sent again is paid from the same."""
    shared = [account for row in sources if (account := money.account_of(row)) is not None]
    if not shared:
        return
    if changes.get("budget_segments") is not None:
        raise Invalid(
            "The follow-up shares the budget of campaign {n}. Request a higher budget there.",
            n=shared[-1],
            field="budget_segments",
        )
    own = campaigns.c.id == campaign_id
    connection.execute(update(campaigns).where(own).values(budget_of=shared[-1]))


def _next_round(connection: Connection, campaign_id: int) -> int:
    s, f = follow_up_sources.c, follow_ups.c
    query = select(func.count(f.campaign_id.distinct())).join(follow_up_sources, s.batch_id == f.batch_id)
    return 1 + int(connection.execute(query.where(s.campaign_id == campaign_id)).scalar_one())


def _suppliers(connection: Connection, ids: Sequence[int], who: str) -> list[str]:
    """Return who uploaded the lists that the numbers are from: like of any list, they may not approve it."""
    b = batches.c
    query = select(b.created_by, b.again_by).join(run_batches, run_batches.c.batch_id == b.id)
    rows = connection.execute(query.where(run_batches.c.campaign_id.in_(ids)))
    return sorted({name for row in rows for name in (row.created_by, *row.again_by)} - {who})


def _add_run(
    connection: Connection, chosen: FollowUpDefinition, carrier: str, suppliers: Sequence[str], who: str
) -> int:
    """Add a carrier's run over a batch that waits to be made; return the batch's ID."""
    said = ", ".join(map(str, chosen.sources))
    row = {
        "carrier": carrier,
        "name": f"Người chưa nhận được của chiến dịch {said}"[:200],
        "sha256": chosen.sha256(carrier),
        "state": BatchState.IMPORTING,
        "created_at": clock.now_ms(),
        "created_by": who,
        "again_by": list(suppliers),
    }
    batch_id = int(connection.execute(insert(batches).values(row).returning(batches.c.id)).scalar_one())
    outcomes = [str(each) for each in chosen.outcomes]
    own = {"batch_id": batch_id, "campaign_id": chosen.campaign_id}
    connection.execute(insert(follow_ups).values(**own, outcomes=outcomes, areas=list(chosen.areas)))
    sources = [{"batch_id": batch_id, "campaign_id": each} for each in chosen.sources]
    connection.execute(insert(follow_up_sources), sources)
    jobs.add(connection, FOLLOW_UP, f"batch {batch_id}")
    lifecycle.insert_run(connection, chosen.campaign_id, carrier, [batch_id], who)
    return batch_id


# ---- Reading


def of_campaign(connection: Connection, campaign_id: int, operator: str | None = None) -> FollowUp | None:
    """Return whom a campaign follows up; None if nobody. An operator sees only its own carrier's share."""
    b, r = batches.c, runs.c
    query = (
        select(batches)
        .join(run_batches, run_batches.c.batch_id == b.id)
        .join(runs, r.id == run_batches.c.run_id)
        .join(follow_ups, follow_ups.c.batch_id == b.id)
        .where(r.campaign_id == campaign_id)
        .order_by(b.carrier, b.id)
    )
    rows = connection.execute(query if operator is None else query.where(r.carrier == operator)).all()
    found = [each for row in rows if (each := unreached.definition(connection, row.id)) is not None]
    if not found:
        return None
    shares = [_share(connection, row) for row in rows]
    return FollowUp(
        sources=_seen(connection, {each for one in found for each in one.sources}, operator),
        outcomes=[each for each in Outcome if any(each in one.outcomes for one in found)],
        areas=sorted({each for one in found for each in one.areas}),
        ready=all(each.state == BatchState.READY for each in shares),
        subscribers=sum(each.subscribers for each in shares),
        batches=shares,
    )


def _seen(connection: Connection, sources: set[int], operator: str | None) -> list[int]:
    """Return the sources that the reader may know: an operator those with a run of its own carrier."""
    own = select(runs.c.campaign_id).where(runs.c.campaign_id.in_(sources), runs.c.carrier == operator)
    return sorted(sources if operator is None else set(connection.execute(own).scalars()))


def _share(connection: Connection, row: Row[Any]) -> FollowUpBatch:
    # Keyed: whoever knows one number of a small audience could find it by the bare hash.
    bound = f"audience {row.id} {row.rows_sha256}".encode() if row.rows_sha256 else None
    digest = row_stamps.make(connection, bound) if bound else None
    return FollowUpBatch(row.id, row.carrier, BatchState(row.state), row.accepted, digest, row.error)
