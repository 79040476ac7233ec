"""A campaign from draft to submission: create, edit, add runs, submit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from app.campaigns import approval, carrier_audience, optimistic_lock
from app.campaigns.carrier_audience import Audience
from app.campaigns.drafts import Draft, pin
from app.campaigns.optimistic_lock import Record
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.errors import Conflict, Invalid, VersionChanged
from app.core.states import BatchState, CampaignState, RunState, move_campaign
from app.database.connection import shared_ms
from app.database.models import (
    batches,
    campaigns,
    directives,
    received_orders,
    run_batches,
    runs,
    signed_orders,
)
from app.ledger import approval_digest
from app.ledger.row_locking import lock_batches
from app.security import audit
from app.security.credential_provenance import behind
from app.sender_names.checks import require_registered
from carriers.phrases import Phrase

# Shares beyond which it is the wrong file rather than one with errors.
MOST_BAD, MOST_ELSEWHERE = 0.1, 0.3


class FileFault(StrEnum):
    """What is plainly wrong with a file: no valid number, bad lines, or another carrier's range."""

    NOBODY = "nobody"
    BAD = "bad"
    ELSEWHERE = "elsewhere"


def file_fault(lines: int, accepted: int, rejected: int, other_range: int) -> FileFault | None:
    """Judge a file by its import's counts; None if nothing is plainly wrong."""
    if not accepted:
        return FileFault.NOBODY if lines else None
    if rejected > MOST_BAD * lines:
        return FileFault.BAD
    return FileFault.ELSEWHERE if other_range > MOST_ELSEWHERE * accepted else None


def create(connection: Connection, draft: Draft, default: DayHours, who: str) -> int:
    """Create a draft campaign; return its ID. `default`: the hours of the day if the draft has none."""
    values = pin(draft, default)
    _check_directive(connection, draft.directive_id)
    made = connection.execute(
        insert(campaigns)
        .values(state=CampaignState.DRAFT, created_at=shared_ms(connection), created_by=who)
        .values(behind=sorted(behind(connection, who)), **values)
        .returning(campaigns.c.id)
    )
    campaign_id = int(made.scalar_one())
    audit.note(connection, who, "campaign.create", f"campaign/{campaign_id}", name=values["name"])
    return campaign_id


def edit(
    connection: Connection, campaign_id: int, version: int, draft: Draft, default: DayHours, who: str
) -> None:
    """Replace the content: the campaign becomes a draft and its approval void; not once a run has started."""
    campaign = optimistic_lock.campaign(connection, campaign_id)
    if campaign.version != version:
        raise VersionChanged(
            "The campaign is now at version {now}, not {version}. Reload and try again.",
            now=campaign.version,
            version=version,
        )
    approval_digest.refuse_answers(campaign)
    values = pin(draft, default)
    _check_directive(connection, draft.directive_id)
    _reopen(connection, campaign, who, **values)
    audit.note(connection, who, "campaign.edit", f"campaign/{campaign_id}", version=version + 1)


def _reopen(connection: Connection, campaign: Record, who: str, **values: Any) -> None:
    state = CampaignState(campaign.state)
    if state is not CampaignState.DRAFT:
        state = move_campaign(state, CampaignState.DRAFT)
    editors = sorted({*campaign.editors, who})
    changed = {"submitted_by": None, "editors": editors, "behind": _behind(connection, campaign, who)}
    optimistic_lock.change_campaign(connection, campaign, state=state, **changed, **values)
    # After the change, which locks the row: no run can start between this check and the commit.
    begun = select(runs.c.id).where(runs.c.campaign_id == campaign.id, runs.c.state != RunState.PLANNED)
    if connection.execute(begun).first():
        raise Conflict(
            "The campaign cannot be changed because one of its runs has started. Create a new campaign."
        )
    if campaign.state == CampaignState.APPROVED:
        approval.void(connection, campaign, who)


def _behind(connection: Connection, campaign: Record, who: str) -> list[str]:
    """Return who ever stood behind anybody with a hand in the campaign, of whom `who` is one now."""
    return sorted({*campaign.behind} | behind(connection, who))


def _check_directive(connection: Connection, directive_id: int | None) -> None:
    if directive_id is None:
        return
    if connection.execute(select(directives.c.id).where(directives.c.id == directive_id)).first() is None:
        raise Invalid("Directive {directive} does not exist.", directive=directive_id, field="directive_id")


def add_run(
    connection: Connection,
    campaign_id: int,
    carrier: str,
    batch_ids: Sequence[int],
    who: str,
    confirmed: Collection[int] = (),
) -> int:
    """Add the run at one carrier, over ready batches of this carrier; return its ID.

    confirmed: the batches of which the caller says that what is plainly wrong with the file is known.
    """
    _reopen_for_run(connection, campaign_id, carrier, who)
    wanted = list(dict.fromkeys(batch_ids))
    wrong = _check_batches(connection, campaign_id, carrier, wanted, confirmed)
    return insert_run(connection, campaign_id, carrier, wanted, who, wrong)


def insert_run(
    connection: Connection,
    campaign_id: int,
    carrier: str,
    batch_ids: Sequence[int],
    who: str,
    confirmed: Sequence[int] = (),
) -> int:
    """Insert the run over these batches, which the caller has checked; return its ID."""
    run_id = _insert_run(connection, campaign_id, carrier)
    rows = [{"campaign_id": campaign_id, "batch_id": batch_id, "run_id": run_id} for batch_id in batch_ids]
    connection.execute(insert(run_batches), rows)
    details = {"batches": list(batch_ids)} | ({"known": list(confirmed)} if confirmed else {})
    audit.note(connection, who, "run.add", f"run/{run_id}", campaign=campaign_id, **details)
    return run_id


def add_held_run(connection: Connection, campaign_id: int, carrier: str, audience: Audience, who: str) -> int:
    """Add the run at a carrier that sends to its own subscribers, without batches; return its ID."""
    _reopen_for_run(connection, campaign_id, carrier, who)
    run_id = _insert_run(connection, campaign_id, carrier)
    carrier_audience.keep(connection, run_id, audience)
    audit.note(connection, who, "run.add", f"run/{run_id}", campaign=campaign_id, **asdict(audience))
    return run_id


def _reopen_for_run(connection: Connection, campaign_id: int, carrier: str, who: str) -> None:
    """Reopen the campaign. Raises Conflict if it has a run at this carrier."""
    campaign = optimistic_lock.campaign(connection, campaign_id)
    approval_digest.refuse_answers(campaign)
    _reopen(connection, campaign, who)
    known = select(runs.c.id).where(runs.c.campaign_id == campaign_id, runs.c.carrier == carrier)
    if connection.execute(known).first():
        raise Conflict(
            "The campaign already has a run at {carrier}. Remove that run first.",
            carrier=carrier,
            field="carrier",
        )


def _insert_run(connection: Connection, campaign_id: int, carrier: str) -> int:
    row = {"campaign_id": campaign_id, "carrier": carrier, "state": RunState.PLANNED}
    row |= _unused_id(connection) | {"created_at": shared_ms(connection)}
    return int(connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one())


def _unused_id(connection: Connection) -> dict[str, int]:
    """Return an ID that no run has ever had: SQLite gives that of the last row again once it is removed.

    An order by number, or an act in the audit, would mean another run than the one it was for.
    """
    if connection.dialect.name != "sqlite":
        return {}
    there = connection.scalar(select(func.max(runs.c.id))) or 0
    return {"id": 1 + max(there, audit.highest_number(connection, "run"))}


def _check_batches(
    connection: Connection, campaign_id: int, carrier: str, batch_ids: list[int], confirmed: Collection[int]
) -> list[int]:
    """Return those whose file is plainly wrong, which is known. Raises unless each may be in the run."""
    if not batch_ids:
        raise Invalid("The run needs at least one batch.", field="batch_ids")
    lock_batches(connection, batch_ids)  # so that none is erased until this run is committed
    rows = connection.execute(select(batches).where(batches.c.id.in_(batch_ids)))
    found = {row.id: row for row in rows}
    for batch_id in batch_ids:
        if batch_id not in found:
            raise Invalid("Batch {batch} does not exist.", batch=batch_id, field="batch_ids")
        _check_batch(found[batch_id], carrier)
    taken = select(run_batches.c.batch_id).where(
        run_batches.c.campaign_id == campaign_id, run_batches.c.batch_id.in_(batch_ids)
    )
    if twice := connection.execute(taken).first():
        raise Conflict("Batch {batch} is already in this campaign.", batch=twice.batch_id, field="batch_ids")
    return [each for each in batch_ids if _is_wrong(found[each], confirmed)]


def _is_wrong(batch: Record, confirmed: Collection[int]) -> bool:
    """Return whether the file is plainly wrong. Raises Invalid if it is and that is not known."""
    if file_fault(batch.lines, batch.accepted, batch.rejected, batch.other_range) is None:
        return False
    if batch.id not in confirmed:
        raise Invalid(
            "Batch {batch} may be the wrong file: {rejected} of {lines} lines are bad, and "
            "{other_range} of {accepted} numbers are in another carrier's range. Check it, then "
            "confirm that it is right (acknowledged, --acknowledge).",
            batch=batch.id,
            rejected=batch.rejected,
            lines=batch.lines,
            other_range=batch.other_range,
            accepted=batch.accepted,
            field="acknowledged",
        )
    return True


def _check_batch(batch: Record, carrier: str) -> None:
    if batch.carrier != carrier:
        raise Invalid(
            "Batch {batch} belongs to {carrier}, not to {other}.",
            batch=batch.id,
            carrier=batch.carrier,
            other=carrier,
            field="batch_ids",
        )
    if batch.state == BatchState.FAILED and batch.error:
        raise Conflict(
            "Batch {batch} could not be imported: {why} Import a corrected file, and use its batch.",
            batch=batch.id,
            why=batch.error,
        )
    if batch.state != BatchState.READY:
        raise Conflict(
            "Batch {batch} is {state}. A run accepts only batches that are ready.",
            batch=batch.id,
            state=batch.state,
        )
    if batch.accepted == 0:
        raise Invalid("Batch {batch} has no valid numbers.", batch=batch.id, field="batch_ids")


def withdraw(connection: Connection, campaign_id: int, who: str) -> None:
    """Give a campaign up before anything of it was sent: its runs are removed, an approval becomes void.

    No effect if it is withdrawn already. Its lists are free for other campaigns, and are erased in time.
    """
    campaign = optimistic_lock.campaign(connection, campaign_id)
    if campaign.state == CampaignState.WITHDRAWN:
        return
    _reopen(connection, campaign, who)
    for run in connection.execute(select(runs).where(runs.c.campaign_id == campaign_id)).all():
        _drop(connection, run, who)
    draft = optimistic_lock.campaign(connection, campaign_id)
    new = move_campaign(draft.state, CampaignState.WITHDRAWN)
    optimistic_lock.change_campaign(connection, draft, state=new)
    audit.note(connection, who, "campaign.withdraw", f"campaign/{campaign_id}")


def remove_run(connection: Connection, run_id: int, who: str) -> None:
    run = optimistic_lock.run(connection, run_id)
    _reopen(connection, optimistic_lock.campaign(connection, run.campaign_id), who)
    _drop(connection, run, who)


def _drop(connection: Connection, run: Record, who: str) -> None:
    run_id = run.id
    for table in (signed_orders, received_orders):
        if connection.execute(select(table.c.id).where(table.c.run_id == run_id)).first():
            raise Conflict(
                "Run {run_id} has signed orders, so it cannot be removed. Withdraw the order, and "
                "cancel the run.",
                run_id=run_id,
            )
    connection.execute(delete(run_batches).where(run_batches.c.run_id == run_id))
    carrier_audience.drop(connection, run_id)
    connection.execute(delete(runs).where(runs.c.id == run_id))
    audit.note(connection, who, "run.remove", f"run/{run_id}", campaign=run.campaign_id, carrier=run.carrier)


def submit(connection: Connection, campaign_id: int, who: str) -> None:
    """Submit a draft for approval; no effect if it is submitted already."""
    campaign = optimistic_lock.campaign(connection, campaign_id)
    if campaign.state == CampaignState.SUBMITTED:
        return
    new = move_campaign(campaign.state, CampaignState.SUBMITTED)
    own = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    if connection.execute(own).first() is None:
        raise Conflict("The campaign has no runs. Add one for each carrier first.")
    _check_made(connection, campaign_id)
    check_window_ahead(campaign, clock.now_ms())
    require_registered(connection, campaign)
    by = {"submitted_by": who, "behind": _behind(connection, campaign, who)}
    optimistic_lock.change_campaign(connection, campaign, state=new, **by)
    content = approval.content(connection, campaign_id)  # a later submission is compared with it
    audit.note(connection, who, "campaign.submit", f"campaign/{campaign_id}", content=content)


def _check_made(connection: Connection, campaign_id: int) -> None:
    """Raise Conflict unless each batch of the campaign is ready: a follow-up's is made after its runs."""
    b = batches.c
    query = select(batches).join(run_batches, run_batches.c.batch_id == b.id).order_by(b.id)
    own = query.where(run_batches.c.campaign_id == campaign_id, b.state != BatchState.READY)
    row = connection.execute(own).first()
    if row is None:
        return
    if row.state == BatchState.IMPORTING:
        raise Conflict("Batch {id} is still being created. Submit the campaign when it is ready.", id=row.id)
    raise Conflict(
        row.error or Phrase("Batch {id} is {state}. Remove its run first.", id=row.id, state=row.state)
    )


def check_window_ahead(campaign: Record, at_ms: int) -> None:
    """Raise Conflict if the window is over at that instant: nothing would be sent."""
    if campaign.window_end is not None and campaign.window_end <= at_ms:
        ended = clock.moment(campaign.window_end).isoformat(timespec="minutes")
        raise Conflict(
            "The sending window ended at {ended}. Edit the campaign and choose a later end.", ended=ended
        )
