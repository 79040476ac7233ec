"""What an approval signs: a digest of all that decides who gets which text, and whether it still holds.

Stage campaigns approves and starts by it; stage dispatch looks again before each chunk is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from app import digests, stamps
from app.models import approvals, audiences, audit, batches, deliveries, run_batches, runs, subscribers
from app.stamps import canonical
from app.states import CampaignState

Record = Row[Any]
_PIECE = 10_000
_SIGNED = ("campaign_id", "digest", "decision", "reason", "at", "by")
_DECISIONS = ("approved", "rejected", "returned", "voided")
# Of a batch from before its rows were bound: the file's hash alone, so that approvals of then still hold.
_MARK = (batches.c.sha256 + func.coalesce("+" + batches.c.rows_sha256, "")).label("mark")


def digest(connection: Connection, campaign: Record, algorithm: str = digests.FIRST) -> str:
    """Over the canonical JSON of text, sender, purpose, window, hours, runs and their audiences."""
    return _digest(campaign, _by_run(connection, campaign.id), algorithm)


def _digest(campaign: Record, audience: dict[str, list[str]], algorithm: str) -> str:
    content = {
        "texts": campaign.texts,
        "sender": campaign.sender,
        "purpose": campaign.purpose,
        "window": [campaign.window_start, campaign.window_end],
        "day": [campaign.day_starts, campaign.day_ends],
        "runs": audience,
    }
    return digests.digest(canonical(content), algorithm)


def holds(connection: Connection, campaign: Record, signed: str) -> bool:
    """Whether exactly this content was signed, by the algorithm of the signed digest."""
    algorithm = digests.algorithm_of(signed)
    if digests.rank(algorithm) < 0:
        return False
    forms = (each(connection, campaign.id) for each in (_by_run, _by_carrier))
    return any(_digest(campaign, audience, algorithm) == signed for audience in forms)


def approved(connection: Connection, campaign: Record) -> Record | None:
    """The decision by which exactly this content is approved, if there is one and it is the last one."""
    last = last_decision(connection, campaign.id)
    if last is None or last.decision != "approved" or campaign.state != CampaignState.APPROVED:
        return None
    if not is_stamped(connection, last) or not _on_record(connection, last):
        return None
    return last if holds(connection, campaign, last.digest) else None


def stamp(connection: Connection, decision: Mapping[str, Any]) -> str | None:
    """What only a process with the secret_key can write beside a decision; None where this one has no key."""
    return stamps.make(connection, _signed(decision))


def is_stamped(connection: Connection, decision: Record) -> bool:
    """Whether a decision was written by a process with the key, or this one has none and can't tell."""
    return stamps.holds(connection, _signed(decision._asdict()), decision.stamp)


def restamp(connection: Connection) -> int:
    """Stamp by the present key what the one before has stamped, after a change of keys; how many were."""
    rows = connection.execute(select(approvals).where(approvals.c.stamp.is_not(None))).all()
    count = 0
    for row in rows:
        if fresh := stamps.renewed(connection, _signed(row._asdict()), row.stamp):
            connection.execute(update(approvals).where(approvals.c.id == row.id).values(stamp=fresh))
            count += 1
    return count


def _signed(decision: Mapping[str, Any]) -> bytes:
    return canonical({name: decision[name] for name in _SIGNED})


def _on_record(connection: Connection, decision: Record) -> bool:
    """Whether the audit's last word on the campaign is this decision; its rows are gone after some years."""
    a = audit.c
    said = select(a.action, a.detail).where(a.subject == f"campaign/{decision.campaign_id}")
    said = said.where(a.action.in_([f"campaign.{each}" for each in _DECISIONS])).order_by(a.id.desc())
    row = connection.execute(said.limit(1)).first()
    if row is None:
        return connection.execute(select(a.id).where(a.id == 1)).first() is None  # its beginning was erased
    return (row.action, row.detail.get("digest")) == (f"campaign.{decision.decision}", decision.digest)


def last_decision(connection: Connection, campaign_id: int) -> Record | None:
    """What was decided last on a campaign, or None."""
    query = select(approvals).where(approvals.c.campaign_id == campaign_id).order_by(approvals.c.id.desc())
    return connection.execute(query.limit(1)).first()


def _by_run(connection: Connection, campaign_id: int) -> dict[str, list[str]]:
    """Run and carrier -> hashes of the files and their rows, and what the carrier is asked to send to itself.

    A run with batches that was given an audience of its carrier has both: neither takes the other's place.
    """
    query = select(runs.c.id, runs.c.carrier).where(runs.c.campaign_id == campaign_id)
    found: dict[str, list[str]] = {f"{run} {carrier}": [] for run, carrier in connection.execute(query)}
    for run, carrier, mark in _marks(connection, campaign_id):
        found.setdefault(f"{run} {carrier}", []).append(mark)
    return found


def _by_carrier(connection: Connection, campaign_id: int) -> dict[str, list[str]]:
    """The same as approvals signed it that were given before runs stood in it by their number."""
    found: dict[str, list[str]] = {}
    for _, carrier, mark in _marks(connection, campaign_id):
        found.setdefault(carrier, []).append(mark)
    return found


def _marks(connection: Connection, campaign_id: int) -> Iterator[tuple[int, str, str]]:
    yield from _batches(connection, campaign_id)
    yield from _held(connection, campaign_id)


def _batches(connection: Connection, campaign_id: int) -> Iterator[tuple[int, str, str]]:
    """A link that says another campaign than its run does is one that nobody has approved."""
    named = or_(runs.c.campaign_id == campaign_id, run_batches.c.campaign_id == campaign_id)
    query = (
        select(runs.c.id, runs.c.carrier, _MARK, runs.c.campaign_id, run_batches.c.campaign_id)
        .join(run_batches, run_batches.c.run_id == runs.c.id)
        .join(batches, batches.c.id == run_batches.c.batch_id)
        .where(named)
        .order_by(runs.c.carrier, batches.c.sha256)
    )
    for run, carrier, sha256, of_run, of_link in connection.execute(query):
        yield run, carrier, sha256 if of_run == of_link else f"{sha256} {of_run} {of_link}"


def _held(connection: Connection, campaign_id: int) -> Iterator[tuple[int, str, str]]:
    query = (
        select(runs.c.id, runs.c.carrier, audiences.c.areas, audiences.c.area_basis, audiences.c.estimated)
        .join(audiences, audiences.c.run_id == runs.c.id)
        .where(runs.c.campaign_id == campaign_id)
    )
    for run, carrier, areas, area_basis, estimated in connection.execute(query):
        said = {"areas": areas, "area_basis": area_basis, "estimated": estimated}
        yield run, carrier, f"held:{hashlib.sha256(canonical(said)).hexdigest()}"


# ---- the rows of a chunk ----------------------------------------------------------------------------------


def strays(connection: Connection, campaign_id: int, batch_id: int, first: int, last: int) -> int:
    """How many deliveries between these lines are not to the batch's own subscribers: 0, unless altered."""
    d, s = deliveries.c, subscribers.c
    own = (s.batch_id == d.batch_id) & (s.seq == d.seq)
    same = (s.phone == d.phone) & (func.coalesce(s.lang, "") == func.coalesce(d.lang, ""))
    query = select(func.count()).select_from(deliveries.outerjoin(subscribers, own & same))
    within = (d.campaign_id == campaign_id, d.batch_id == batch_id, d.seq.between(first, last))
    return connection.execute(query.where(*within, s.seq.is_(None))).scalar_one()


# ---- the rows of a batch ----------------------------------------------------------------------------------


def row_bytes(
    lines: Sequence[int],
    phones: Sequence[int],
    areas: Sequence[str | None],
    languages: Sequence[str | None],
) -> bytes:
    """Subscribers column by column in their order, as their hash is over them: a line of text for each."""
    values: list[Any] = [None] * 4 * len(lines)
    values[0::4], values[1::4] = lines, phones
    values[2::4] = [area or "" for area in areas]
    values[3::4] = [language or "" for language in languages]
    # One text filled in at once costs half of one for each row. %s, not %d: who alters a row in SQLite can
    # put a fraction there, or no number.
    return ("%s %s %s %s\n" * len(lines) % tuple(values)).encode()


def rows_altered(connection: Connection, batch_id: int) -> bool:
    """Whether its subscribers are not those that were imported: two seconds for a million of them."""
    wanted = connection.execute(select(batches.c.rows_sha256).where(batches.c.id == batch_id)).scalar()
    return wanted is not None and wanted != _rows_sha256(connection, batch_id)


def _rows_sha256(connection: Connection, batch_id: int) -> str:
    found, s, last = hashlib.sha256(), subscribers.c, -1
    query = select(s.batch_id, s.seq, s.phone, s.area, s.lang).where(s.batch_id == batch_id)
    while piece := connection.execute(query.where(s.seq > last).order_by(s.seq).limit(_PIECE)).all():
        _, *columns = zip(*piece, strict=True)
        found.update(row_bytes(*columns))
        last = piece[-1].seq
    return found.hexdigest()
