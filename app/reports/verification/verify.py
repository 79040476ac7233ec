"""Recounts every figure from its rows and names every difference."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, select

from app.core.errors import Conflict, no_such
from app.core.states import ENDED, BatchState, CampaignState, ChunkState, DeliveryState, RunState
from app.database.connection import Database, keys_of, shared_ms
from app.database.models import (
    attachments,
    bad_lines,
    batches,
    campaigns,
    chunks,
    deliveries,
    left_out,
    link_levels,
    links,
    quarantine,
    receipt_files,
    receipt_lines,
    receipts,
    run_batches,
    runs,
    signed_papers,
    statements,
    submissions,
    subscribers,
    unknowns,
)
from app.ledger import approval_digest, batch_rows, erasure, money, opt_out_seal
from app.ledger.contract import ResultKind, TallyCount
from app.ledger.ledger import Ledger
from app.reports.counting import carrier_report, clock_check, snapshots, unique_reach
from app.reports.figures import carrier_statement, tally
from app.reports.figures.carrier_statement import Statement
from app.reports.figures.figures import Unbalanced
from app.reports.frozen import freeze_record
from app.reports.intake import statement_rules
from app.reports.intake.statement_input import Circumstances, PaperClaim, StatementInput
from app.reports.verification import erasure_checks as erased
from app.reports.verification import snapshot_recount
from app.reports.verification.snapshot_recount import Contradiction
from app.reports.verification.state_recount import recount_states
from app.security import kept_rows
from carriers.phrases import Phrase

# Stored statements and attachments


def statements_add_up(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Check every version of a campaign's statements against the rules it was accepted by."""
    own = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    for run_id in connection.execute(own).scalars().all():
        try:
            versions = carrier_statement.versions(connection, run_id)
        except Conflict as altered:
            yield Phrase("Run {run}: {what}", run=run_id, what=altered.detail)
            continue
        rows = connection.execute(select(statements).where(statements.c.run_id == run_id)).all()
        for version in kept_rows.altered(connection, "run.stated", f"run/{run_id}", rows):
            yield Phrase(
                "Run {run}, statement {version} was changed outside Loa and differs from what was stated.",
                run=run_id,
                version=version,
            )
        for each in versions:
            around = Circumstances(shared_ms(connection), correcting=each.paper.version > 1)
            for fault in statement_rules.faults(_claim(each), around):
                place = ".".join(str(step) for step in fault.place)
                yield Phrase(
                    "Run {run}, statement {version}: {place}: {what}",
                    run=run_id,
                    version=each.paper.version,
                    place=place,
                    what=fault.sentence.en,
                )


def _claim(statement: Statement) -> StatementInput:
    paper = statement.paper
    said = PaperClaim(
        source=paper.source,
        number=paper.number,
        dated_on=paper.dated_on,
        received_ms=paper.received_ms,
        note=paper.note,
        reason=paper.reason,
        attachment=paper.attachment.sha256 if paper.attachment else None,
    )
    return StatementInput(
        statement.kind,
        statement.level,
        statement.figures,
        statement.cutoff_ms,
        said,
        statement.began_ms,
        statement.ended_ms,
    )


def attachments_kept(connection: Connection) -> list[str]:
    """Name attachments and signed papers whose bytes have changed; only one is in memory at a time."""
    found = []
    for what, table in (("Attachment", attachments), ("Signed document", signed_papers)):
        a = table.c
        for number, sha256 in connection.execute(select(a.id, a.sha256).order_by(a.id)).all():
            content = connection.execute(select(a.content).where(a.id == number)).scalar_one()
            if hashlib.sha256(content).hexdigest() != sha256:
                found.append(f"{what} {number} ({sha256[:16]}…) differs from the file that was uploaded.")
    return found


def _rows_kept(connection: Connection) -> list[str]:
    """Name rows that differ from the audit, and links whose level is not the newest of their levels."""
    return [*kept_rows.differences(connection), *_levels(connection)]


def _levels(connection: Connection) -> Iterator[str]:
    v = link_levels.c
    levels = {row.link_id: row.level for row in connection.execute(select(link_levels).order_by(v.since))}
    for link in connection.execute(select(links.c.id, links.c.name, links.c.receipt_level)):
        if levels.get(link.id, link.receipt_level) != link.receipt_level:
            yield Phrase(
                "Link {name}: what its receipts prove was changed outside Loa. Restart the worker, which "
                "takes it from the settings.",
                name=link.name,
            )


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


def examine(
    db: Database,
    ledger: Ledger,
    campaign_id: int | None = None,
    checks: Sequence[Callable[[Connection], list[str]]] = (),
) -> Verification:
    """Recount one campaign with its batches, or everything; raises NotFound for an unknown campaign.

    checks: of modules that this one does not know, made with everything.

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
        found += [Difference(None, sentence) for sentence in db.read(_rows_kept)]
        for check in checks:
            found += [Difference(None, sentence) for sentence in db.read(check)]
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
    return [sentence for batch_id in ids for sentence in batch_counts(connection, batch_id)]


def _file_differences(connection: Connection) -> list[str]:
    return list(file_counts(connection))


@dataclass(slots=True)
class Recount:
    """What differs in one campaign.

    figures: what makes a figure wrong; it is put right before a report is frozen. rows: where rows
    contradict each other, though every figure adds up; unexplained: at least so many messages, by run.
    snapshots: the past ones that the rows contradict, of which a report of now says how many there are.
    """

    figures: list[str]
    rows: list[str]
    unexplained: dict[int, int]
    snapshots: list[Contradiction] = field(default_factory=list)

    def contradicted(self, run_id: int) -> int:
        """Return how many of a run's snapshots its rows contradict."""
        return len({each.taken_ms for each in self.snapshots if each.run_id == run_id and not each.to_come})


def campaign_differences(connection: Connection, campaign_id: int, ledger: Ledger) -> list[str]:
    found = recount(connection, campaign_id, ledger)
    return [*found.figures, *found.rows, *(each.sentence for each in found.snapshots)]


def recount(connection: Connection, campaign_id: int, ledger: Ledger) -> Recount:
    if gone := erasure.of_campaign(connection, campaign_id):
        unexplained = {} if _are_kept(connection, campaign_id) else contradictions(connection, campaign_id)[1]
        return Recount(list(erased.differences(connection, gone)), [], unexplained)
    figures = [
        *tallies_agree(connection, campaign_id, ledger),
        *reports_add_up(connection, campaign_id),
        *statements_add_up(connection, campaign_id),
    ]
    past = list(snapshot_recount.of_campaign(connection, campaign_id))
    return Recount(figures, *contradictions(connection, campaign_id), past)


def _are_kept(connection: Connection, campaign_id: int) -> bool:
    """Return whether the last report of each run is kept: until then its erasure removes no row."""
    own = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    return all(snapshots.is_erased(connection, run_id) for run_id in connection.execute(own).scalars().all())


def contradictions(connection: Connection, campaign_id: int) -> tuple[list[str], dict[int, int]]:
    """Say where rows contradict each other, and count the messages by run: at least so many."""
    odd = [
        *unknowns_listed(connection, campaign_id),
        *subscribers_kept(connection, campaign_id),
        *chunks_cover(connection, campaign_id),
        *runs_complete(connection, campaign_id),
        *sent_once(connection, campaign_id),
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
            yield OddRows(run_id, n, Phrase("Batch {batch}: {what}", batch=batch_id, what=sentence))


def _not_as_approved(connection: Connection, campaign_id: int) -> list[str]:
    """List changes to approved content made outside Loa; reports do not depend on them."""
    if not keys_of(connection) or erasure.of_campaign(connection, campaign_id):
        return []
    return list(as_approved(connection, campaign_id))


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


# ---- Check tables against each other: batches, tallies, what was approved, unknowns, chunks, runs

_Key = tuple[int, int, str | None, int, int]


class OddRows(NamedTuple):
    """Messages of a run whose rows contradict each other: every figure still adds up."""

    run_id: int
    messages: int
    sentence: str


def batch_counts(connection: Connection, batch_id: int) -> Iterator[str]:
    """Compare a batch's counters with its subscribers and bad lines."""
    batch = connection.execute(select(batches).where(batches.c.id == batch_id)).one()
    if batch.state != BatchState.READY:
        return
    own = select(func.count()).where(subscribers.c.batch_id == batch_id)
    kept = connection.execute(own).scalar_one()
    repeat = bad_lines.c.reason == carrier_report.REPEATED
    bad = select(func.count(), func.coalesce(func.sum(case((repeat, 1), else_=0)), 0))
    lines, repeats = connection.execute(bad.where(bad_lines.c.batch_id == batch_id)).one()
    pairs = (
        ("accepted subscribers", batch.accepted, kept),
        ("rejected lines", batch.rejected, lines - int(repeats)),
        ("repeated lines", batch.repeated, int(repeats)),
        ("lines", batch.lines, batch.accepted + batch.rejected + batch.repeated),
    )
    for what, counter, rows in pairs:
        if counter != rows:
            yield Phrase(
                "Batch {batch}: its counter of {what} is {counter}, but its rows give {rows}.",
                batch=batch_id,
                what=what,
                counter=counter,
                rows=rows,
            )
    if batch_rows.rows_altered(connection, batch_id):
        yield Phrase("Batch {batch}: its subscribers differ from those imported.", batch=batch_id)


def tallies_agree(connection: Connection, campaign_id: int, ledger: Ledger) -> Iterator[str]:
    counted = _by_key(ledger.recount(connection, campaign_id))
    tallied = _by_key(tally.of_campaign(connection, campaign_id))
    for key in sorted({*counted, *tallied}, key=lambda key: (*key[:2], key[2] or "", *key[3:])):
        n, rows = tallied.get(key, (0, 0)), counted.get(key, (0, 0))
        if n != rows:
            run_id, batch_id, area, state, reason = key
            yield (
                Phrase(
                    "Run {run}, batch {batch}, area {area}, {state}, reason {reason}: tallies say "
                    "{n} messages and {segments} segments, but rows give {m} and {parts}.",
                    run=run_id,
                    batch=batch_id,
                    area=area or "unknown",
                    state=DeliveryState(state).name,
                    reason=reason,
                    n=n[0],
                    segments=n[1],
                    m=rows[0],
                    parts=rows[1],
                )
            )


def _by_key(counts: list[TallyCount]) -> dict[_Key, tuple[int, int]]:
    return {(*c[:3], c[3], c[4]): (int(c.n), int(c.segments)) for c in counts if c.n or c.segments}


def as_approved(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Check that what may be sent was approved, and that people started the running runs."""
    campaign = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).one()
    query = select(runs.c.id, runs.c.state, runs.c.started_at).where(runs.c.campaign_id == campaign_id)
    own = connection.execute(query.order_by(runs.c.id)).all()
    running = [run.id for run in own if run.state == RunState.RUNNING]
    alive = any(run.state not in ENDED for run in own)
    begun = bool(running) or any(run.started_at is not None for run in own)
    approved = campaign.state == CampaignState.APPROVED
    if (approved or begun) and not approval_digest.stands(connection, campaign, alive=alive):
        yield Phrase("Campaign {n} differs from what was approved, or was never approved.", n=campaign_id)
    for run_id in running:
        if not approval_digest.is_ordered(connection, run_id):
            yield Phrase(
                "Run {run} is running, but the last order in the audit log neither starts nor resumes it.",
                run=run_id,
            )
    for chunk in approval_digest.altered_chunks(connection, campaign_id):
        yield (
            Phrase(
                "Batch {batch}, lines {first} to {last}: the queued messages differ from the uploaded list.",
                batch=chunk.batch_id,
                first=chunk.first_seq,
                last=chunk.last_seq,
            )
        )
    if approved or begun or campaign.state == CampaignState.SUBMITTED:
        missing = approval_digest.authors(connection, campaign_id) - {
            campaign.created_by,
            campaign.submitted_by,
        }
        for who in sorted(missing.difference(campaign.editors)):
            yield Phrase(
                "Campaign {n} does not name {who}, its author according to the audit log.",
                n=campaign_id,
                who=who,
            )


def unknowns_listed(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that the list of unknowns holds exactly the unknown deliveries."""
    d, u = deliveries.c, unknowns.c
    same = and_(u.campaign_id == d.campaign_id, u.batch_id == d.batch_id, u.seq == d.seq)
    off = select(d.run_id, func.count()).where(
        d.campaign_id == campaign_id, d.state == DeliveryState.UNKNOWN, ~exists().where(same)
    )
    stray = select(u.run_id, func.count()).where(
        u.campaign_id == campaign_id,
        ~exists().where(same, d.state == DeliveryState.UNKNOWN, d.phone == u.phone),
    )
    for run_id, n in connection.execute(off.group_by(d.run_id)):
        yield OddRows(
            run_id,
            n,
            Phrase(
                "Run {run}: {n} unknown deliveries are missing from the list of unknown messages.",
                run=run_id,
                n=n,
            ),
        )
    for run_id, n in connection.execute(stray.group_by(u.run_id)):
        said = Phrase(
            "Run {run}: {n} entries in the list of unknown messages have no unknown delivery.",
            run=run_id,
            n=n,
        )
        yield OddRows(run_id, n, said)


def subscribers_kept(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that every queued subscriber has a delivery and every delivery its subscriber."""
    b, d, s = run_batches.c, deliveries.c, subscribers.c
    own = and_(s.batch_id == d.batch_id, s.seq == d.seq, s.phone == d.phone)
    strange = _first(d.run_id, d.batch_id, d.seq).where(d.campaign_id == campaign_id, ~exists().where(own))
    known = exists().where(d.campaign_id == campaign_id, d.phone == s.phone)
    queued = and_(s.batch_id == b.batch_id, s.seq <= b.fanned_upto)
    lost = (
        _first(b.run_id, s.batch_id, s.seq)
        .select_from(run_batches.join(subscribers, queued))
        .where(~_left_out())
    )
    for run_id, batch_id, n, seq in connection.execute(strange.group_by(d.run_id, d.batch_id)):
        said = Phrase(
            "Batch {batch}: {n} deliveries (the first: line {line}) match no subscriber.",
            batch=batch_id,
            n=n,
            line=seq,
        )
        yield OddRows(run_id, n, said)
    lost = lost.where(b.campaign_id == campaign_id, ~known).group_by(b.run_id, s.batch_id)
    for run_id, batch_id, n, seq in connection.execute(lost):
        said = Phrase(
            "Batch {batch}: {n} subscribers (the first: line {line}) were lost before queueing.",
            batch=batch_id,
            n=n,
            line=seq,
        )
        yield OddRows(run_id, n, said)


def _left_out() -> ColumnElement[bool]:
    o, s = left_out.c, subscribers.c
    own = (o.campaign_id == run_batches.c.campaign_id, o.batch_id == s.batch_id, o.seq == s.seq)
    return exists().where(*own)


def _first(
    run_id: ColumnElement[int], batch_id: ColumnElement[int], seq: ColumnElement[int]
) -> Select[*tuple[Any, ...]]:
    return select(run_id, batch_id, func.count(), func.min(seq))


def chunks_cover(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that chunks hold every delivery once, and that done chunks hold no queued one."""
    for run_id, batch_id, first in connection.execute(_overlaps(campaign_id)):
        said = Phrase(
            "Batch {batch}: the chunk from line {line} overlaps the chunk before it.",
            batch=batch_id,
            line=first,
        )
        yield OddRows(run_id, 1, said)
    held = _held(campaign_id)
    d, batch, run = deliveries.c, held.c.batch_id, held.c.run_id
    total = select(func.count()).where(d.campaign_id == campaign_id, d.batch_id == batch).scalar_subquery()
    sums = func.sum(held.c.n), func.sum(case((held.c.state == ChunkState.DONE, held.c.queued), else_=0))
    query = select(run, batch, *sums, total).group_by(run, batch)
    for run_id, batch_id, inside, stuck, n in connection.execute(query):
        if inside != n:
            said = Phrase(
                "Batch {batch}: its chunks contain {inside} deliveries, but the batch has {n}.",
                batch=batch_id,
                inside=inside,
                n=n,
            )
            yield OddRows(run_id, abs(int(inside) - n), said)
        if stuck:
            said = Phrase(
                "Batch {batch}: {n} queued deliveries are in finished chunks.", batch=batch_id, n=stuck
            )
            yield OddRows(run_id, int(stuck), said)
    outside = and_(chunks.c.campaign_id == d.campaign_id, chunks.c.batch_id == d.batch_id)
    bare = _first(d.run_id, d.batch_id, d.seq).where(d.campaign_id == campaign_id, ~exists().where(outside))
    for run_id, batch_id, n, _ in connection.execute(bare.group_by(d.run_id, d.batch_id)):
        yield OddRows(
            run_id, n, Phrase("Batch {batch}: {n} deliveries are in no chunk.", batch=batch_id, n=n)
        )


def _overlaps(campaign_id: int) -> Select[*tuple[Any, ...]]:
    c = chunks.c
    before = func.max(c.last_seq).over(partition_by=c.batch_id, order_by=c.first_seq, rows=(None, -1))
    spans = (
        select(c.run_id, c.batch_id, c.first_seq, before.label("before"))
        .where(c.campaign_id == campaign_id)
        .subquery()
    )
    where = spans.c.before >= spans.c.first_seq
    return select(*spans.c[:3]).where(where).order_by(spans.c.batch_id, spans.c.first_seq)


def _held(campaign_id: int) -> Any:
    """Count deliveries per chunk by key range: a join of ranges would be quadratic."""
    c, d = chunks.c, deliveries.c
    inside = (
        d.campaign_id == c.campaign_id,
        d.batch_id == c.batch_id,
        d.seq.between(c.first_seq, c.last_seq),
    )
    n = select(func.count()).where(*inside).correlate(chunks).scalar_subquery()
    waiting = (*inside, d.state == DeliveryState.QUEUED)
    queued = select(func.count()).where(*waiting).correlate(chunks).scalar_subquery()
    columns = (c.run_id, c.batch_id, c.state, n.label("n"), queued.label("queued"))
    return select(*columns).where(c.campaign_id == campaign_id).subquery()


def runs_complete(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that a finished run has nothing left to send or to queue."""
    d, s, b = deliveries.c, subscribers.c, run_batches.c
    own = and_(d.campaign_id == campaign_id, d.run_id == runs.c.id, d.state == DeliveryState.QUEUED)
    queued = select(runs.c.id, func.count()).join(deliveries, own)
    over = (runs.c.campaign_id == campaign_id, runs.c.state.in_(ENDED))
    for run_id, n in connection.execute(queued.where(*over).group_by(runs.c.id)):
        yield OddRows(
            run_id,
            n,
            Phrase("Run {run} has ended, but {n} of its deliveries are still queued.", run=run_id, n=n),
        )
    beyond = and_(s.batch_id == b.batch_id, s.seq > b.fanned_upto)
    left = select(runs.c.id, func.count()).join(run_batches, b.run_id == runs.c.id).join(subscribers, beyond)
    open_end = (*over, runs.c.closing.is_(None), runs.c.state != RunState.CANCELLED)
    for run_id, n in connection.execute(left.where(*open_end).group_by(runs.c.id)):
        yield OddRows(
            run_id,
            n,
            Phrase("Run {run} has ended, but {n} of its subscribers were never queued.", run=run_id, n=n),
        )


def sent_once(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that the carrier has taken nothing twice that no order sent again."""
    d, s = deliveries.c, submissions.c
    times = func.count(s.attempt.distinct())
    taken = (s.campaign_id == campaign_id, s.attempt > 0, s.result == ResultKind.ACCEPTED)
    several = select(s.batch_id, s.seq, times.label("n")).where(*taken).group_by(s.batch_id, s.seq)
    one = several.having(times > 1).subquery().c
    same = (d.campaign_id == campaign_id, d.batch_id == one.batch_id, d.seq == one.seq)
    again = _first(d.run_id, d.batch_id, d.seq).where(*same, one.n > d.resends + 1)
    for run_id, batch_id, n, seq in connection.execute(again.group_by(d.run_id, d.batch_id)):
        said = Phrase(
            "Batch {batch}: {n} messages (the first: line {line}) were accepted twice without an order.",
            batch=batch_id,
            n=n,
            line=seq,
        )
        yield OddRows(run_id, n, said)


def reports_add_up(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Check that every run's report adds up, even where another host's clock was ahead."""
    at = max(shared_ms(connection), clock_check.newest(connection, [campaign_id]) or 0)
    for run_id in (
        connection.execute(select(runs.c.id).where(runs.c.campaign_id == campaign_id)).scalars().all()
    ):
        try:
            carrier_report.build(connection, run_id, at)
        except Unbalanced as error:
            yield error.detail
