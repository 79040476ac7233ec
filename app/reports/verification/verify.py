"""Recounts every figure from its rows and names every difference."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from app.core.errors import Conflict, no_such
from app.core.states import BatchState
from app.database.connection import Database, keys_of, shared_ms
from app.database.models import (
    attachments,
    bad_lines,
    batches,
    campaigns,
    chunks,
    deliveries,
    quarantine,
    receipt_files,
    receipt_lines,
    receipts,
    run_batches,
    runs,
    submissions,
    subscribers,
    unknowns,
)
from app.ledger import erasure_state, money, opt_out_seal
from app.ledger.contract import Ledger
from app.reports.build import unique_reach
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import Statement
from app.reports.frozen import freeze_record
from app.reports.intake import statement_rules
from app.reports.intake.statement_input import Circumstances, PaperClaim, StatementInput
from app.reports.verification import erasure_checks as erased
from app.reports.verification import table_checks
from app.reports.verification.state_recount import recount_states
from app.reports.verification.table_checks import OddRows

# Stored statements and attachments


def statements_add_up(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Check every version of a campaign's statements against the rules it was accepted by."""
    own = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    for run_id in connection.execute(own).scalars().all():
        try:
            versions = carrier_statement.versions(connection, run_id)
        except Conflict as altered:
            yield f"Run {run_id}: {altered.detail}"
            continue
        for each in versions:
            around = Circumstances(shared_ms(connection), correcting=each.paper.version > 1)
            for fault in statement_rules.faults(_claim(each), around):
                place = ".".join(str(step) for step in fault.place)
                yield f"Run {run_id}, statement {each.paper.version}: {place}: {fault.sentence.en}"


def _claim(of: Statement) -> StatementInput:
    paper = of.paper
    said = PaperClaim(
        source=paper.source,
        number=paper.number,
        dated_on=paper.dated_on,
        received_ms=paper.received_ms,
        note=paper.note,
        reason=paper.reason,
        attachment=paper.attachment.sha256 if paper.attachment else None,
    )
    return StatementInput(of.kind, of.level, of.figures, of.cutoff_ms, said, of.began_ms, of.ended_ms)


def attachments_kept(connection: Connection) -> list[str]:
    """Name attachments whose bytes have changed; only one is in memory at a time."""
    a = attachments.c
    found = []
    for number, sha256 in connection.execute(select(a.id, a.sha256).order_by(a.id)).all():
        content = connection.execute(select(a.content).where(a.id == number)).scalar_one()
        if hashlib.sha256(content).hexdigest() != sha256:
            found.append(f"Attachment {number} ({sha256[:16]}…) is no longer the file that came.")
    return found


# Result files: counters against lines

_VERDICTS = (
    *("agreed", "settled", "says_delivered", "says_undelivered", "open"),
    *("repeated", "unsent", "unknown", "ambiguous", "bad"),
)


def file_counts(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each counter of a result file that differs from its lines."""
    verdicts = _verdicts(connection)
    ready = receipt_files.c.state == BatchState.READY
    for file in connection.execute(select(receipt_files).where(ready).order_by(receipt_files.c.id)):
        for what, counter, rows in _pairs(file, verdicts[file.id]):
            if counter != rows:
                yield f"Receipt file {file.id}: its counter of {what} is {counter}, its rows give {rows}."


def _verdicts(connection: Connection) -> defaultdict[int, Counter[str | None]]:
    c, found = receipt_lines.c, defaultdict[int, Counter[str | None]](Counter)
    query = select(c.file_id, c.verdict, func.count()).group_by(c.file_id, c.verdict)
    for file_id, verdict, n in connection.execute(query):
        found[file_id][verdict] = n
    return found


def _pairs(file: Row[Any], verdicts: Counter[str | None]) -> Iterator[tuple[str, int, int]]:
    yield "lines", file.lines, sum(verdicts.values())
    for name in _VERDICTS:
        yield f"{name} lines", getattr(file, name), verdicts[name]
    for run in file.runs or ():
        parts = sum(run[part] for part in ("rejected", "named", "missing", "later"))
        yield f"messages sent by run {run['run_id']}", run["sent"], parts


_COUNTED = (deliveries, submissions, receipts, chunks, unknowns)


@dataclass(frozen=True, slots=True)
class Difference:
    campaign_id: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Rows counted by table, and all differences; none means that every figure is right.

    erased: sentences on campaigns whose rows were erased by retention rules.
    """

    counted: dict[str, int]
    differences: tuple[Difference, ...]
    erased: tuple[str, ...] = ()


def verify(db: Database, ledger: Ledger, campaign_id: int | None = None) -> list[Difference]:
    return list(examine(db, ledger, campaign_id).differences)


def examine(db: Database, ledger: Ledger, campaign_id: int | None = None) -> Verification:
    """Recount one campaign with its batches, or everything; raises NotFound for an unknown campaign.

    Each campaign and each batch is read in one snapshot while sending continues; memory stays bounded.
    """
    ids = db.read(_campaigns, campaign_id)
    found = [Difference(None, sentence) for sentence in db.read(batch_differences, campaign_id)]
    found += [Difference(None, sentence) for sentence in db.read(attachments_kept)]
    if campaign_id is None:  # a result file may cover several campaigns
        found += [Difference(None, sentence) for sentence in db.read(_file_differences)]
        found += [Difference(None, sentence) for sentence in db.read(unique_reach.differences)]
        found += [Difference(None, sentence) for sentence in db.read(money.differences)]
        found += [Difference(None, sentence) for sentence in db.read(opt_out_seal.problems)]
        found += [Difference(None, sentence) for sentence in db.read(freeze_record.all_spoilt)]
    for number in ids:
        found += [Difference(number, sentence) for sentence in db.read(campaign_differences, number, ledger)]
        found += [Difference(number, sentence) for sentence in db.read(_not_as_approved, number)]
    return Verification(
        db.read(_counted, campaign_id, ids), tuple(found), db.read(erased.erasure_notices, ids)
    )


def _campaigns(connection: Connection, campaign_id: int | None) -> list[int]:
    query = select(campaigns.c.id).order_by(campaigns.c.id)
    if campaign_id is not None:
        query = query.where(campaigns.c.id == campaign_id)
    ids = list(connection.execute(query).scalars())
    if campaign_id is not None and not ids:
        raise no_such("campaign", campaign_id, field="campaign")
    return ids


def _batch_ids(connection: Connection, campaign_id: int | None) -> list[int]:
    query = select(batches.c.id).order_by(batches.c.id)
    if campaign_id is not None:
        own = select(run_batches.c.batch_id).where(run_batches.c.campaign_id == campaign_id)
        query = query.where(batches.c.id.in_(own))
    return list(connection.execute(query).scalars())


def batch_differences(connection: Connection, campaign_id: int | None) -> list[str]:
    ids = _batch_ids(connection, campaign_id)
    return [sentence for batch_id in ids for sentence in table_checks.batch_counts(connection, batch_id)]


def _file_differences(connection: Connection) -> list[str]:
    return list(file_counts(connection))


@dataclass(slots=True)
class Recount:
    """What differs in one campaign.

    figures: what makes a figure wrong; it is put right before a report is frozen. rows: where rows
    contradict each other, though every figure adds up; unexplained: at least so many messages, by run.
    """

    figures: list[str]
    rows: list[str]
    unexplained: dict[int, int]


def campaign_differences(connection: Connection, campaign_id: int, ledger: Ledger) -> list[str]:
    found = recount(connection, campaign_id, ledger)
    return [*found.figures, *found.rows]


def recount(connection: Connection, campaign_id: int, ledger: Ledger) -> Recount:
    if gone := erasure_state.of_campaign(connection, campaign_id):
        return Recount(list(erased.differences(connection, gone)), [], {})
    figures = [
        *table_checks.tallies_agree(connection, campaign_id, ledger),
        *table_checks.reports_add_up(connection, campaign_id),
        *statements_add_up(connection, campaign_id),
    ]
    return Recount(figures, *contradictions(connection, campaign_id))


def contradictions(connection: Connection, campaign_id: int) -> tuple[list[str], dict[int, int]]:
    """Say where rows contradict each other, and count the messages by run: at least so many."""
    odd = [
        *table_checks.unknowns_listed(connection, campaign_id),
        *table_checks.subscribers_kept(connection, campaign_id),
        *table_checks.chunks_cover(connection, campaign_id),
        *table_checks.runs_complete(connection, campaign_id),
    ]
    states = list(_states(connection, campaign_id))
    messages = Counter[int]()
    for each in states:  # of which each message is in one group
        messages[each.run_id] += each.messages
    for each in odd:  # the same message may be in several
        messages[each.run_id] = max(messages[each.run_id], each.messages)
    return [each.sentence for each in (*odd, *states)], dict(messages)


def _states(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    b = run_batches.c
    own = select(b.run_id, b.batch_id).where(b.campaign_id == campaign_id).order_by(b.batch_id)
    for run_id, batch_id in connection.execute(own).all():
        for n, sentence in recount_states(connection, campaign_id, batch_id):
            yield OddRows(run_id, n, f"Batch {batch_id}: {sentence}")


def _not_as_approved(connection: Connection, campaign_id: int) -> list[str]:
    """List changes to approved content made outside Loa; reports do not depend on them."""
    if not keys_of(connection) or erasure_state.of_campaign(connection, campaign_id):
        return []
    return list(table_checks.as_approved(connection, campaign_id))


def _counted(connection: Connection, campaign_id: int | None, ids: list[int]) -> dict[str, int]:
    counted = {"campaigns": len(ids)}
    batch_ids = _batch_ids(connection, campaign_id)
    counted["batches"] = len(batch_ids)
    for table in (subscribers, bad_lines):
        query = select(func.count()).where(table.c.batch_id.in_(batch_ids))
        counted[table.name] = connection.execute(query).scalar_one()
    for table in _COUNTED:
        query = select(func.count()).where(table.c.campaign_id.in_(ids))
        counted[table.name] = connection.execute(query).scalar_one()
    waiting = select(func.count()).select_from(quarantine)
    return counted | {"quarantine": connection.execute(waiting).scalar_one()}
