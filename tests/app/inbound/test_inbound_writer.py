"""Messages to us: a row before the acknowledgement, over a real link, again, in a flood."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from app.database.connection import Database
from app.database.models import inbound_messages
from app.inbound.inbound_writer import InboundWriter, IncomingMessage, keep
from app.ledger.contract import Link
from app.observability.metrics import Metrics
from carriers import registry
from carriers.contract import LinkOptions
from carriers.inbound import InboundMessage, InboundMessages, MessagePart
from carriers.simulators.smsc import Smsc
from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.receipts import body
from carriers.smpp import pdu
from tests.app.dispatch.paper import until
from tests.app.world import World, build

PHONE = "84912345601"


def rows(db: Database) -> Sequence[Any]:
    return db.read(lambda c: c.execute(select(inbound_messages).order_by(inbound_messages.c.id)).all())


def message(text: str = "TU CHOI", source: str = PHONE, **more: Any) -> InboundMessage:
    return InboundMessage(source, "8088", text, 0, text.encode(), **more)


def write(world: World, *messages: InboundMessage, name: str = "a", link: Link | None = None) -> None:
    came = [IncomingMessage(link or world.link, each, f"{name}-{n}") for n, each in enumerate(messages)]
    world.db.write(keep, world.ledger, came)


@asynccontextmanager
async def taking(world: World, **more: Any) -> AsyncIterator[InboundWriter]:
    intake = InboundWriter(world.db, world.ledger, Metrics(), **more)
    running = asyncio.create_task(intake.run())
    yield intake
    intake.stop()
    await running


@asynccontextmanager
async def bound(smsc: Smsc, intake: InboundWriter, link: Link) -> AsyncIterator[None]:
    """A real link that brings what the centre has for it."""
    options = {"host": "127.0.0.1", "port": smsc.port, "system_id": "loa", "password": "x"}
    carrier = registry.build("smpp", LinkOptions(link.name, link.carrier, 50.0, options))
    assert isinstance(carrier, InboundMessages)
    carrier.messages_to(intake.sink(link))
    await carrier.open()
    await carrier.ready()
    yield
    await carrier.close()


@pytest.mark.longer
async def test_a_message_is_acknowledged_only_when_it_is_a_row(db: Database) -> None:
    world, seen = build(db, 1), list[tuple[bool, bool]]()
    async with taking(world, group=20) as intake:
        drop = intake.sink(world.link)
        for n in range(50):
            text = f"tin {n}"
            drop(message(text), lambda ok, own=text: seen.append((ok, own in {row.text for row in rows(db)})))
        await until(lambda: len(seen) == 50)
    assert set(seen) == {(True, True)}
    told = intake.metrics.text().decode()
    assert f'loa_inbound_messages_total{{link="{world.link.name}",outcome="kept"}} 50.0' in told


async def test_a_row_says_who_wrote_what_over_which_link_to_which_number(db: Database) -> None:
    world = build(db, 1)
    write(
        world,
        message("Tôi muốn từ chối", "+84 912 345 601"),
        message("Khuyen mai", "VIETTEL"),
        InboundMessage("191", "8088", "", 4, b"\0\xff", is_exact=False, part=MessagePart(65_535, 255, 255)),
    )
    first, second, third = rows(db)
    assert (first.phone, first.source, first.destination, first.text) == (
        int(PHONE),
        None,
        "8088",
        "Tôi muốn từ chối",
    )
    assert (first.link_id, first.coding, first.octets, first.part_number) == (world.link.id, 0, None, None)
    assert (second.phone, second.source) == (None, "VIETTEL")
    assert (third.source, third.octets, third.coding) == ("191", "00ff", 4)
    assert (third.part_reference, third.part_number, third.part_total) == (65_535, 255, 255)


async def test_the_same_words_again_are_kept_and_name_the_first(db: Database) -> None:
    """A repetition of what was not acknowledged, or a person who writes twice: nobody can tell."""
    world = build(db, 1)
    write(world, message(), message(), message("khac"))
    write(world, message(), message(source="84912345602"), name="b")
    first, other, second, third, stranger = rows(db)
    assert [first.text, other.text] == ["TU CHOI", "khac"]
    assert [row.repeat_of for row in (first, other, second, third, stranger)] == [
        None,
        None,
        first.id,
        first.id,
        None,
    ]


async def test_what_comes_again_over_another_link_of_the_carrier_names_the_first(db: Database) -> None:
    """The links are no receipt group: their ports differ. Another carrier's subscriber is another person."""
    world = build(db, 1)
    write(world, message())
    second = replace(world.link, id=7, name="viettel-2", group_id=7)
    write(world, message(), name="b", link=second)
    write(world, message(), name="c", link=replace(second, id=8, name="vnpt-1", carrier="vnpt", group_id=8))
    assert [row.repeat_of for row in rows(db)] == [None, rows(db)[0].id, None]


async def test_links_may_write_a_number_and_encode_words_in_their_own_ways(db: Database) -> None:
    world = build(db, 1)
    national, plus = f"0{PHONE[2:]}", f"+{PHONE}"
    write(world, message("Từ chối"), message("Từ chối", national), name="b")
    decomposed = unicodedata.normalize("NFD", "Từ chối")
    for n, other in enumerate(
        [
            message("Từ chối", plus),
            InboundMessage(PHONE, "+8088", "Từ chối", 8, "Từ chối".encode("utf-16-be"), is_exact=True),
            InboundMessage(PHONE, "8088", decomposed, 8, decomposed.encode("utf-16-be"), is_exact=True),
        ]
    ):
        write(world, other, name=f"c{n}")
    first, *later = rows(db)
    assert [row.repeat_of for row in later] == [first.id] * 4


async def test_links_may_write_our_own_number_and_blanks_in_their_own_ways(db: Database) -> None:
    world, ours = build(db, 1), "84912345000"
    written = ["8088", "+8088", " 8088", ours, f"0{ours[2:]}", f"+{ours}", "CA SONLA", "CA  SONLA ", "SONLA"]
    for n, destination in enumerate(written):
        write(world, replace(message("TU CHOI"), destination=destination), name=f"d{n}")
    found = rows(db)
    of = {row.id: row.destination for row in found}
    repeated = [row.repeat_of and of[row.repeat_of] for row in found]
    assert repeated == [None, "8088", "8088", None, ours, ours, None, "CA SONLA", None]
    for n, text in enumerate(["Xin chao", "Xin  chao", "Xin chao ", "Xin\nchao", "Xinchao"]):
        write(world, message(text), name=f"t{n}")
    first, *later = rows(db)[len(written) :]
    assert [row.repeat_of for row in later] == [first.id] * 3 + [None]


async def test_the_end_of_a_text_as_some_centres_write_it_is_no_other_text(db: Database) -> None:
    world = build(db, 1)
    async with Smsc() as smsc, taking(world) as intake, bound(smsc, intake, world.link):
        for coding, encoded in (
            (1, b"Xin chao"),
            (1, b"Xin chao\0"),
            (8, "Xin chao \0\0".encode("utf-16-be")),
        ):
            smsc.write_raw(body(PHONE, "8088", pdu.Content(encoded, coding)))
        await until(lambda: smsc.report()["inbound_acknowledged"] == 3)
    first, *later = rows(db)
    assert [row.repeat_of for row in later] == [first.id] * 2


async def test_a_commit_whose_answer_was_lost_is_done_again_and_keeps_each_once(db: Database) -> None:
    world = build(db, 1)
    group = message(), message(), message("khac")
    write(world, *group)
    write(world, *group)
    assert [row.repeat_of for row in rows(db)] == [None, None, rows(db)[0].id]


async def test_parts_over_a_real_link_are_kept_with_their_numbers_and_acknowledged(db: Database) -> None:
    world, text = build(db, 1), "Tôi không muốn nhận tin này nữa, xin cảm ơn. " * 4
    async with Smsc() as smsc, taking(world) as intake, bound(smsc, intake, world.link):
        smsc.write(PHONE, "8088", text)
        smsc.write("191", "8088", "Xin chao")
        await until(lambda: smsc.report()["inbound_acknowledged"] == 4)
    found = sorted(rows(db), key=lambda row: (row.part_total is None, row.part_number))
    assert "".join(row.text for row in found[:3]) == text
    assert [(row.part_reference, row.part_number, row.part_total) for row in found[:3]] == [
        (found[0].part_reference, number, 3) for number in (1, 2, 3)
    ]
    assert (found[3].text, found[3].source) == ("Xin chao", "191")


@pytest.mark.longer
async def test_what_was_not_acknowledged_before_the_end_comes_again_and_nothing_is_lost(db: Database) -> None:
    world = build(db, 1)
    stuck = InboundWriter(db, world.ledger, Metrics())  # nobody commits: as if killed in the middle
    async with Smsc(SmscBehaviour(receipt_window=20)) as smsc:
        async with bound(smsc, stuck, world.link):
            for n in range(50):
                smsc.write(PHONE, "8088", f"tin {n}")
            await until(lambda: smsc.report()["inbound_sent"] == 20)
            smsc.drop_all()
        assert rows(db) == []
        async with taking(world) as intake, bound(smsc, intake, world.link):
            await until(lambda: smsc.report()["inbound_acknowledged"] == 50)
    assert sorted(row.text for row in rows(db)) == sorted(f"tin {n}" for n in range(50))


@pytest.mark.longer
async def test_a_flood_takes_no_more_memory_than_was_set_aside_for_it(db: Database) -> None:
    world, answers = build(db, 1), list[bool]()
    intake = InboundWriter(db, world.ledger, Metrics(), room=500_000)
    drop = intake.sink(world.link)
    for n in range(20_000):
        drop(message(f"tin {n}"), answers.append)
    assert answers.count(True) == 0
    taken = 20_000 - len(answers)
    assert 100 < taken <= 500
    huge = InboundMessage(PHONE, "8088", "", 4, bytes(65_000), is_exact=False)
    drop(huge, answers.append)
    assert answers[-1] is False
    running = asyncio.create_task(intake.run())
    await until(lambda: answers.count(True) == taken == len(rows(db)))
    drop(huge, answers.append)  # there is room again
    await until(lambda: rows(db)[-1].octets == "00" * 65_000)
    intake.stop()
    await running


@pytest.mark.longer
async def test_what_has_piled_up_is_kept_in_few_commits_so_that_a_flood_ends(db: Database) -> None:
    world, answers = build(db, 1), list[bool]()
    intake = InboundWriter(db, world.ledger, Metrics())
    for n in range(1900):
        intake.sink(world.link)(message(f"tin {n}"), answers.append)
    intake.stop()
    await intake.run()
    assert answers == [True] * 1900
    assert len({row.received_at for row in rows(db)}) == 1  # one commit has one time


@pytest.mark.longer
async def test_a_shortage_is_answered_for_now_over_the_wire_and_the_centre_brings_it_again(
    db: Database,
) -> None:
    world = build(db, 1)
    async with Smsc(SmscBehaviour(receipt_pause_s=0.2)) as smsc:
        intake = InboundWriter(db, world.ledger, Metrics(), room=2500)
        async with bound(smsc, intake, world.link):
            for n in range(10):
                smsc.write(PHONE, "8088", f"tin {n}")
            await until(lambda: smsc.report()["inbound_refused_for_now"] >= 8)
            assert smsc.report()["inbound_acknowledged"] == 0
            running = asyncio.create_task(intake.run())
            await until(lambda: smsc.report()["inbound_acknowledged"] == 10)
            intake.stop()
            await running
    assert len(rows(db)) == 10


@pytest.mark.longer
async def test_whatever_a_centre_sends_is_kept(db: Database) -> None:
    world = build(db, 1)
    odd = [
        body("84912345601", "8088", pdu.Content(b"\0\1\2\xff", coding, esm_class))
        for coding in (0, 4, 8, 0x22, 0xF5)
        for esm_class in (0, 0x08, 0x10, 0x40)
    ]
    odd.append(body("", "", pdu.Content(b"")))
    odd.append(
        body("\xe9" * 200, "x" * 200, pdu.Content(tlvs=pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, b"A" * 60_000)))
    )
    async with Smsc() as smsc, taking(world) as intake, bound(smsc, intake, world.link):
        for each in odd:
            smsc.write_raw(each)
        await until(lambda: smsc.report()["inbound_acknowledged"] == len(odd))
    assert len(rows(db)) == len(odd)
    assert "A" * 60_000 in {row.text for row in rows(db)}


async def test_a_message_that_the_database_does_not_take_keeps_no_other_from_being_kept(db: Database) -> None:
    world, answers = build(db, 1), dict[str, bool]()
    poison = InboundMessage(PHONE, "8088", "x", 2**40, b"x")  # no column of the servers' takes this coding
    async with taking(world) as intake:
        drop = intake.sink(world.link)
        drop(message("truoc"), lambda ok: answers.update(truoc=ok))
        drop(poison, lambda ok: answers.update(poison=ok))
        drop(message("sau"), lambda ok: answers.update(sau=ok))
        await until(lambda: len(answers) == 3)
    assert (answers["truoc"], answers["sau"]) == (True, True)
    assert answers["poison"] is db.sqlite  # SQLite keeps any number
    assert {row.text for row in rows(db)} >= {"truoc", "sau"}
