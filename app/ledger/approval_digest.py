"""The digest that an approval signs, covering all that decides who gets which text, and checks against it.

Campaigns are approved and started by it; dispatch checks it again before each chunk is sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, or_, select, text, update

from app.core import hashing
from app.core.errors import Conflict
from app.core.states import CampaignState
from app.database.connection import keys_of
from app.database.models import (
    approvals,
    audiences,
    audit,
    batches,
    campaigns,
    chunks,
    deliveries,
    links,
    replacements,
    run_batches,
    runs,
    subscribers,
)
from app.ledger.contract import ChunkLease
from app.security import row_stamps
from app.security.audit_chain import ACT, bears, is_sealed
from app.security.row_stamps import canonical

Record = Row[Any]
_SIGNED = ("campaign_id", "digest", "decision", "reason", "at", "by")
_DECISIONS = ("approved", "rejected", "returned", "voided")
_GOING = ("run.start", "run.resume")  # orders after which a run sends
STOPPED = "run.stopped"  # by Loa, because something differs from what was approved or ordered
SUSPENDED = "run.suspended"  # by Loa, because too many of its messages failed, or were sent today
_ORDERS = (*_GOING, "run.pause", "run.cancel", STOPPED, SUSPENDED)
# Batches from before rows were bound have the file's hash only, so that older approvals still hold.
_MARK = (batches.c.sha256 + func.coalesce("+" + batches.c.rows_sha256, "")).label("mark")


# An answer text never changed after its approval, and its answers said the same in the same hours.
_SAME = (
    *("answers_to", "texts", "wording", "text_areas", "sender", "purpose"),
    *("day_starts", "day_ends", "directive_id"),
)


def _answer_text(connection: Connection, campaign: Record) -> Record | None:
    """Return the answer text that a week's answers say; None if they differ from it, or it is not one."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign.answers_of)).first()
    if row is None or row.answers_of is not None or row.answers_to is None:
        return None
    return row if all(getattr(row, name) == getattr(campaign, name) for name in _SAME) else None


def refuse_answers(campaign: Record, field: str = "campaign_id") -> None:
    """Raise Conflict if the campaign is an answer text, or a week's answers: they stay as they are."""
    if campaign.answers_to is not None:
        raise Conflict(
            "Campaign {campaign} was used to answer citizens and cannot be changed. Create another campaign.",
            campaign=campaign.id,
            field=field,
        )


def digest(connection: Connection, campaign: Record, like: str = "") -> str:
    """Hash the canonical JSON of text, original, sender, purpose, window, hours, runs and their audiences."""
    audience = _by_run(connection, campaign.id)
    return _digest(campaign, audience, like)


def _digest(
    campaign: Record,
    audience: dict[str, list[str]],
    like: str,
    old: bool = False,
) -> str:
    content = {
        "texts": campaign.texts,
        "sender": campaign.sender,
        "purpose": campaign.purpose,
        "window": [campaign.window_start, campaign.window_end],
        "day": [campaign.day_starts, campaign.day_ends],
        "runs": audience,
    }
    content |= _optional(campaign)
    if not old and campaign.wording is not None:
        content["original"] = campaign.wording
    return hashing.digest(canonical(content), like)


def _optional(campaign: Record) -> dict[str, Any]:
    """Return the budget, and what older campaigns had signed besides, if there is any of it."""
    said = _budget(campaign) | {"of": campaign.budget_of}
    given = {name: value for name, value in said.items() if value is not None}
    older = ("text_areas", "answers_to", "recordings")  # since 0066, 0060 and 0059 no campaign gets any
    signed = {name: value for name in older if (value := getattr(campaign, name))}
    return signed | ({"budget": given} if given else {})


def _budget(campaign: Record) -> dict[str, Any]:
    """Return the limit, or what was signed of it while it could be in đồng, if the limit is no higher."""
    most, dong, signed = campaign.budget_segments, campaign.budget_dong, campaign.budget_signed
    if dong is None and signed is None:
        return {"segments": most}
    # An SMS part cost at least a hundredth of a đồng.
    if None not in (most, dong) and most <= min(dong * 100, most if signed is None else signed):
        return {"segments": signed, "dong": dong}
    return {"segments": most, "dong": dong, "signed": signed, "altered": True}


def holds(connection: Connection, campaign: Record, signed: str) -> bool:
    """Return whether exactly this content was signed."""
    forms = [each(connection, campaign.id) for each in (_by_run, _by_carrier)]
    if any(_digest(campaign, audience, signed) == signed for audience in forms):
        return True
    # Approvals of before the original with its diacritics was part of what is signed.
    return any(_digest(campaign, audience, signed, old=True) == signed for audience in forms)


def approved(connection: Connection, campaign: Record) -> Record | None:
    """Return the approval of exactly this content, if it is the last decision on the campaign.

    Answers to citizens stand under the approval of their text.
    """
    if campaign.answers_of is not None:
        of = _answer_text(connection, campaign)
        alive = of is not None and campaign.state == CampaignState.APPROVED
        return approved(connection, of) if of is not None and alive else None
    last = last_decision(connection, campaign.id)
    if last is None or last.decision != "approved" or campaign.state != CampaignState.APPROVED:
        return None
    if not is_stamped(connection, last) or not _is_last_in_audit(connection, last):
        return None
    if campaign.budget_of is not None and not _is_budget_approved(connection, campaign.budget_of):
        return None
    return last if holds(connection, campaign, last.digest) else None


def _is_budget_approved(connection: Connection, campaign_id: int) -> bool:
    """Return whether the campaign whose budget another one shares still has what was approved."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).first()
    return row is not None and row.budget_of is None and approved(connection, row) is not None


def stamp(connection: Connection, decision: Mapping[str, Any]) -> str | None:
    """Return a MAC that only a process with the secret_key can write; None if this one has no key."""
    return row_stamps.make(connection, _signed(decision))


def is_stamped(connection: Connection, decision: Record) -> bool:
    """Return whether a process with the key wrote the decision; True if this one has no key to check."""
    return row_stamps.holds(connection, _signed(decision._asdict()), decision.stamp)


def restamp(connection: Connection) -> int:
    """Renew stamps after a change of keys; return how many were renewed."""
    rows = connection.execute(select(approvals).where(approvals.c.stamp.is_not(None))).all()
    count = 0
    for row in rows:
        if fresh := row_stamps.renewed(connection, _signed(row._asdict()), row.stamp):
            connection.execute(update(approvals).where(approvals.c.id == row.id).values(stamp=fresh))
            count += 1
    return count


def _signed(decision: Mapping[str, Any]) -> bytes:
    links = {"links": decision["links"]} if decision.get("links") else {}  # absent in older approvals
    return canonical({name: decision[name] for name in _SIGNED} | links)


def link_contents(connection: Connection, campaign_id: int) -> dict[str, list[str]] | None:
    """Return what each carrier's links make of a text, as far as any was ever open; None if none was."""
    own = select(runs.c.carrier).where(runs.c.campaign_id == campaign_id)
    own_links = (links.c.carrier.in_(own), links.c.content_hash.is_not(None))
    query = select(links.c.carrier, links.c.content_hash).where(*own_links)
    found: dict[str, list[str]] = {}
    for carrier, content_hash in connection.execute(
        query.distinct().order_by(links.c.carrier, links.c.content_hash)
    ):
        found.setdefault(carrier, []).append(content_hash)
    return found or None


def covers(decision: Record, carrier: str, content_hash: str) -> bool:
    """Return whether this link makes of the text what some link of its carrier did at the approval."""
    then = (decision.links or {}).get(carrier)
    return not content_hash or not then or content_hash in then


def template_code(decision: Record, carrier: str) -> str:
    """Return the code of the registered template that the text fitted at the approval, "" for none."""
    codes = (decision.links or {}).get(f"{carrier}/template") or [""]
    return str(codes[0])


def _is_last_in_audit(connection: Connection, decision: Record) -> bool:
    """Check that it is the audit's last decision on the campaign; audit rows are erased after some years."""
    actions = [f"campaign.{each}" for each in _DECISIONS]
    about = f"campaign/{decision.campaign_id}"

    def find() -> Record | None:
        row = _last_act(connection, about, actions)
        if row is not None:
            return row
        # The audit's beginning was erased, and this act with it.
        oldest = connection.execute(select(*ACT).order_by(audit.c.id).limit(1)).first()
        return None if oldest is None or oldest.id == 1 else oldest

    def is_it(act: Record) -> bool:
        if act.subject != about:
            return True
        said = act.action, json.loads(act.stored).get("digest")
        return said == (f"campaign.{decision.decision}", decision.digest) and is_sealed(connection, act)

    return bears(connection, f"{about} {decision.decision} {decision.digest}", find, is_it)


def is_ordered(connection: Connection, run_id: int) -> bool:
    """Return whether the last sealed order on the run lets it send; True if this process has no key."""
    if not keys_of(connection):
        return True

    def goes(act: Record) -> bool:
        return act.action in _GOING and is_sealed(connection, act)

    return bears(connection, f"run/{run_id}", lambda: last_order(connection, run_id), goes)


def last_order(connection: Connection, run_id: int) -> Record | None:
    """Return the last audit row on whether a run sends: an order, or that Loa stopped it."""
    return _last_act(connection, f"run/{run_id}", _ORDERS)


def authors(connection: Connection, campaign_id: int) -> set[str]:
    """Return who wrote, changed or last submitted it by sealed audit rows; its own row may be altered."""
    subject, actions = f"campaign/{campaign_id}", ("campaign.create", "campaign.edit")
    query = select(*ACT).where(audit.c.subject == subject, audit.c.action.in_(actions))
    submitted = _last_act(connection, subject, ("campaign.submit",))
    found = [*connection.execute(query).all(), *([submitted] if submitted else ())]
    return {row.who for row in found if is_sealed(connection, row)}


def stands(connection: Connection, campaign: Record, *, alive: bool) -> bool:
    """Return whether it is still what was approved; approvals of finished campaigns may lack a stamp."""
    if campaign.answers_of is not None and not alive:
        return _was_approved(connection, _answer_text(connection, campaign))
    last = last_decision(connection, campaign.id)
    if alive or last is None or last.stamp is not None:
        return approved(connection, campaign) is not None
    return last.decision == "approved" and holds(connection, campaign, last.digest)


def _was_approved(connection: Connection, record: Record | None) -> bool:
    """Return whether an answer text, perhaps withdrawn since, was once approved as it is."""
    if record is None:
        return False
    a = approvals.c
    query = select(approvals).where(a.campaign_id == record.id, a.decision == "approved")
    rows = connection.execute(query).all()
    return any(is_stamped(connection, row) and holds(connection, record, row.digest) for row in rows)


def was_approved(connection: Connection, campaign: Record) -> bool:
    """Return whether a stamped approval signed exactly this content, whatever was decided later.

    True if this process has no key: rows then vouch for nothing.
    """
    if not keys_of(connection):
        return True
    of = campaign if campaign.answers_of is None else _answer_text(connection, campaign)
    return _was_approved(connection, of)


def altered_chunks(connection: Connection, campaign_id: int) -> Iterator[Record]:
    """Yield chunks that are still to be sent and differ from what was queued."""
    open_ = select(chunks).where(chunks.c.campaign_id == campaign_id, chunks.c.state < 2)
    for chunk in connection.execute(open_.order_by(chunks.c.batch_id, chunks.c.first_seq)).all():
        if is_altered(connection, chunk):
            yield chunk


def _last_act(connection: Connection, subject: str, actions: Sequence[str]) -> Record | None:
    return connection.execute(_LAST_ACT, {"about": subject, "among": list(actions)}).first()


def last_decision(connection: Connection, campaign_id: int) -> Record | None:
    return connection.execute(_LAST, {"of": campaign_id}).first()


# Built once: every page of a campaign, and every start, asks them.
_LAST = (
    select(approvals)
    .where(approvals.c.campaign_id == bindparam("of"))
    .order_by(approvals.c.id.desc())
    .limit(1)
)
_LAST_ACT = (
    select(*ACT)
    .where(audit.c.subject == bindparam("about"), audit.c.action.in_(bindparam("among", expanding=True)))
    .order_by(audit.c.id.desc())
    .limit(1)
)
_RUNS = select(runs.c.id, runs.c.carrier).where(runs.c.campaign_id == bindparam("of"))
_BATCHES = (
    select(runs.c.id, runs.c.carrier, _MARK, runs.c.campaign_id, run_batches.c.campaign_id)
    .join(run_batches, run_batches.c.run_id == runs.c.id)
    .join(batches, batches.c.id == run_batches.c.batch_id)
    .where(or_(runs.c.campaign_id == bindparam("of"), run_batches.c.campaign_id == bindparam("of")))
    .order_by(runs.c.carrier, batches.c.sha256)
)
_REPLACED = (  # whom these wrote to is left out
    select(replacements.c.replaced_id)
    .where(replacements.c.campaign_id == bindparam("of"))
    .order_by(replacements.c.replaced_id)
)
_HELD = ("areas", "area_basis", "estimated", "spoken")
_AUDIENCES = (
    select(
        runs.c.id,
        runs.c.carrier,
        *(audiences.c[name] for name in ("areas", "area_basis", "estimated", "spoken")),
    )
    .join(audiences, audiences.c.run_id == runs.c.id)
    .where(runs.c.campaign_id == bindparam("of"))
)


def _by_run(connection: Connection, campaign_id: int) -> dict[str, list[str]]:
    """Return hashes of files, rows and carrier audiences by "run carrier"; a run may have both kinds."""
    own = connection.execute(_RUNS, {"of": campaign_id})
    found: dict[str, list[str]] = {f"{run} {carrier}": [] for run, carrier in own}
    for run, carrier, mark in _marks(connection, campaign_id):
        found.setdefault(f"{run} {carrier}", []).append(mark)
    replaced = connection.execute(_REPLACED, {"of": campaign_id}).scalars().all()
    return found | ({"replaces": list(map(str, replaced))} if replaced else {})


def _by_carrier(connection: Connection, campaign_id: int) -> dict[str, list[str]]:
    """Return the same by carrier only, as approvals signed it before they named runs."""
    found: dict[str, list[str]] = {}
    for _, carrier, mark in _marks(connection, campaign_id):
        found.setdefault(carrier, []).append(mark)
    return found


def _marks(connection: Connection, campaign_id: int) -> Iterator[tuple[int, str, str]]:
    for run, carrier, sha256, of_run, of_link in connection.execute(_BATCHES, {"of": campaign_id}):
        # Nobody has approved a link whose campaign differs from its run's.
        yield run, carrier, sha256 if of_run == of_link else f"{sha256} {of_run} {of_link}"
    for row in connection.execute(_AUDIENCES, {"of": campaign_id}):
        said = {"areas": row.areas, "area_basis": row.area_basis, "estimated": row.estimated}
        said |= {"spoken": True} if row.spoken else {}
        yield row.id, row.carrier, f"held:{hashlib.sha256(canonical(said)).hexdigest()}"


# ---- rows of a chunk


def _count_strays(connection: Connection, chunk: Any) -> int:
    """Count deliveries of a chunk that are not to the batch's own subscribers; 0 unless altered."""
    d, s = deliveries.c, subscribers.c
    own = (s.batch_id == d.batch_id) & (s.seq == d.seq)
    same = (s.phone == d.phone) & (func.coalesce(s.area, "") == func.coalesce(d.area, ""))
    query = select(func.count()).select_from(deliveries.outerjoin(subscribers, own & same))
    lines = d.seq.between(chunk.first_seq, chunk.last_seq)
    within = (d.campaign_id == chunk.campaign_id, d.batch_id == chunk.batch_id, lines)
    return connection.execute(query.where(*within, s.seq.is_(None))).scalar_one()


def bind(connection: Connection, campaign_id: int, batch_id: int, after: int, last: int) -> None:
    """Stamp the chunks of these lines with what they will send, right after queueing."""
    c = chunks.c
    those = (c.campaign_id == campaign_id, c.batch_id == batch_id, c.first_seq > after, c.last_seq <= last)
    _bind(connection, connection.execute(select(chunks).where(*those)).all() if keys_of(connection) else ())


def bind_open(connection: Connection, campaign_id: int | None = None) -> int:
    """Stamp unsent chunks from before there was a key, unless they were altered since."""
    c = chunks.c
    query = select(chunks).where(c.stamp.is_(None), c.state < 2)
    if campaign_id is not None:
        query = query.where(c.campaign_id == campaign_id)
    found = [each for each in connection.execute(query).all() if not _count_strays(connection, each)]
    return _bind(connection, found if keys_of(connection) else ())


def _bind(connection: Connection, chunk_rows: Sequence[Any]) -> int:
    for chunk in chunk_rows:
        stamp = row_stamps.make(connection, _to_send(connection, chunk))
        connection.execute(update(chunks).where(*_chunk_key(chunk)).values(stamp=stamp))
    return len(chunk_rows)


def is_altered(connection: Connection, chunk: Any) -> bool:
    """Return whether a chunk (or its lease) differs from what was queued: one aggregate over its own rows."""
    if not keys_of(connection):
        return _count_strays(connection, chunk) > 0
    stamp = connection.execute(select(chunks.c.stamp).where(*_chunk_key(chunk))).scalar()
    if row_stamps.holds(connection, _to_send(connection, chunk), stamp):
        return False
    # Older stamps bind no area.
    return not row_stamps.holds(connection, _to_send(connection, chunk, areas=False), stamp)


_QUEUED = "SELECT sum(n) FROM tallies WHERE run_id = :run AND state = 0 AND batch_id = :batch"
_QUEUED_FOLDED, _QUEUED_ALL = text(f"{_QUEUED} AND folded"), text(_QUEUED)


def is_set_back(connection: Connection, lease: ChunkLease) -> bool:
    """Return whether a chunk has more to send than the tallies say is queued of its batch.

    Every change of a state moves its tally in the same transaction, so rows were set back outside Loa to be
    sent again. False if this process has no key, as for all that is altered.
    """
    if not keys_of(connection):
        return False
    place, n = {"run": lease.run_id, "batch": lease.batch_id}, len(lease.items)
    # Those that were folded by now are enough but in the first seconds, and are found by an index.
    if n <= (connection.execute(_QUEUED_FOLDED, place).scalar() or 0):
        return False
    return n > (connection.execute(_QUEUED_ALL, place).scalar() or 0)


def _chunk_key(chunk: Any) -> tuple[ColumnElement[bool], ...]:
    c = chunks.c
    own = (c.campaign_id == chunk.campaign_id, c.batch_id == chunk.batch_id)
    return *own, c.first_seq == chunk.first_seq


_LINES = {
    "sqlite": """
        SELECT group_concat(line, char(10)) FROM (
          SELECT seq || ' ' || phone || ' ' || CASE WHEN ? THEN coalesce(area, '') ELSE '' END AS line
            FROM deliveries
           WHERE campaign_id = ? AND batch_id = ? AND seq BETWEEN ? AND ? ORDER BY seq)
    """,
    "postgresql": """
        SELECT string_agg(seq || ' ' || phone || ' ' || CASE WHEN %s THEN coalesce(area, '') ELSE '' END,
                          chr(10) ORDER BY seq)
          FROM deliveries WHERE campaign_id = %s AND batch_id = %s AND seq BETWEEN %s AND %s
    """,
}


def _to_send(connection: Connection, chunk: Any, *, areas: bool = True) -> bytes:
    """Return what a chunk sends: its run, and for each line number, phone and area."""
    place = (chunk.campaign_id, chunk.batch_id, chunk.first_seq, chunk.last_seq)
    lines = connection.exec_driver_sql(_LINES[connection.dialect.name], (areas, *place)).scalar()
    return "\n".join(map(str, ("chunk", chunk.run_id, *place, lines))).encode()
