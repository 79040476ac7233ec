"""A small campaign written straight into the tables, consistent until a test spoils it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from app.campaigns import approval
from app.core.states import ChunkState, DeliveryState, NotSent
from app.database import models as m
from app.database.connection import Database
from app.ledger.approval_digest import digest
from app.ledger.contract import ResultKind
from app.ledger.ledger import ledger_for
from app.security import kept_rows
from carriers.contract import Reason

S = DeliveryState
T0 = 1_706_493_600_000  # 29-01-2024 09:00 in Vietnam
HOUR = 3_600_000
DAY = 24 * HOUR
AREA = "03646"


class Scene:
    """Campaign 1 with run 1 (vnpt), batch 1 and a handset-level link; more of each by its methods."""

    def __init__(self, state: str = "running", level: int = 2, name: str = "Phòng, chống lừa đảo") -> None:
        self.rows: defaultdict[Table, list[dict[str, Any]]] = defaultdict(list)
        self.seqs: Counter[int] = Counter()
        self.run_of: dict[int, int] = {}
        self.fanned: dict[int, int] = {}
        self.approved_at: dict[int, int] = {}  # campaign -> when; the rest an hour before the first message
        head = {
            "number": "303/CAT-PA05",
            "issued_on": "2024-01-29",
            "issuer": "CAT",
            "subject": "Tuyên truyền",
        }
        self.add(m.directives, id=1, addressees=["VNPT"], created_at=T0, created_by="an", **head)
        self.campaign(1, name)
        self.run(1, "vnpt", state, level)
        self.batch(1)

    def add(self, table: Table, **row: Any) -> None:
        self.rows[table].append(row)

    def campaign(self, id: int, name: str = "Chiến dịch") -> None:
        text = {
            "": "Công an không làm việc qua điện thoại. KHÔNG chuyển tiền, KHÔNG đọc OTP cho ai."
        }  # two parts
        hours = {"day_starts": "07:00", "day_ends": "21:00"}
        who = {"created_at": T0, "created_by": "an", "directive_id": 1 if id == 1 else None}
        values = {"purpose": "tuyen_truyen", "sender": "CATSONLA", "texts": text, "state": "approved"}
        self.add(m.campaigns, id=id, name=name, **values, **hours, **who)

    def run(
        self, id: int, carrier: str, state: str = "running", level: int = 2, campaign: int = 1, **more: Any
    ) -> None:
        row = {"closing": None, "started_at": T0, "ended_at": None} | more
        self.add(m.runs, id=id, campaign_id=campaign, carrier=carrier, state=state, created_at=T0, **row)
        link = {"name": f"{carrier}-{id}", "carrier": carrier, "receipt_group": f"{carrier}-{id}"}
        more_link = {"segments_per_second": 100.0, "receipt_level": level, "state": "running"}
        self.add(m.links, id=id, group_id=id, changed_at=T0, **link, **more_link)

    def batch(self, id: int, run: int = 1) -> None:
        self.run_of[id] = run

    def bad(self, reason: str, batch: int = 1) -> None:
        """A line left out at import: a wrong number, or "repeated"."""
        self.seqs[batch] += 1
        value = "8491*****01"
        self.add(m.bad_lines, batch_id=batch, line=self.seqs[batch], reason=reason, value=value)

    def subscriber(self, batch: int = 1, area: str | None = AREA, phone: int | None = None) -> dict[str, Any]:
        """A subscriber who has not been queued yet, unless a message follows."""
        self.seqs[batch] += 1
        seq = self.seqs[batch]
        number = phone or 84_910_000_000 + batch * 100_000 + seq
        row = {"batch_id": batch, "seq": seq, "phone": number, "area": area}
        self.add(m.subscribers, **row)
        return row

    def repeated(self, phone: int, batch: int = 1, area: str | None = AREA) -> None:
        """A subscriber whom another batch of the campaign has already."""
        row = self.subscriber(batch, area, phone)
        self.fanned[batch] = row["seq"]
        self._tally(row, S.EXCLUDED, int(NotSent.REPEATED), 0)

    def message(self, state: S, *, batch: int = 1, area: str | None = AREA, **values: Any) -> dict[str, Any]:
        """A delivery in this state, with the submissions and receipts that brought it there."""
        row = self.subscriber(batch, area)
        self.fanned[batch] = row["seq"]
        sent = state not in (S.QUEUED, S.NOT_SENT)
        done = sent and state not in (S.SUBMITTED, S.UNKNOWN, S.REJECTED)
        base = {"campaign_id": self._campaign_of(batch), "run_id": self.run_of[batch], "state": int(state)}
        base |= {"reason": _usual_reason(state), "segments": 1, "parts": 1, "link_id": self.run_of[batch]}
        base |= {"delivered": 0, "relayed": 0, "failed": 0, "attempts": 0, "faults": 0}
        base |= {"submitted_at": T0 if sent else None, "done_at": T0 + 5000 if done else None}
        base |= _masks(state, values.get("parts", 1))
        delivery = row | base | values
        self.add(m.deliveries, **delivery)
        self._tally(row, state, delivery["reason"], delivery["segments"])
        self._history(delivery)
        return delivery

    def _history(self, d: dict[str, Any]) -> None:
        kind = {S.REJECTED: ResultKind.REJECTED, S.UNKNOWN: ResultKind.UNKNOWN}.get(S(d["state"]))
        if d["submitted_at"] is not None:
            for part in range(d["parts"]):
                self.submission(d, part=part, result=int(kind or ResultKind.ACCEPTED))
        if d["state"] == S.UNKNOWN:
            key = {name: d[name] for name in ("campaign_id", "batch_id", "seq", "run_id", "phone")}
            self.add(m.unknowns, **key, link_id=1, group_id=1, since=T0, why="the answer was lost")
        if d["state"] != S.REJECTED:
            self._receipts(d)

    def submission(self, d: dict[str, Any], **values: Any) -> None:
        key = {name: d[name] for name in ("campaign_id", "batch_id", "seq")}
        base = {"attempt": 1, "part": 0, "at": T0, "link_id": 1, "group_id": 1, "code": None}
        row = key | base | {"result": int(ResultKind.ACCEPTED), "reference": None} | values
        self.add(m.submissions, **row)

    def _receipts(self, d: dict[str, Any]) -> None:
        for part in range(d["parts"]):
            for mask, status, level in (
                (d["delivered"], "delivered", 2),
                (d["relayed"], "delivered", 1),
                (d["failed"], "expired" if d["state"] == S.EXPIRED else "undelivered", 2),
            ):
                if mask >> part & 1:
                    reason = d["reason"] if status != "delivered" else 0
                    self.receipt(d, part=part, status=status, level=level, reason=reason)

    def receipt(self, d: dict[str, Any], **values: Any) -> None:
        key = {name: d[name] for name in ("campaign_id", "batch_id", "seq", "phone")}
        base = {"part": 0, "changed": True, "received_at": T0 + 5000, "link_id": 1, "group_id": 1}
        self.add(m.receipts, **(key | base | {"level": 2, "reason": 0, "status": "delivered"} | values))

    def _tally(self, row: dict[str, Any], state: int, reason: int, segments: int) -> None:
        batch = row["batch_id"]
        key = {"campaign_id": self._campaign_of(batch), "run_id": self.run_of[batch], "batch_id": batch}
        self.add(m.tallies, **key, area=row["area"], state=int(state), reason=reason, n=1, segments=segments)

    def _campaign_of(self, batch: int) -> int:
        run = self.run_of[batch]
        return int(next(r["campaign_id"] for r in self.rows[m.runs] if r["id"] == run))

    def save(self, db: Database) -> Scene:
        """Write it all; batches, chunks and run_batches follow from what was added."""
        for batch in self.run_of:
            self._finish(batch)
        db.write(self._save, db)
        return self

    def _finish(self, batch: int) -> None:
        tables = (m.bad_lines, m.subscribers, m.deliveries)
        bad, kept, sent = ([r for r in self.rows[table] if r["batch_id"] == batch] for table in tables)
        repeats = sum(r["reason"] == "repeated" for r in bad)
        counts = {"lines": len(bad) + len(kept), "accepted": len(kept), "repeated": repeats}
        carrier = next(r["carrier"] for r in self.rows[m.runs] if r["id"] == self.run_of[batch])
        head = {"carrier": carrier, "name": f"lô {batch}", "sha256": f"{batch:064d}", "state": "ready"}
        who = {"created_at": T0, "created_by": "an", "rejected": len(bad) - repeats}
        self.add(m.batches, id=batch, **head, **counts, **who)
        own = {"campaign_id": self._campaign_of(batch), "batch_id": batch, "run_id": self.run_of[batch]}
        self.add(m.run_batches, **own, fanned_upto=self.fanned.get(batch, 0))
        if sent:
            seqs = [r["seq"] for r in sent]
            state = ChunkState.READY if any(r["state"] == S.QUEUED for r in sent) else ChunkState.DONE
            span = {"first_seq": min(seqs), "last_seq": max(seqs), "watermark": max(seqs)}
            self.add(m.chunks, **own, **span, state=int(state))

    def _save(self, connection: Connection, db: Database) -> None:
        for campaign in self.rows[m.campaigns]:
            ledger_for(db).open_campaign(connection, campaign["id"])
        for table in m.metadata.sorted_tables:
            names = {name for row in self.rows[table] for name in row}
            blank = dict.fromkeys(sorted(names))
            if self.rows[table]:
                connection.execute(insert(table), [blank | row for row in self.rows[table]])
        decided = {row["campaign_id"] for row in self.rows[m.approvals]}
        for row in self.rows[m.campaigns]:
            if row["state"] == "approved" and row["id"] not in decided:
                self._approve(connection, row["id"])
        if self.rows[m.directives]:
            kept_rows.adopt(connection)

    def _approve(self, connection: Connection, campaign_id: int) -> None:
        """What is in it now, as another person's decision and its act in the audit say it."""
        campaign = connection.execute(select(m.campaigns).where(m.campaigns.c.id == campaign_id)).one()
        signed = digest(connection, campaign)
        approval.write(connection, campaign_id, "binh", digest=signed, decision="approved")
        own = update(m.approvals).where(m.approvals.c.campaign_id == campaign_id)
        connection.execute(own.values(at=self.approved_at.get(campaign_id, T0 - HOUR)))


def _usual_reason(state: S) -> int:
    usual = {S.UNDELIVERED: Reason.BARRED, S.EXPIRED: Reason.EXPIRED, S.REJECTED: Reason.NO_SUCH_NUMBER}
    return int(NotSent.CANCELLED if state is S.NOT_SENT else usual.get(state, Reason.NONE))


def _masks(state: S, parts: int) -> dict[str, int]:
    everything = (1 << parts) - 1
    names = {S.DELIVERED: "delivered", S.RELAYED: "relayed"}
    names |= dict.fromkeys((S.UNDELIVERED, S.EXPIRED, S.REJECTED), "failed")
    return {names[state]: everything} if state in names else {}


def varied(db: Database) -> Database:
    """One of everything: 2 runs, 3 batches, 3 areas and none, 3 days, every state and most reasons."""
    scene = Scene("finished")
    scene.run(2, "viettel", "running", level=1)
    scene.batch(2)
    scene.batch(3, run=2)
    scene.batch(4)
    for reason in ("repeated", "fixed_line", "fixed_line", "too_short"):
        scene.bad(reason)
    first = scene.message(S.DELIVERED)
    for state in (S.DELIVERED, S.SUBMITTED, S.UNKNOWN, S.REJECTED, S.UNDELIVERED, S.EXPIRED, S.NOT_SENT):
        scene.message(state, area="03664")
    scene.message(S.DELIVERED, area=None, parts=3, segments=3, submitted_at=T0 + DAY, done_at=T0 + 2 * DAY)
    scene.message(S.UNKNOWN, reason=int(NotSent.WRITTEN_OFF), submitted_at=T0 + HOUR)
    scene.message(S.UNDELIVERED, batch=2, area="03670", reason=int(Reason.FILTERED), submitted_at=T0 + DAY)
    scene.repeated(first["phone"], batch=2)
    for state in (S.RELAYED, S.RELAYED, S.QUEUED, S.SUBMITTED):
        scene.message(state, batch=3)
    scene.subscriber(batch=3)
    scene.save(db)
    return db
