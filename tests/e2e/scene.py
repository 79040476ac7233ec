"""A province in the middle of its work: two letters, campaigns at three carriers, things that stand still."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, select, update

from app.accounts.service import NewPerson, add_person
from app.campaigns import approval, lifecycle
from app.campaigns.drafts import Draft, TextForm
from app.core import clock
from app.core.states import DeliveryState as State
from app.database.connection import Database
from app.database.models import (
    addressees,
    audit,
    bad_lines,
    campaigns,
    deliveries,
    directives,
    inbound_messages,
    link_health,
    links,
    notices,
    panel_telephones,
    people,
    quarantine,
    receipts,
    run_batches,
    runs,
    sender_names,
    submissions,
    tallies,
    unknowns,
)
from app.ledger import approval_digest
from app.ledger.ledger import ledger_for
from app.notifications import outbox
from app.notifications.outbox import Notice, NotificationChannel
from app.privacy import do_not_send, person_requests
from app.privacy.person_requests import NewPersonRequest, RequestKind
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release.freeze import Freezer
from app.security.principal import at_keyboard
from carriers.contract import Reason
from carriers.phrases import Phrase
from tests.app.campaigns.rows import HOURS, new_batch, new_link
from tests.long.app.privacy.past import erase
from tests.long.app.reports.receiving import receive
from tests.long.app.reports.scene import varied

T = TypeVar("T")
PASSWORD = "bon tu chang lien quan"
DAY = 86_400_000
PEOPLE = {
    "admin": NewPerson("Quàng Thị Lan", "admin"),
    "approver": NewPerson("Lò Văn Minh", "approver"),
    "auditor": NewPerson("Cầm Thị Hoa", "auditor"),
    "vnpt": NewPerson("Trực VNPT", "operator", "vnpt"),
    "viettel": NewPerson("Trực Viettel", "operator", "viettel"),
}
AUTHOR = PEOPLE["admin"].name
TEXT = "Công an không làm việc qua điện thoại. KHÔNG chuyển tiền, KHÔNG đọc OTP cho bất kỳ ai."
_DRAFT = Draft("", "tuyen_truyen", "CA SON LA", form=TextForm.ACCENTED, text=TEXT)
FIRST = replace(_DRAFT, name="Cảnh báo giả danh công an, Tết 2024", directive_id=1)
SECOND = replace(_DRAFT, name="Cảnh báo đầu tư tiền ảo, tháng 3", directive_id=2, form=TextForm.UNACCENTED)
# Who must report beside the carriers: name and kind.
ADDRESSEES = (("Sở Tư pháp", "department"), ("Báo Sơn La", "press"), ("Ngân hàng Nhà nước tỉnh", "bank"))
# Districts as they were at the letter's date, and hundredths of each run; who has none comes last.
AREAS = {"116": 14, "119": 12, "120": 9, "122": 11, "123": 13, "124": 8, "125": 15, "126": 13, None: 5}
_REFUSED = Phrase(
    "MobiFone rejects the login ({said}). Correct user and password, then resume the link.", said="403 sai"
)
REASONS = {
    State.UNDELIVERED: {Reason.NO_SUCH_NUMBER: 6, Reason.BARRED: 3, Reason.HANDSET: 1},
    State.EXPIRED: {Reason.EXPIRED: 1},
}
# Of each carrier's run: state, and messages by state of delivery.
RUNS: dict[str, tuple[str, dict[State, int]]] = {
    "viettel": (
        "running",
        {
            State.DELIVERED: 231_480,
            State.UNDELIVERED: 9_112,
            State.EXPIRED: 4_005,
            State.SUBMITTED: 18_230,
            State.UNKNOWN: 143,
            State.QUEUED: 149_340,
        },
    ),
    "vnpt": ("sent", {State.DELIVERED: 120_114, State.UNDELIVERED: 6_020, State.SUBMITTED: 1_204}),
    "mobifone": ("planned", {}),
}


def build(db: Database) -> None:
    """Fill the tables: by a copy where this process has filled an SQLite file within the last two minutes."""
    if not db.sqlite or not db.read(_is_empty):
        _fill(db)
    elif not any(_copied(db, *made) for made in _MADE):
        _fill(db)
        kept = sqlite3.connect(":memory:", check_same_thread=False)
        with closing(sqlite3.connect(str(db.url.database))) as file:
            file.backup(kept)
        _MADE[:] = [(kept, clock.now_ms())]
    db.write(links_up)


_MADE: list[tuple[sqlite3.Connection, int]] = []  # at most one, with the time at which it was filled
_AS_NEW_MS = 120_000


def _is_empty(c: Connection) -> bool:
    """Return whether nobody has done anything: what is audited is remembered by the process as well."""
    return not any(c.execute(select(func.count()).select_from(each)).scalar_one() for each in (audit, people))


def _copied(db: Database, made: sqlite3.Connection, at_ms: int) -> bool:
    """Copy what was filled at this time into the database; False where that is too long ago."""
    if not 0 <= clock.now_ms() - at_ms < _AS_NEW_MS:
        return False
    with closing(sqlite3.connect(str(db.url.database))) as file:
        made.backup(file)
    return True


def _fill(db: Database) -> None:
    for person in PEOPLE.values():
        db.write(add_person, person, PASSWORD, at_keyboard("host"))  # who stands behind nobody
    for campaign_id in (1, 2):
        db.write(ledger_for(db).open_campaign, campaign_id)
    db.write(_letters)
    db.write(_first_campaign)
    db.write(_second_campaign)
    db.write(_still)
    db.write(_inbound)
    db.write(_history)
    db.write(_outside)
    # Of a carrier without a run, so that nothing of the others is refused.
    entry = {"carrier": "gmobile", "name": "CA SON LA", "state": "asked", "asked_on": "2026-11-02"}
    entry |= {"changed_at": clock.now_ms(), "changed_by": "Trần Thị Lan"}
    db.write(lambda c: c.execute(insert(sender_names).values(entry)))
    telephone = {"phone": 84_912_345_678, "carrier": "viettel", "area": "03646", "consent_on": "2026-11-02"}
    telephone |= {"added_at": 0, "added_by": "Trần Thị Lan"}
    db.write(lambda c: c.execute(insert(panel_telephones).values(telephone)))


def links_up(c: Connection) -> None:
    """A worker has the links open, and says so for as long as anybody looks."""
    c.execute(delete(link_health))
    now = clock.now_ms()
    up = {"holder": "worker", "seen_at": now + DAY, "connected_since": now - DAY, "answered_at": now}
    for link_id in c.execute(select(links.c.id).where(links.c.state == "running")).scalars():
        c.execute(insert(link_health).values(up | {"link_id": link_id}))


def _letters(c: Connection) -> None:
    now = clock.now_ms()
    names = [name for name, _ in ADDRESSEES]
    letter = {"issued_on": "2024-01-29", "issuer": "Công an tỉnh", "addressees": names, "created_by": AUTHOR}
    subjects = (
        ("303/CAT-PA05", "Tuyên truyền phòng ngừa lừa đảo trên không gian mạng", now + 9 * DAY),
        ("412/CAT-PA05", "Cảnh báo thủ đoạn đầu tư tiền ảo", now - 2 * DAY),
    )
    for number, subject, deadline in subjects:
        row = {"number": number, "subject": subject, "report_deadline": deadline, "created_at": now - 3 * DAY}
        c.execute(insert(directives).values(letter | row))
    for name, kind in ADDRESSEES:
        c.execute(insert(addressees).values(directive_id=1, name=name, kind=kind))


def _first_campaign(c: Connection) -> None:
    """Sent by one carrier, being sent by another, not begun by the third."""
    campaign = lifecycle.create(c, FIRST, HOURS, AUTHOR)
    made = {carrier: _run(c, campaign, carrier, sum(RUNS[carrier][1].values()) or 88_204) for carrier in RUNS}
    lifecycle.submit(c, campaign, AUTHOR)
    c.execute(update(campaigns).where(campaigns.c.id == campaign).values(state="approved"))
    for carrier, (run, batch) in made.items():
        _sent(c, (campaign, run, batch), *RUNS[carrier])


def _second_campaign(c: Connection) -> None:
    """Waits for its approval."""
    campaign = lifecycle.create(c, SECOND, HOURS, AUTHOR)
    _run(c, campaign, "mobifone", 6_480)
    lifecycle.submit(c, campaign, AUTHOR)


def _run(c: Connection, campaign: int, carrier: str, accepted: int) -> tuple[int, int]:
    """A run over one file, of whose lines three are wrong and some are repeated; ids of run and batch."""
    counts = {"accepted": accepted, "rejected": 3, "repeated": accepted // 400}
    file = {"name": f"thue-bao-{carrier}-{campaign}.csv", "bytes": 12 * accepted}
    file["sha256"] = sha256(str(file).encode()).hexdigest()
    made = {"created_at": clock.now_ms() - 2 * DAY, "created_by": PEOPLE.get(carrier, PEOPLE["admin"]).name}
    batch = new_batch(c, carrier, lines=sum(counts.values()), **counts, **file, **made)
    return lifecycle.add_run(c, campaign, carrier, [batch], AUTHOR), batch


def _sent(c: Connection, ids: tuple[int, int, int], state: str, counts: dict[State, int]) -> None:
    now = clock.now_ms()
    campaign, run, batch = ids
    begun = {
        "state": state,
        "started_at": now - DAY // 24 if counts else None,
        "ended_at": now if state == "sent" else None,
    }
    c.execute(update(runs).where(runs.c.id == run).values(begun))
    of = {"campaign_id": campaign, "run_id": run, "batch_id": batch}
    for each, total in counts.items():
        for area, n in _shared(total, AREAS).items():
            for reason, m in _shared(n, REASONS.get(each, {Reason.NONE: 1})).items():
                key = of | {"area": area, "state": int(each), "reason": int(reason)}
                c.execute(insert(tallies).values(key | {"n": m, "segments": 2 * m}))


def _shared(total: int, parts: Mapping[T, int]) -> dict[T, int]:
    """In these proportions, whole, and the same in sum."""
    found = {key: total * part // sum(parts.values()) for key, part in parts.items()}
    found[next(iter(parts))] += total - sum(found.values())
    return {key: n for key, n in found.items() if n}


def reported(db: Database) -> None:
    """Instead: the campaign of tests/long/app/reports, of which run 1 is frozen twice."""
    varied(db)
    db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    for person in PEOPLE.values():
        db.write(add_person, person, PASSWORD, at_keyboard("host"))
    freezer = Freezer(db, ledger_for(db), letterhead.load(None), AUTHOR)
    run = ReportSubject(SubjectKind.RUN, 1)
    freezer.freeze(run, take(db, [run], SnapshotCause.MIDNIGHT))
    receive(db)
    freezer.freeze(run)
    db.write(new_batch, "vnpt", name="thue-bao-cu.csv", sha256="9" * 64)
    asked = NewPersonRequest(
        "0981 000 037", RequestKind.ERASE, clock.local(clock.now()).date(), "đơn ngày 3/2"
    )
    db.write(person_requests.record, asked, AUTHOR)
    with ThreadPoolExecutor(1) as thread:  # in this one a browser's loop may stand still
        thread.submit(erase, db).result()  # what nobody has used for three months


def move(c: Connection, n: int) -> None:
    """So many messages of run 1 are received: its figures change."""
    of = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "area": "119", "reason": 0}
    for state, change in ((State.QUEUED, -n), (State.DELIVERED, n)):
        c.execute(insert(tallies).values(of | {"state": int(state), "n": change, "segments": 2 * change}))


def _still(c: Connection) -> None:
    """A halted link, receipts of nobody, deliveries whose answer was lost."""
    now = clock.now_ms()
    for carrier in RUNS:
        new_link(c, f"{carrier}-1", 400.0, carrier=carrier, changed_at=now - DAY // 12)
    halted = {"state": "halted", "code": "login 403", "reason": _REFUSED}
    halted["changed_at"] = now - DAY // 48
    c.execute(update(links).where(links.c.name == "mobifone-1").values(halted))
    lost: dict[str, Any] = {"campaign_id": 1, "batch_id": 1, "run_id": 1, "link_id": 1}
    lost |= {"since": now - DAY // 30, "why": "the connection broke"}
    rows = [lost | {"seq": n, "phone": 84_981_000_000 + 37 * n} for n in range(1, 144)]
    c.execute(insert(unknowns), rows)
    foreign = {"link_id": 2, "group_id": 2, "level": 2, "reason": 0, "status": "delivered", "try_at": now}
    c.execute(insert(quarantine), [foreign | {"received_at": now, "reference": f"x{n}"} for n in range(7)])


def _inbound(c: Connection) -> None:
    """What subscribers have sent to us: an objection, twice, a long one in two parts, a binary one."""
    now, of = clock.now_ms(), {"link_id": 1, "destination": "8088", "coding": 8, "repeat_of": None}
    of |= {"octets": None, "part_reference": None, "part_number": None, "part_total": None, "source": None}
    parts = {"part_reference": 71, "part_total": 2, "phone": 84_981_000_037}
    said: list[dict[str, Any]] = [
        {"phone": 84_981_000_000, "text": "Tôi không muốn nhận tin này nữa"},
        {"phone": 84_981_000_000, "text": "Tôi không muốn nhận tin này nữa", "repeat_of": 1},
        parts | {"part_number": 1, "text": "Có người gọi xưng là công an, yêu cầu chuyển tiền vào số"},
        parts | {"part_number": 2, "text": " tài khoản lạ. Số gọi đến là 0912 345 678"},
        {"phone": None, "source": "VIETTEL", "text": "Tài khoản còn 120.000 đồng"},
        {"phone": 84_981_000_074, "text": "", "octets": "00ff", "coding": 4},
    ]
    rows = [
        of | each | {"received_at": now - 60_000 * (9 - n), "digest": n, "arrival": f"scene-{n}"}
        for n, each in enumerate(said)
    ]
    c.execute(insert(inbound_messages), rows)


def _history(c: Connection) -> None:
    """Some of the second run's deliveries as rows: seven seconds apart, and one story told."""
    begun, of = clock.now_ms() - 3_600_000, {"campaign_id": 1, "batch_id": 2, "run_id": 2}
    rows = []
    for n in range(1, 481):
        state = State.UNDELIVERED if n % 19 == 0 else State.SUBMITTED if n % 23 == 0 else State.DELIVERED
        sent, took = begun + 7000 * n, 1500 + 97 * (n * 37 % 180)
        row = of | {"seq": n, "phone": 84_911_000_000 + n, "area": "119", "segments": 2, "parts": 2}
        row |= {"state": int(state), "reason": int(Reason.NO_SUCH_NUMBER if n % 19 == 0 else Reason.NONE)}
        rows.append(
            row | {"submitted_at": sent, "done_at": None if n % 23 == 0 else sent + took, "link_id": 2}
        )
    c.execute(insert(deliveries), rows)
    c.execute(update(run_batches).where(run_batches.c.run_id == 2).values(fanned_upto=480))
    of.pop("run_id")
    taken = of | {"seq": 19, "attempt": 1, "at": begun + 7000 * 19, "link_id": 2, "group_id": 2, "result": 1}
    c.execute(insert(submissions), [taken | {"part": n, "reference": f"vt-19-{n}"} for n in (0, 1)])
    said = of | {
        "seq": 19,
        "received_at": begun + 139_000,
        "done_at": begun + 138_500,
        "link_id": 2,
        "group_id": 2,
    }
    said |= {
        "level": 2,
        "reason": int(Reason.NO_SUCH_NUMBER),
        "status": "undelivered",
        "code": "27",
        "raw": "x",
    }
    c.execute(
        insert(receipts), [said | {"part": n, "reference": f"vt-19-{n}", "changed": True} for n in (0, 1)]
    )
    bad = [{"batch_id": 2, "line": 500 + n, "reason": "too_short", "value": "091****"} for n in range(3)]
    c.execute(insert(bad_lines), bad)
    campaign = c.execute(select(campaigns).where(campaigns.c.id == 1)).one()
    approval.write(
        c, 1, "Lò Văn Minh", digest=approval_digest.digest(c, campaign), decision="approved", at=begun
    )


def _outside(c: Connection) -> None:
    """Who was told by e-mail and webhook, and what failed; who wants no message."""
    outbox.put(
        c,
        [
            Notice(
                "1",
                "directive.due",
                NotificationChannel.EMAIL,
                "so.tu.phap@example.vn",
                {"subject": "", "text": ""},
            ),
            Notice("2", "run.finished", NotificationChannel.WEBHOOK, "dashboard", {}),
        ],
    )
    failed = {"state": "failed", "error": Phrase("The endpoint answered with status {status}.", status=500)}
    c.execute(update(notices).where(notices.c.id == 2).values(failed))
    do_not_send.add(c, "viettel", [f"098700{n:04}" for n in range(3)], AUTHOR)
