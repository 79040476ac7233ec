"""An opt-out is on the list by the commit that keeps the message, and stops what is held and not yet sent."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import deliveries, do_not_send, inbound_messages, links
from app.inbound import queries, scam_reports
from app.inbound.reply_kinds import ReplyKind
from app.privacy import do_not_send as lists
from app.security import audit
from carriers.inbound import MessagePart
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.inbound.test_inbound_writer import PHONE, message, write
from tests.app.world import FIRST_PHONE, World, build
from tests.engines import other_by_hand


def listed(db: Database) -> list[tuple[str, int, str]]:
    c = do_not_send.c
    query = select(c.carrier, c.phone, c.added_by).order_by(c.phone)
    return db.read(lambda connection: [tuple(row) for row in connection.execute(query)])  # type: ignore[misc]


def kinds(db: Database) -> list[str]:
    query = select(inbound_messages.c.kind).order_by(inbound_messages.c.id)
    return list(db.read(lambda c: c.execute(query).scalars().all()))


def test_who_opts_out_is_on_the_carriers_list_once(db: Database) -> None:
    world = build(db, 1)
    write(world, message("Từ chối"), message("STOP"), message("cam on", "84912345602"))
    write(world, message("TU CHOI"), name="b")
    write(world, message("TU CHOI"), name="b")  # the commit's answer was lost
    assert listed(db) == [("viettel", int(PHONE), "reply")]
    assert kinds(db) == ["opt_out", "opt_out", "other", "opt_out"]
    acts = [each for each in db.read(audit.listed, 0, 100).items if each.action == "do-not-send.reply"]
    assert [(each.who, each.subject, each.detail) for each in acts] == [
        ("loa", "carrier/viettel", {"changed": 1})
    ]


def test_a_part_of_a_long_message_and_a_sender_that_is_no_number_put_nobody_on_the_list(db: Database) -> None:
    world = build(db, 1)
    write(world, message("STOP", part=MessagePart(7, 1, 2)), message("STOP", "VIETTEL"))
    assert listed(db) == []
    assert kinds(db) == ["other", "opt_out"]
    write(world, message("STOP", part=MessagePart(7, 1, 1)), name="b")
    assert len(listed(db)) == 1


def test_a_person_may_take_it_off_and_a_new_message_puts_it_on_again(db: Database) -> None:
    world = build(db, 1)
    write(world, message("STOP"))
    db.write(lists.remove, "viettel", [PHONE], "Lan")
    assert listed(db) == []
    write(world, message("STOP"), name="b")
    assert len(listed(db)) == 1


def test_a_message_in_the_form_of_a_receipt_is_kept_and_changes_nothing(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    before = world.states()
    write(world, message("id:m2 sub:001 dlvrd:001 stat:DELIVRD err:000 text:x", str(FIRST_PHONE)))
    assert (kinds(db), world.states()) == (["other"], before)


@pytest.mark.longer
@other_by_hand
async def test_what_is_held_and_not_handed_over_is_stopped_within_a_second(db: Database) -> None:
    """A slow link holds a chunk of a hundred; whoever opts out meanwhile gets nothing."""
    world = build(db, 100)
    world.fan_out()
    db.write(lambda c: c.execute(update(links).values(segments_per_second=20.0)))
    carrier = PaperCarrier(segments_per_second=20)
    await carrier.open()
    last = FIRST_PHONE + 99
    loop = loop_for(world, carrier)
    task = asyncio.create_task(loop.run())
    try:
        await until(lambda: sum(carrier.copies.values()) >= 5)
        write(world, message("STOP", str(last)))
        asked = asyncio.get_running_loop().time()

        def stopped() -> bool:
            return any(last in chunk.opted_out for chunk in loop._chunks())

        await until(stopped, 5)
        assert asyncio.get_running_loop().time() - asked <= 3  # of five that the chunk still takes
        await until(lambda: ended(db, last) == (DeliveryState.NOT_SENT, NotSent.DO_NOT_SEND), 30)
    finally:
        loop.stop()
        await asyncio.wait_for(task, 20)
    assert carrier.copies[str(last)] == 0
    world.check()


def ended(db: Database, phone: int) -> tuple[int, int]:
    d = deliveries.c
    return tuple(db.read(lambda c: c.execute(select(d.state, d.reason).where(d.phone == phone)).one()))  # type: ignore[return-value]


def told(db: Database) -> World:
    world = build(db, 3)
    world.fan_out()
    write(world, message("LD 0987654321 xung la cong an", str(FIRST_PHONE)))
    write(world, message("LD 0987654321 xung la cong an", str(FIRST_PHONE)), name="b")  # brought twice
    write(world, message("S (1234) (vay tien)", "84999999999"), name="c")
    return world


def test_reports_are_counted_by_day_and_area_and_what_came_twice_once(db: Database) -> None:
    told(db)
    found = db.read(scam_reports.counts)
    assert [(each.area, each.form, each.reports) for each in found] == [("03646", "LD", 1), (None, "S", 1)]
    assert found[0].area_name
    assert db.read(scam_reports.counts, "vnpt") == []
    shown = db.read(queries.listed, 0, 10, None, ReplyKind.REPORT).items
    assert len(shown) == 3
    assert "0987654321" not in repr(shown)


@pytest.mark.parametrize("whole", [True, False])
def test_an_export_has_whole_numbers_only_where_it_is_said(db: Database, whole: bool) -> None:
    told(db)
    text = "".join(scam_reports.export(db, whole=whole))
    assert len(text.strip().splitlines()) == 4
    for number in ("0987654321", str(FIRST_PHONE)):
        assert (number in text) == whole
