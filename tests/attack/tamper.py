"""Ways to tamper of somebody who may write every row, but has no key, for tests/long/app/test_tamper.py.

Each is what SQL alone can do: to a run about to start, to one in the middle, to accounts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from app.core import clock
from app.database import models as m
from app.database.connection import Database
from app.database.models import (
    api_keys,
    approvals,
    audiences,
    batches,
    campaigns,
    chunks,
    deliveries,
    erasures,
    people,
    recovery_codes,
    run_batches,
    runs,
    sessions,
    subscribers,
)
from app.ledger import approval_digest, batch_rows
from app.privacy import do_not_send
from app.security import audit, audit_chain
from tests.app.world import World

STRANGER = 84_999_999_999
SCAM = "Gui tien ngay"
NOW = 1_700_000_000_000
TOKEN, SECRET = "loas_forged", "forged"

Change = Callable[[Connection, World], Any]


def _text(c: Connection, _: World) -> None:
    c.execute(update(campaigns).values(texts={"": SCAM}))


def _digest(c: Connection, world: World) -> str:
    row = c.execute(select(campaigns).where(campaigns.c.id == world.campaign)).one()
    return approval_digest.digest(c, row)


def _text_and_digest(c: Connection, world: World) -> None:
    _text(c, world)
    c.execute(update(approvals).values(digest=_digest(c, world)))


def _chained(c: Connection, rows: list[dict[str, Any]]) -> None:
    """The audit written anew, each row chained to the one before as anybody can compute it."""
    c.execute(delete(m.audit))
    before = audit.START
    for number, row in enumerate(rows, 1):
        said = (number, *(row[name] for name in ("at", "who", "origin", "action", "subject")))
        before = audit.link(before, (*said, json.dumps(row["detail"])))
        c.execute(insert(m.audit).values(row | {"id": number, "hash": before}))


def _acts(c: Connection) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in c.execute(select(m.audit).order_by(m.audit.c.id))]


def _text_digest_and_audit(c: Connection, world: World) -> None:
    _text_and_digest(c, world)
    said = {"digest": _digest(c, world)}
    _chained(
        c, [row | ({"detail": row["detail"] | said} if "digest" in row["detail"] else {}) for row in _acts(c)]
    )


def _second_approval(c: Connection, world: World) -> None:
    _text(c, world)
    row = c.execute(select(approvals).order_by(approvals.c.id.desc()).limit(1)).one()._asdict()
    c.execute(insert(approvals).values(row | {"id": row["id"] + 1, "digest": _digest(c, world)}))


def _act(c: Connection, action: str, subject: str, **detail: Any) -> None:
    """An act put at the end of the audit, chained as it must be, with the seal of the last one."""
    last = _acts(c)[-1]
    said = (last["id"] + 1, NOW, "operator", "", action, subject)
    row = dict(zip(audit_chain.SAID, said, strict=True)) | {"detail": detail, "seal": last["seal"]}
    digest = audit.link(last["hash"], (*said, json.dumps(detail)))
    c.execute(insert(m.audit).values(row | {"hash": digest}))


def _never_approved(c: Connection, world: World) -> None:
    """Another campaign, approved by nobody, with a run and the same list."""
    row = c.execute(select(campaigns)).one()._asdict() | {"id": 77, "texts": {"": SCAM}}
    c.execute(insert(campaigns).values(row))
    run = c.execute(select(runs)).one()._asdict() | {"id": 77, "campaign_id": 77, "state": "running"}
    c.execute(insert(runs).values(run))
    c.execute(insert(run_batches).values(campaign_id=77, run_id=77, batch_id=world.batch))
    digest = approval_digest.digest(c, c.execute(select(campaigns).where(campaigns.c.id == 77)).one())
    decision = c.execute(select(approvals).limit(1)).one()._asdict()
    c.execute(insert(approvals).values(decision | {"id": 99, "campaign_id": 77, "digest": digest}))
    _act(c, "campaign.approved", "campaign/77", digest=digest)
    _act(c, "run.start", "run/77")


def _rows_hash(c: Connection, world: World) -> None:
    """The hash of the batch's rows as they are now, as its column has it."""
    s = subscribers.c
    rows = c.execute(select(s.seq, s.phone, s.area).where(s.batch_id == world.batch).order_by(s.seq)).all()
    found = hashlib.sha256(batch_rows.row_bytes(*zip(*rows, strict=True)))
    c.execute(update(batches).where(batches.c.id == world.batch).values(rows_sha256=found.hexdigest()))


def _phone(c: Connection, world: World, seq: int = 5) -> None:
    own = (subscribers.c.batch_id == world.batch, subscribers.c.seq == seq)
    c.execute(update(subscribers).where(*own).values(phone=STRANGER))


def _phone_and_hash(c: Connection, world: World) -> None:
    _phone(c, world)
    _rows_hash(c, world)


def _one_more(c: Connection, world: World) -> None:
    last = c.execute(select(func.max(subscribers.c.seq))).scalar_one()
    c.execute(insert(subscribers).values(batch_id=world.batch, seq=last + 1, phone=STRANGER))
    c.execute(update(batches).values(accepted=batches.c.accepted + 1, lines=batches.c.lines + 1))


def _other_batch(c: Connection) -> int:
    row = {"carrier": "viettel", "name": "b.csv", "sha256": "b" * 64, "state": "ready", "created_at": 0}
    made = c.execute(insert(batches).values(row | {"created_by": "x"}).returning(batches.c.id)).scalar_one()
    c.execute(insert(subscribers).values(batch_id=made, seq=1, phone=STRANGER))
    return int(made)


def _batch_exchanged(c: Connection, _: World) -> None:
    c.execute(update(run_batches).values(batch_id=_other_batch(c)))


def _batch_added(c: Connection, world: World) -> None:
    link = {"campaign_id": world.campaign, "run_id": world.run, "batch_id": _other_batch(c)}
    c.execute(insert(run_batches).values(link))


def _held(c: Connection, world: World) -> None:
    row = {"run_id": world.run, "areas": [], "area_basis": "dia_chi_dang_ky", "estimated": 1}
    c.execute(insert(audiences).values(row))


def _voided(c: Connection, world: World) -> None:
    """An approval was taken back by Loa itself; then the row that says so is deleted."""
    c.execute(delete(approvals).where(approvals.c.decision == "voided"))


def _rejected(c: Connection, _: World) -> None:
    c.execute(update(approvals).values(decision="approved", stamp=None))
    c.execute(update(campaigns).values(sender="CA SONLB"))


def _delivery(c: Connection, world: World) -> None:
    c.execute(update(deliveries).where(deliveries.c.seq == 15).values(phone=STRANGER))


def _delivery_and_subscriber(c: Connection, world: World) -> None:
    _delivery(c, world)
    _phone(c, world, 15)


def _area(c: Connection, world: World) -> None:
    for table in (deliveries, subscribers):
        c.execute(update(table).where(table.c.seq == 15).values(area="03650"))


def _chunk_added(c: Connection, world: World) -> None:
    _one_more(c, world)
    seq = c.execute(select(func.max(subscribers.c.seq))).scalar_one()
    own = {"campaign_id": world.campaign, "batch_id": world.batch, "run_id": world.run}
    c.execute(insert(deliveries).values(own | {"seq": seq, "phone": STRANGER}))
    stamp = c.execute(select(chunks.c.stamp).limit(1)).scalar()
    c.execute(
        insert(chunks).values(own | {"first_seq": seq, "last_seq": seq, "watermark": seq - 1, "stamp": stamp})
    )


def _chunk_widened(c: Connection, world: World) -> None:
    """The last chunk has one line more, which was never queued."""
    _one_more(c, world)
    seq = c.execute(select(func.max(subscribers.c.seq))).scalar_one()
    own = {"campaign_id": world.campaign, "batch_id": world.batch, "run_id": world.run}
    c.execute(insert(deliveries).values(own | {"seq": seq, "phone": STRANGER}))
    c.execute(update(chunks).where(chunks.c.last_seq == seq - 1).values(last_seq=seq))


def _going_again(c: Connection, world: World) -> None:
    """Its operator has paused it."""
    c.execute(update(runs).values(state="running"))


def _pause_cut(c: Connection, world: World) -> None:
    """The same, and the last act is deleted that says so."""
    _going_again(c, world)
    c.execute(delete(m.audit).where(m.audit.c.action == "run.pause"))


def _pause_renamed(c: Connection, world: World) -> None:
    """The same, and that act is made another one, chained as it must be and without a seal."""
    _going_again(c, world)
    rows = _acts(c)
    at = next(place for place, row in enumerate(rows) if row["action"] == "run.pause")
    said = [*(rows[at][name] for name in audit_chain.SAID), json.dumps(rows[at]["detail"])]
    said[4] = "run.looked_at"
    digest = audit.link(rows[at - 1]["hash"], said)
    changed = {"action": said[4], "hash": digest, "seal": None}
    c.execute(update(m.audit).where(m.audit.c.id == rows[at]["id"]).values(changed))


def _voided_cut(c: Connection, world: World) -> None:
    """An approval is put back that was taken back by Loa, its act cut off the audit."""
    _voided(c, world)
    c.execute(delete(m.audit).where(m.audit.c.action == "campaign.voided"))


def _never_started(c: Connection, world: World) -> None:
    c.execute(update(runs).values(state="running", started_at=NOW))
    _act(c, "run.start", f"run/{world.run}", campaign=world.campaign)


def _session(c: Connection, _: World) -> None:
    person = c.execute(select(people.c.id).where(people.c.name == "chief")).scalar_one()
    now = clock.now_ms()
    row = {"person_id": person, "token_hash": hashlib.sha256(TOKEN.encode()).digest(), "created_at": now}
    c.execute(insert(sessions).values(row | {"seen_at": now}))


def _key(c: Connection, _: World) -> None:
    row = c.execute(select(api_keys).where(api_keys.c.name == "boss")).one()._asdict()
    row |= {"id": 99, "name": "mallory", "prefix": "f0f0f0f0", "revoked_at": None}
    row |= {"secret_hash": hashlib.sha256(SECRET.encode()).digest()}
    c.execute(insert(api_keys).values(row))


def _key_hash(c: Connection, _: World) -> None:
    found = hashlib.sha256(SECRET.encode()).digest()
    c.execute(update(api_keys).where(api_keys.c.name == "boss").values(secret_hash=found, prefix="f0f0f0f0"))


def _as_operator(c: Connection) -> Any:
    return c.execute(select(people).where(people.c.name == "lan")).one()


def _password(c: Connection, _: World) -> None:
    """The hash of the own password in the approver's row, and no second factor."""
    chief = update(people).where(people.c.name == "chief")
    c.execute(chief.values(password_hash=_as_operator(c).password_hash, totp_secret=None, totp_since=None))


def _factor(c: Connection, _: World) -> None:
    """The own password and the own second factor in the approver's row."""
    own = _as_operator(c)
    values = {"password_hash": own.password_hash, "totp_secret": own.totp_secret, "totp_since": NOW}
    c.execute(update(people).where(people.c.name == "chief").values(values))


def _recovery(c: Connection, _: World) -> None:
    person = c.execute(select(people.c.id).where(people.c.name == "chief")).scalar_one()
    c.execute(
        insert(recovery_codes).values(person_id=person, code_hash=hashlib.sha256(SECRET.encode()).digest())
    )


# Rows of the scene as they were before Loa ended what they stand for, stamps and all.
OLD: dict[str, dict[str, Any]] = {}


def _put_back(table: Any, name: str) -> Change:
    def change(c: Connection, _: World) -> None:
        c.execute(update(table).where(table.c.name == name).values(OLD[name]))

    return change


def _cut(c: Connection, _: World) -> None:
    last = c.execute(select(func.max(m.audit.c.id))).scalar_one()
    c.execute(delete(m.audit).where(m.audit.c.id > last - 2))


def _whole(c: Connection, _: World) -> None:
    _chained(c, [row | {"who": "Mallory", "seal": None} for row in _acts(c)])


def _erased(c: Connection, _: World) -> None:
    """The first acts under an erasure that is said to be under way."""
    first = c.execute(select(m.audit).order_by(m.audit.c.id).limit(1)).one()
    c.execute(delete(m.audit).where(m.audit.c.id == first.id))
    values = {"kind": "audit", "name": "x", "rule": "x", "days": 90, "due_at": 1, "counts": {}, "kept": {}}
    values |= {
        "totals": [],
        "by": "loa",
        "started_at": NOW,
        "months": 24,
        "anchor": f"{first.id}:{first.hash}",
    }
    c.execute(insert(erasures).values(values))


def _set(table: Any, **values: Any) -> Change:
    return lambda c, _: c.execute(update(table).values(values))


def _of(table: Any, name: str, **values: Any) -> Change:
    return lambda c, _: c.execute(update(table).where(table.c.name == name).values(values))


BEFORE: dict[str, Change] = {
    "the text": _text,
    "the text, and the digest computed again": _text_and_digest,
    "the text, the digest and the whole audit": _text_digest_and_audit,
    "the text, and a second approval with the stamp of the first": _second_approval,
    "the sender": _set(campaigns, sender="CA SONLB"),
    "the purpose": _set(campaigns, purpose="canh_bao"),
    "the window begins earlier": _set(campaigns, window_start=1),
    "the window ends later": _set(campaigns, window_end=4_102_444_800_000),
    "the hours of the day": _set(campaigns, day_ends="23:59"),
    "the stamp of the approval taken away": _set(approvals, stamp=None),
    "another approver": _set(approvals, by="chief"),
    "an approval that was taken back": _voided,
    "an approval that was taken back, and its act cut off": _voided_cut,
    "a rejection made an approval": _rejected,
    "a number": _phone,
    "a number, and the hash of the rows": _phone_and_hash,
    "a number more": _one_more,
    "another batch in its place": _batch_exchanged,
    "a batch more": _batch_added,
    "an audience of the carrier's": _held,
    "a run of another carrier": _set(runs, carrier="vnpt"),
    "a campaign that nobody has approved": _never_approved,
    "a run that nobody has started": _never_started,
}
MIDDLE: dict[str, Change] = {
    "the text in the middle": _text,
    "the number of a delivery": _delivery,
    "the number of a delivery and of its subscriber": _delivery_and_subscriber,
    "the area of a delivery and of its subscriber": _area,
    "a chunk more": _chunk_added,
    "a chunk with a line more": _chunk_widened,
    "a run that its operator has paused": _going_again,
    "a paused run, and the pause cut off the audit": _pause_cut,
    "a paused run, and the pause made another act": _pause_renamed,
}
# Of a campaign that was sent: what the public check must not call genuine.
SENT: dict[str, Change] = {
    "the text that was sent": _text,
    "the text that was sent, and the digest computed again": _text_and_digest,
    "the text that was sent, its digest, and no stamp": lambda c, world: (
        _text_and_digest(c, world),
        c.execute(update(approvals).values(stamp=None)),
    ),
    "the text that was sent, the digest and the whole audit": _text_digest_and_audit,
    "the sender that it had": _set(campaigns, sender="CA SONLB", texts={"": SCAM}),
}


def opted_out(db: Database) -> set[int]:
    """Five of the run's people are on the carrier's list; the seal of a shorter list is remembered."""
    refused = [84_912_000_000 + n for n in range(5)]
    db.write(do_not_send.add, "viettel", ["84987654321"], "an")
    db.write(do_not_send.remove, "viettel", ["84987654321"], "an")
    OLD["seal"] = dict(db.read(lambda c: c.execute(select(m.opt_out_seals)).one())._mapping)
    db.write(do_not_send.add, "viettel", [str(each) for each in refused], "an")
    return set(refused)


def _set_back(c: Connection, _: World) -> None:
    """All that was sent is to be sent once more."""
    c.execute(update(deliveries).values(state=0, attempts=0))
    c.execute(update(chunks).values(state=0, watermark=chunks.c.first_seq - 1, pass_no=1))
    c.execute(update(runs).values(state="running", ended_at=None))


def _set_back_and_forgotten(c: Connection, world: World) -> None:
    """The same, and no answer of the carrier is left."""
    _set_back(c, world)
    c.execute(delete(m.submissions))


# Of a run that was sent: what must not go out again.
AGAIN: dict[str, Change] = {
    "a run that was sent": _set_back,
    "a run that was sent, and what the carrier answered": _set_back_and_forgotten,
}
# Of a list that has five of the run's numbers: nobody on it is sent anything.
OPT_OUTS: dict[str, Change] = {
    "a number taken off a do-not-send list": lambda c, _: c.execute(
        delete(m.do_not_send).where(
            m.do_not_send.c.id == select(func.max(m.do_not_send.c.id)).scalar_subquery()
        )
    ),
    "a do-not-send list emptied": lambda c, _: c.execute(delete(m.do_not_send)),
    "a do-not-send list and its seal": lambda c, _: (
        c.execute(delete(m.do_not_send)),
        c.execute(delete(m.opt_out_seals)),
    ),
    "another number put in the place of one": lambda c, _: c.execute(
        update(m.do_not_send)
        .where(m.do_not_send.c.id == select(func.min(m.do_not_send.c.id)).scalar_subquery())
        .values(phone=STRANGER)
    ),
    "a do-not-send list with the seal of before": lambda c, _: (
        c.execute(delete(m.do_not_send)),
        c.execute(update(m.opt_out_seals).values(OLD["seal"])),
    ),
    "the number in the seal": lambda c, _: (
        c.execute(delete(m.do_not_send)),
        c.execute(update(m.opt_out_seals).values(numbers=0)),
    ),
}
PAUSED = tuple(way for way in MIDDLE if "paused" in way)
ACCOUNTS: dict[str, Change] = {
    "the role of a person": _of(people, "an", role="approver", carrier=None),
    "the role of a key": _of(api_keys, "robot", role="approver", carrier=None),
    "an approver's password, and no second factor": _password,
    "an approver's password and second factor": _factor,
    "a recovery code more": _recovery,
    "a session of an approver": _session,
    "a key more": _key,
    "the secret of a key": _key_hash,
    "a key that was revoked": _of(api_keys, "gone", revoked_at=None),
    "a key that was revoked, put back with its stamp": _put_back(api_keys, "gone"),
    "a person who was disabled, put back with the stamp": _put_back(people, "binh"),
    "who stands behind an approver": _of(people, "mai", behind=[]),
    "the author's name in a campaign": _set(
        campaigns, created_by="nobody", submitted_by="nobody", editors=[]
    ),
}
AUDIT: dict[str, Change] = {
    "the last acts": _cut,
    "every act, chained again": _whole,
    "the first acts, as if they were erased": _erased,
}
