"""Stores statements on a run: each checked as a whole and kept as a new version, nothing overwritten."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from app.core.errors import Conflict, Forbidden, Invalid, no_such
from app.core.states import RunState
from app.database.connection import shared_ms
from app.database.models import approvals, audiences, campaigns, runs, statements
from app.ledger import calls
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import FigureSource, Statement
from app.reports.intake import attachments, statement_rules
from app.reports.intake.statement_input import Circumstances, PaperClaim, StatementInput, refusal
from app.security import audit, kept_rows
from carriers import text as sms


def open_run(connection: Connection, run_id: int, carrier: str | None = None) -> Row[Any]:
    """Return the run with its campaign's name; raises NotFound, also for runs hidden by `carrier`."""
    query = select(runs, campaigns.c.name, campaigns.c.window_start, campaigns.c.directive_id)
    query = query.join(campaigns, campaigns.c.id == runs.c.campaign_id).where(runs.c.id == run_id)
    row = connection.execute(query).first()
    if row is None or carrier not in (None, row.carrier):
        raise no_such("run", run_id, field="run_id")
    return row


def require_source(kind: FigureSource, run_id: int, last: Statement | None, carrier: str | None) -> None:
    """Raise unless the caller may give these figures that kind, over the version `last`.

    Forbidden if a carrier's own operator enters by hand: that is for whoever holds the document. Invalid if
    an office says that the carrier stated them where the version before has the carrier's paper.
    """
    if kind is FigureSource.MANUAL and carrier is not None:
        raise Forbidden(
            "Figures of {carrier} that come from {carrier} itself must be stated, not entered by hand.",
            carrier=carrier,
            field="kind",
        )
    if kind is FigureSource.STATED and carrier is None and last and last.kind is FigureSource.MANUAL:
        raise Invalid(
            "The previous version was entered from a document of the carrier, so the correction "
            "must be too. Enter it with its scan: `loa statement add {run} FILE --manual --scan "
            "PAPER`, or the API with the kind manual. Figures stated by the carrier itself come "
            "through the carrier's account.",
            run=run_id,
            field="kind",
        )


def state(
    connection: Connection, run_id: int, claim: StatementInput, who: str, carrier: str | None = None
) -> Statement:
    """Store the claim as the run's next version; raises Invalid with a sentence per fault.

    Raises Conflict where the claim corrects another version than the newest; Forbidden or Invalid where its
    kind is not the caller's to give.
    carrier: the only one whose runs and scans the caller may see.
    """
    run = open_run(connection, run_id, carrier)
    calls.refuse(connection, run_id)
    if run.state == RunState.PLANNED:
        raise Conflict("The run has not started, so there is nothing to state yet. Start it first.")
    last = carrier_statement.latest(connection, run_id)
    version = last.paper.version + 1 if last else 1
    if claim.corrects not in (None, version - 1):
        raise Conflict(
            "The figures are now at version {now}, not {version}. Reload and try again.",
            now=version - 1,
            version=claim.corrects,
            field="version",
        )
    require_source(claim.kind, run_id, last, carrier)
    found = statement_rules.faults(claim, circumstances(connection, run_id))
    if found:
        raise refusal(found)
    row = {
        "run_id": run_id,
        "kind": str(claim.kind),
        "level": int(claim.level),
        "figures": asdict(claim.figures),
        "began_at": claim.began_ms,
        "ended_at": claim.ended_ms,
        "cutoff_at": claim.cutoff_ms,
        **paper_columns(connection, claim.paper, version, who, carrier),
    }
    made = connection.execute(insert(statements).values(row).returning(statements.c.id)).scalar_one()
    detail = {"version": version, "kind": str(claim.kind), "sent": claim.figures.general.sent}
    detail["sha256"] = kept_rows.sha256(connection, statements, made)
    reason = {"reason": claim.paper.reason} if version > 1 else {}
    audit.note(connection, who, "run.stated", f"run/{run_id}", **detail, **reason)
    return carrier_statement.versions(connection, run_id)[-1]


def circumstances(connection: Connection, run_id: int) -> Circumstances:
    last = carrier_statement.latest(connection, run_id)
    before = carrier_statement.versions(connection, run_id)
    estimated = connection.execute(select(audiences.c.estimated).where(audiences.c.run_id == run_id)).scalar()
    return Circumstances(
        shared_ms(connection),
        correcting=last is not None,
        estimated=estimated,
        before=last.figures.general.sent if last else None,
        parts=_parts(connection, run_id),
        approved_ms=_approved_ms(connection, run_id),
        answers=tuple(
            (statement_rules.stated(each.figures, (each.began_ms, each.ended_ms, each.cutoff_ms)), words)
            for each in before
            for words in (each.paper.note, each.paper.reason)
            if words
        ),
        version=last.paper.version if last else 0,
        level=last.level if last else None,
        asks=True,
    )


def _parts(connection: Connection, run_id: int) -> tuple[int, int] | None:
    """Return the fewest and the most SMS parts of the campaign's texts."""
    query = select(campaigns.c.texts).join(runs, runs.c.campaign_id == campaigns.c.id)
    texts = connection.execute(query.where(runs.c.id == run_id)).scalar()
    parts = [sms.segments(wording) for wording in (texts or {}).values()]
    return (min(parts), max(parts)) if parts else None


def _approved_ms(connection: Connection, run_id: int) -> int | None:
    """Return when the campaign was approved; None if its last decision is not an approval."""
    a = approvals.c
    query = select(a.at, a.decision).join(runs, runs.c.campaign_id == a.campaign_id)
    last = connection.execute(query.where(runs.c.id == run_id).order_by(a.id.desc()).limit(1)).first()
    return last.at if last is not None and last.decision == "approved" else None


def paper_columns(
    connection: Connection, paper: PaperClaim, version: int, who: str, carrier: str | None
) -> dict[str, Any]:
    """Return the columns of every document; of two concurrent ones the version's unique key rejects one."""
    now = shared_ms(connection)
    return {
        "version": version,
        "reason": paper.reason if version > 1 else None,
        "source": str(paper.source),
        "number": paper.number,
        "dated_on": paper.dated_on,
        "received_at": now if paper.received_ms is None else paper.received_ms,
        "note": paper.note,
        "attachment_id": attachments.id_of(connection, paper.attachment, who, carrier),
        "at": now,
        "by": who,
    }
