"""A test message: to listed numbers alone, outside the ledger, on the record, and nothing claimed of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from app.core import clock
from app.core.config import LinkSettings
from app.core.errors import Conflict, Invalid
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import audit, deliveries, quarantine, receipts, submissions
from app.diagnostics import message
from app.diagnostics.message import MessageContext, SentTestMessage, may_be_written_to, send
from app.ledger.contract import SubmitOutcome
from app.ledger.ledger import ledger_for
from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    OutboundSms,
    Partial,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from tests.app.receipts.oracle import Oracle
from tests.app.world import build
from tests.exact import exactly
from tests.long.app.receipts.test_poller_setup import smpp_link, vnpt_link

NUMBER = 84_912_345_678
SMS = OutboundSms(str(NUMBER), "Canh giac lua dao", "CA SONLA")
D = ReceiptStatus.DELIVERED


async def try_out(
    db: Database, link: LinkSettings, wait_s: float = 10.0
) -> tuple[SentTestMessage, list[str]]:
    said: list[str] = []
    desk = MessageContext(db, ledger_for(db), "an (command line)", said.append)
    return await asyncio.wait_for(send(desk, "viettel-1", link, SMS, wait_s), 30), said


def rows(db: Database, *tables: object) -> int:
    count = [select(func.count()).select_from(table) for table in tables]  # type: ignore[arg-type]
    return sum(db.read(lambda c: [c.execute(query).scalar_one() for query in count]))


def acts(db: Database) -> list[tuple[str, str, dict[str, object]]]:
    query = select(audit.c.action, audit.c.subject, audit.c.detail).order_by(audit.c.id)
    query = query.where(audit.c.action != "link.receipt_level")  # of the link, when it is registered
    return [tuple(row) for row in db.read(lambda c: c.execute(query).all())]  # type: ignore[misc]


# ---- to whom


@pytest.mark.parametrize("number", ["84912345678", "0912345678", "+84 912 345 678"])
def test_a_listed_number_may_be_spelt_in_any_usual_way(number: str) -> None:
    link = LinkSettings(carrier="viettel", segments_per_second=1, test_numbers=("0912 345 678",))
    assert may_be_written_to("viettel-1", link, number) == "84912345678"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("84912345679", r"8491\*+79 is not a test number of link viettel-1.*links\.viettel-1"),
        ("0241234567", r"0241\*\*\*\*67 is not a valid mobile number: It is a landline number"),
        ("hello", "hello is not a valid mobile number: It contains characters that are"),
    ],
)
def test_nobody_else_is_written_to(number: str, sentence: str) -> None:
    link = LinkSettings(carrier="viettel", segments_per_second=1, test_numbers=(NUMBER,))
    with pytest.raises(Invalid, match=sentence):
        may_be_written_to("viettel-1", link, number)


# ---- over real counterparts


async def test_a_receipt_is_waited_for_and_nothing_of_it_enters_the_ledger(db: Database) -> None:
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as centre:
        told, said = await try_out(db, smpp_link(centre))
        assert centre.copies(NUMBER) == 1
        assert centre.report()["receipts_outstanding"] == 0
    assert told.good
    assert "accepted" in said[1]
    assert "The carrier accepted the message (reference " in said[1]
    assert said[2].startswith("Delivered to the handset")
    assert rows(db, deliveries, submissions, receipts, quarantine) == 0


async def test_both_steps_are_on_the_record_without_the_number(db: Database) -> None:
    async with Smsc() as centre:
        told, _ = await try_out(db, smpp_link(centre))
    (sent, subject, intent), (answered, _, answer) = acts(db)
    assert (sent, answered, subject) == ("link.test", "link.test_answer", "link/viettel-1")
    assert intent["key"] == answer["key"] == told.key
    assert told.key.startswith("test-")
    assert answer["result"] == "accepted"
    assert str(NUMBER) not in str(acts(db))


async def test_a_receipt_that_comes_before_the_answer_is_its_own_all_the_same(db: Database) -> None:
    async with Smsc(SmscBehaviour(early=1.0, answer_delay_s=0.3)) as centre:
        told, _ = await try_out(db, smpp_link(centre))
        assert centre.report()["receipts_outstanding"] == 0
    assert [receipt.status for receipt in told.receipts] == [D]
    assert rows(db, receipts, quarantine) == 0


@pytest.mark.longer
async def test_receipts_of_other_messages_on_the_bind_go_to_the_ledger(db: Database) -> None:
    world = build(db, 20)
    world.fan_out()
    async with Smsc(SmscBehaviour(receipt_delay_s=1.0)) as centre:
        link = smpp_link(centre)
        from app.runtime.worker import build as build_link

        campaigns = build_link("viettel-1", link)
        await campaigns.open()
        await campaigns.ready()
        lease = world.claim()
        assert lease
        texts = [replace(SMS, phone=str(item.phone)) for item in lease.items]
        results = await campaigns.submit(texts)
        outcomes = [SubmitOutcome(item, result) for item, result in zip(lease.items, results, strict=True)]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        await campaigns.close()
        told, _ = await try_out(db, link)
    assert told.good
    assert world.states() == {int(DeliveryState.DELIVERED): 20}
    assert rows(db, quarantine) == 0
    world.check()


@pytest.mark.longer
async def test_a_link_that_brings_nothing_is_asked(db: Database) -> None:
    async with Vnpt(VnptBehaviour(stage_s=0.1)) as vnpt:
        told, said = await try_out(db, vnpt_link(vnpt))
        assert vnpt.copies(str(NUMBER)) == 1
    assert told.good
    assert "Handed over to the operator's centre (0); whether the handset has it is" in said[-1]
    assert not any("Delivered" in line for line in said)


@pytest.mark.longer
async def test_the_time_to_wait_is_bounded_and_nothing_is_concluded_from_it(db: Database) -> None:
    async with Vnpt(VnptBehaviour(stage_s=60.0)) as vnpt:
        told, said = await try_out(db, vnpt_link(vnpt), wait_s=2.0)
    assert told.good
    assert said[-1] == "No final result within 2 s. The message may still arrive."


@pytest.mark.longer
async def test_a_lost_answer_is_perhaps_taken_and_asked_about(db: Database) -> None:
    async with Vnpt(VnptBehaviour(next_troubles="hang=1", stage_s=0.0)) as vnpt:
        told, said = await try_out(db, vnpt_link(vnpt))
        assert vnpt.copies(str(NUMBER)) == 1
    assert isinstance(told.result, Unknown)
    assert not told.good
    assert said[1].startswith("Possibly accepted")
    assert said[2].startswith("Handed over to the operator's")


@pytest.mark.longer
async def test_a_message_that_fails_later_is_not_good(db: Database) -> None:
    async with Smsc(SmscBehaviour(outcomes="UNDELIV/001=1")) as centre:
        told, said = await try_out(db, smpp_link(centre))
    assert isinstance(told.result, Accepted)
    assert not told.good
    assert said[-1].startswith("Not delivered")


async def test_over_a_link_that_is_not_up_nothing_is_sent(db: Database) -> None:
    async with Smsc(accounts={"loa": "another"}) as centre:
        with pytest.raises(
            Conflict,
            match=exactly(
                "The carrier rejects the link (0x0E): the carrier rejects the password. Nothing was sent."
            ),
        ):
            await try_out(db, smpp_link(centre))
    assert acts(db) == []


# ---- following


@pytest.mark.longer
async def test_what_stays_the_same_is_said_once() -> None:
    said: list[str] = []
    oracle = Oracle()
    oracle.says = lambda _: ReceiptStatus.IN_TRANSIT
    following = message.Following(oracle, SMS, lambda *_: None, said.append)
    following.know(["r1", None])
    await following.until_final(4.0)
    assert len(oracle.asked) >= 2
    assert said == [
        "In progress (9); no final result.",
        "No final result within 4 s. The message may still arrive.",
    ]


RESULTS: list[tuple[SubmitResult, str]] = [
    (Accepted(("a", "b")), "The carrier accepted the message (reference a, b). It is not delivered yet."),
    (
        Partial(("a", None), (1,), "0x0B", Reason.NO_SUCH_NUMBER),
        "The carrier accepted the message (reference a) without parts 2 (0x0B: no such number).",
    ),
    (
        Rejected("25", Reason.OTHER_NETWORK, "viettel"),
        "The carrier permanently rejected the message (25: other network); according to it, viettel "
        "serves the number.",
    ),
    (Deferred("16", throttled=True), "Not accepted (16). It may be sent later."),
    (
        Halted("1", "The account is closed."),
        "Not accepted (1): The account is closed. Someone must act before anything can be sent.",
    ),
    (Unknown("no answer"), "Possibly accepted: no answer. Check the phone before you send another."),
]


@pytest.mark.parametrize(("result", "words"), RESULTS, ids=lambda each: type(each).__name__)
def test_every_answer_has_its_sentence(result: SubmitResult, words: str) -> None:
    assert message.answered(result) == words


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        (D, ReceiptLevel.HANDSET, "Delivered to the handset (0)."),
        (
            D,
            ReceiptLevel.OPERATOR,
            "Handed over to the operator's centre (0); whether the handset has it is unknown.",
        ),
        (ReceiptStatus.UNDELIVERED, ReceiptLevel.HANDSET, "Not delivered (0): barred."),
        (ReceiptStatus.EXPIRED, ReceiptLevel.HANDSET, "Not delivered in time (0)."),
        (ReceiptStatus.IN_TRANSIT, ReceiptLevel.HANDSET, "In progress (0); no final result."),
        (ReceiptStatus.UNKNOWN, ReceiptLevel.HANDSET, "The carrier does not report the outcome (0)."),
    ],
)
def test_every_later_word_has_its_sentence(status: ReceiptStatus, level: ReceiptLevel, words: str) -> None:
    assert message.became(Receipt("a", None, status, level, Reason.BARRED, "0", clock.now())) == words
