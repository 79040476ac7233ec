"""The recount finds every kind of difference, names it in a sentence, and finds none in a sound ledger."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Executable, delete, insert, text, update

from app.core import clock
from app.core.errors import NotFound
from app.core.states import ChunkState, NotSent
from app.database import models as m
from app.database.connection import Database
from app.ledger.contract import ResultKind
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import batch_differences, campaign_differences, examine, verify
from carriers.contract import Reason
from tests.engines import by_default
from tests.long.app.reports.scene import T0, S, Scene, varied

database_url = by_default

D, B = m.deliveries.c, m.batches.c


def sentences(db: Database) -> str:
    return "\n".join(difference.sentence for difference in verify(db, ledger_for(db)))


def test_a_sound_ledger_has_no_differences_and_says_what_was_counted(sound: Database) -> None:
    verdict = examine(sound, ledger_for(sound))
    assert verdict.differences == ()
    counted = {"campaigns": 1, "batches": 4, "subscribers": 17, "bad_lines": 4, "deliveries": 15}
    assert verdict.counted == counted | {
        "submissions": 15,
        "receipts": 10,
        "chunks": 3,
        "unknowns": 2,
        "quarantine": 0,
    }


def test_an_empty_ledger_has_no_differences(db: Database) -> None:
    assert set(examine(db, ledger_for(db)).counted.values()) == {0}


def test_a_campaign_that_does_not_exist_is_named(db: Database) -> None:
    with pytest.raises(NotFound, match="There is no campaign 7"):
        verify(db, ledger_for(db), 7)


def test_one_campaign_is_looked_at_alone(db: Database) -> None:
    scene = Scene()
    scene.campaign(2)
    scene.run(2, "viettel", campaign=2)
    scene.batch(2, run=2)
    scene.message(S.DELIVERED)
    scene.message(S.DELIVERED, batch=2)
    scene.save(db)
    db.write(lambda c: c.execute(update(m.tallies).values(n=2)))
    found = verify(db, ledger_for(db), 2)
    assert {difference.campaign_id for difference in found} == {2}
    assert examine(db, ledger_for(db), 2).counted["deliveries"] == 1
    assert {difference.campaign_id for difference in verify(db, ledger_for(db))} == {1, 2}


def test_an_import_under_way_is_not_judged(db: Database) -> None:
    varied(db)
    db.write(
        lambda c: c.execute(update(m.batches).where(B.id == 4).values(state="importing", lines=9, accepted=3))
    )
    assert "its counter" not in sentences(db)


def lines_of(state: S) -> Executable:
    return update(m.deliveries).where(D.state == int(state))


def first(state: S) -> Executable:
    return update(m.deliveries).where(D.state == int(state), D.parts == 1)


KEY = {"campaign_id": 1, "batch_id": 1}
TALLY = KEY | {"run_id": 1, "area": "03646", "state": 7, "reason": 0}
RECEIPT = KEY | {"part": 0, "changed": False, "received_at": T0, "link_id": 1, "group_id": 1, "reason": 0}
CASES: list[tuple[Executable, str]] = [
    # batches
    (
        update(m.batches).values(accepted=B.accepted + 1),
        "Batch 1: its counter of accepted subscribers is 11, but its rows give 10",
    ),
    (update(m.batches).values(rejected=B.rejected + 1), ("counter of rejected lines is 4, but its "
"rows give 3")),
    (update(m.batches).values(lines=B.lines + 1), "counter of lines is 15, but its rows give 14"),
    (update(m.bad_lines).values(reason="repeated"), "counter of repeated lines is 1, but its rows give 4"),
    # tallies
    (
        insert(m.tallies).values(**TALLY, n=1, segments=2),
        "03646, DELIVERED, reason 0: tallies say 2 messages and 3 segments, but rows give 1 and 1",
    ),
    (delete(m.tallies).where(m.tallies.c.state == 9), "EXCLUDED, reason 22: tallies say 0 messages"),
    (
        update(m.tallies).where(m.tallies.c.area.is_(None)).values(area="03646"),
        "area unknown, DELIVERED, reason 0: tallies say 0",
    ),
    # unknowns
    (delete(m.unknowns), "Run 1: 2 unknown deliveries are missing from the list of unknown"),
    (
        insert(m.unknowns).values(**KEY, seq=5, run_id=1, phone=1, since=T0, why="x"),
        "Run 1: 1 entries in the list of unknown messages have no unknown",
    ),
    # subscribers
    (
        update(m.subscribers).where(m.subscribers.c.seq == 5).values(phone=84_999_999_999),
        "match no subscriber",
    ),
    (
        delete(m.subscribers).where(m.subscribers.c.batch_id == 3, m.subscribers.c.seq == 1),
        "1 deliveries (the first: line 1) match no subscriber",
    ),
    (
        insert(m.subscribers).values(batch_id=1, seq=0, phone=84_999_999_999),
        "1 subscribers (the first: line 0) were lost before queueing",
    ),
    # chunks
    (delete(m.chunks).where(m.chunks.c.batch_id == 2), "Batch 2: 1 deliveries are in no chunk"),
    (
        update(m.chunks).where(m.chunks.c.batch_id == 1).values(last_seq=6),
        "Batch 1: its chunks contain 2 deliveries, but the batch has 10",
    ),
    (
        insert(m.chunks).values(**KEY, first_seq=6, last_seq=6, run_id=1, watermark=6),
        "the chunk from line 6 overlaps the chunk before it",
    ),
    (
        update(m.chunks).values(state=int(ChunkState.DONE)),
        "Batch 3: 1 queued deliveries are in finished chunks",
    ),
    # runs
    (update(m.runs).values(state="sent"), "Run 2 has ended, but 1 of its deliveries are still queued"),
    (update(m.runs).values(state="finished"), "Run 2 has ended, but 1 of its subscribers were never queued"),
    # submissions against states
    (delete(m.submissions), ("are recorded as SUBMITTED, but no submission says that the carrier accepted "
"them")),
    (delete(m.submissions), ("are recorded as REJECTED, but no submission says that the carrier rejected "
"them")),
    (delete(m.submissions), "are recorded as RELAYED, but they were never submitted"),
    (
        lines_of(S.SUBMITTED).values(state=int(S.NOT_SENT)),
        "are recorded as NOT_SENT, but a submission says that the carrier accepted them",
    ),
    (
        lines_of(S.SUBMITTED).values(state=int(S.QUEUED)),
        "are recorded as QUEUED, but a submission says that the carrier accepted them",
    ),
    # masks against receipts
    (delete(m.receipts), "their parts recorded as delivered are 111 in the row and 0 in the journal"),
    (delete(m.receipts), "their parts recorded as relayed are 1 in the row and 0 in the journal"),
    (delete(m.receipts), "their parts recorded as failed are 1 in the row and 0 in the journal"),
    (
        insert(m.receipts).values(**RECEIPT, seq=7, status="expired", level=2),
        "their parts recorded as failed are 0 in the row and 1 in the journal",
    ),
    (update(m.receipts).values(level=1), ("their parts recorded as relayed are 0 in the row and 1 "
"in the journal")),
    # states against masks
    (
        first(S.DELIVERED).values(state=int(S.RELAYED)),
        "are recorded as RELAYED, but their parts make them DELIVERED",
    ),
    (
        first(S.DELIVERED).values(state=int(S.SUBMITTED)),
        "are recorded as SUBMITTED, but their parts make them DELIVERED",
    ),
    (first(S.DELIVERED).values(parts=2), "are recorded as DELIVERED, but not all of their parts are settled"),
    (first(S.REJECTED).values(delivered=1), "are recorded as REJECTED, but their parts make them DELIVERED"),
    (
        first(S.EXPIRED).values(reason=int(Reason.BARRED)),
        "are recorded as EXPIRED, but their parts make them UNDELIVERED",
    ),
    (first(S.DELIVERED).values(reason=int(Reason.OTHER)), "they have the failure reason 1"),
    (
        first(S.UNDELIVERED).values(reason=int(Reason.SYSTEM)),
        "their recorded reason is 2, but the worst reason in their receipts is 5",
    ),
    # reports
    (update(m.tallies).values(n=m.tallies.c.n + 1), "the number of lines adds up to"),
]  # fmt: skip


class Undo(Exception):
    """Takes a spoilt ledger back to what it was."""


@pytest.mark.parametrize(
    "sound", ["sqlite", pytest.param("postgresql", marks=pytest.mark.prove)], indirect=True
)
@pytest.mark.parametrize(("spoil", "said"), CASES, ids=[said for _, said in CASES])
def test_a_difference_is_found_and_named(sound: Database, spoil: Executable, said: str) -> None:
    def work(connection: Connection) -> None:
        if sound.sqlite:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        connection.execute(spoil)
        found = batch_differences(connection, None)
        found += campaign_differences(connection, 1, ledger_for(sound))
        raise Undo("\n".join(found))

    with pytest.raises(Undo) as raised:
        sound.write(work)
    assert said in str(raised.value)


def test_a_reason_that_no_receipt_gave_by_name_is_the_general_one(db: Database) -> None:
    scene = Scene()
    for state, status, reason in (
        (S.EXPIRED, "expired", Reason.EXPIRED),
        (S.UNDELIVERED, "undelivered", Reason.OTHER),
    ):
        message = scene.message(state, reason=int(reason))
        scene.rows[m.receipts] = [r for r in scene.rows[m.receipts] if r["seq"] != message["seq"]]
        scene.receipt(message, status=status, reason=0)
    scene.save(db)
    assert sentences(db) == ""


def test_parts_that_were_refused_count_as_failed(db: Database) -> None:
    scene = Scene()
    for state, masks in (
        (S.SUBMITTED, {"failed": 0b10}),
        (S.UNDELIVERED, {"failed": 0b10, "delivered": 0b01}),
    ):
        message = scene.message(state, parts=2, segments=2, reason=int(Reason.FILTERED), **masks)
        refused = [r for r in scene.rows[m.submissions] if r["seq"] == message["seq"] and r["part"] == 1]
        refused[0]["result"] = int(ResultKind.REJECTED)
        scene.rows[m.receipts] = [r for r in scene.rows[m.receipts] if r["status"] == "delivered"]
    scene.save(db)
    assert sentences(db) == ""


def test_a_message_that_was_deferred_too_often_stands_as_rejected(db: Database) -> None:
    scene = Scene()
    scene.message(S.REJECTED, reason=int(Reason.SYSTEM), faults=5)
    scene.rows[m.submissions][0]["result"] = int(ResultKind.DEFERRED)
    scene.save(db)
    assert sentences(db) == ""


def test_an_unknown_that_a_receipt_settled_is_sound(db: Database) -> None:
    scene = Scene()
    message = scene.message(S.DELIVERED)
    scene.rows[m.submissions] = []
    scene.submission(message, attempt=0, result=int(ResultKind.SETTLED), reference="a")
    scene.message(S.UNKNOWN, reason=int(NotSent.WRITTEN_OFF))
    scene.save(db)
    assert sentences(db) == ""


def test_a_cleared_receipt_without_a_resend_is_found(db: Database) -> None:
    scene = Scene()
    message = scene.message(S.SUBMITTED, parts=2, segments=2)
    scene.submission(message, attempt=2)
    scene.receipt(message, part=0, status="delivered")
    scene.save(db)
    assert "1 in the journal" in sentences(db)


def test_an_unknown_that_is_on_its_way_is_sound(db: Database) -> None:
    scene = Scene()
    message = scene.message(S.SUBMITTED)
    scene.rows[m.submissions][0]["result"] = int(ResultKind.UNKNOWN)
    scene.receipt(message, status="in_transit")
    scene.save(db)
    assert sentences(db) == ""


def test_a_resend_clears_what_earlier_receipts_said(db: Database) -> None:
    scene = Scene()
    message = scene.message(S.SUBMITTED, parts=2, segments=2, resends=1)
    scene.submission(message, attempt=2)
    scene.rows[m.submissions][0]["result"] = int(ResultKind.UNKNOWN)
    scene.receipt(message, part=0, status="delivered")
    scene.save(db)
    assert sentences(db) == ""


def test_messages_of_a_host_whose_clock_is_ahead_are_sound(db: Database) -> None:
    """They bear a time that has not come yet on the host that recounts."""
    scene = Scene()
    ahead = clock.now_ms() + 3_600_000
    scene.message(S.DELIVERED, submitted_at=ahead)
    scene.rows[m.submissions][0]["at"] = ahead  # and its receipt came when the clock was right again
    scene.save(db)
    assert sentences(db) == ""
