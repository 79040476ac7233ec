"""What is held on one number is all that is held, said with its reasons, masked, and audited."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, delete

from app.api.rate_limit import TooOften
from app.core.errors import Invalid
from app.database.connection import Database
from app.database.models import deliveries, do_not_send
from app.dispatch.find_person import A_MINUTE, READ, find_person
from app.privacy import do_not_send as lists
from app.privacy.person_data import HeldKind, person_data, whole_paper
from app.security import Caller, audit
from tests.app.inbound.test_inbound_writer import message, write
from tests.app.world import FIRST_PHONE, accepted, build, receipt

ADMIN = Caller("lan", "admin")
NUMBER = f"0{str(FIRST_PHONE)[2:]}"


def filled(db: Database) -> None:
    """A message with its receipt, a reply, and an opt-out; the neighbour has a message alone."""
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
    db.write(world.ledger.apply, [receipt(world.link, f"m{lease.items[0].seq}")])
    write(world, message("cam on", str(FIRST_PHONE)), message("STOP", str(FIRST_PHONE)))


def test_each_place_is_said_with_its_reason_and_nothing_of_anybody_else(db: Database) -> None:
    filled(db)
    found = person_data(db, NUMBER, ADMIN)
    held = {each.kind: (each.n, each.why.value) for each in found.held}
    assert held == {
        HeldKind.LIST: (1, "task"),
        HeldKind.MESSAGE: (1, "task"),
        HeldKind.RECEIPTS: (1, "proof"),
        HeldKind.INBOUND: (2, "request"),
        HeldKind.DO_NOT_SEND: (1, "request"),
    }
    other = person_data(db, f"0{str(FIRST_PHONE + 1)[2:]}", ADMIN)
    assert {each.kind for each in other.held} == {HeldKind.LIST, HeldKind.MESSAGE}
    assert person_data(db, "0912999999", ADMIN).held == []


def test_no_answer_paper_or_act_has_the_number(db: Database) -> None:
    filled(db)
    found = person_data(db, NUMBER, ADMIN)
    said = repr(found) + whole_paper(found) + repr(db.read(audit.listed, 0, 100).items)
    assert not any(number in said for number in (NUMBER, NUMBER[1:], str(FIRST_PHONE)))
    assert "Đang lưu ở 5 nơi:" in found.paper
    (act,) = [each for each in db.read(audit.listed, 0, 100).items if each.action == READ]
    assert (act.who, act.detail["places"]) == ("lan", 5)


def test_what_is_erased_is_held_no_more(db: Database) -> None:
    filled(db)

    def erase(c: Connection) -> None:
        c.execute(delete(deliveries))
        c.execute(delete(do_not_send))

    db.write(erase)
    found = person_data(db, NUMBER, ADMIN)
    assert {each.kind for each in found.held} == {HeldKind.LIST, HeldKind.INBOUND}


def test_nobody_can_say_who_has_looked_without_the_key(db: Database) -> None:
    filled(db)
    found = person_data(db, NUMBER, ADMIN)
    assert (found.seen, found.seal) == (None, None)


def test_who_has_looked_is_known_by_the_key(database_url: str) -> None:
    sealed = Database(database_url, keys=[b"k" * 32])
    filled(sealed)
    sealed.write(find_person, NUMBER, Caller("hoa", "admin"))
    found, again = (person_data(sealed, NUMBER, ADMIN) for _ in range(2))
    sealed.close()
    assert found.seen is not None
    assert again.seen is not None
    assert [(each.who, each.action) for each in found.seen] == [("hoa", "person.find")]
    assert [each.who for each in again.seen] == ["hoa", "lan"]
    assert again.seal


def test_what_is_no_number_is_refused_and_leaves_no_act(db: Database) -> None:
    with pytest.raises(Invalid, match="Enter a Vietnamese mobile number"):
        person_data(db, "0912", ADMIN)
    assert not [each for each in db.read(audit.listed, 0, 10).items if each.action == READ]


def test_a_list_that_no_campaign_has_sent_to_is_found_as_well(db: Database) -> None:
    build(db, 3)
    db.write(lists.add, "vnpt", [NUMBER], "hoa")
    found = person_data(db, NUMBER, ADMIN)
    assert [(each.kind, each.by) for each in found.held] == [
        (HeldKind.LIST, "test"),
        (HeldKind.DO_NOT_SEND, "hoa"),
    ]


def test_readings_and_searches_share_one_limit_a_minute(db: Database) -> None:
    filled(db)
    for _ in range(A_MINUTE // 2):
        person_data(db, NUMBER, ADMIN)
        db.write(find_person, NUMBER, ADMIN)
    with pytest.raises(TooOften):
        person_data(db, NUMBER, ADMIN)
    with pytest.raises(TooOften):
        db.write(find_person, NUMBER, ADMIN)
    assert person_data(db, NUMBER, Caller("mai", "admin")).held  # the limit is each person's own
