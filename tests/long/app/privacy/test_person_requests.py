"""A person's request has its day and its clock; it is answered once, and what is erased is said and gone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection, Table, func, insert, select, update

from app.batches.queries import get as get_batch
from app.campaigns.approval import FourEyes
from app.core import clock
from app.core.errors import Conflict, Invalid, NotFound
from app.database.connection import Database
from app.database.models import (
    batches,
    deliveries,
    do_not_send,
    inbound_messages,
    person_requests,
    quarantine,
    receipt_files,
    run_batches,
    subscribers,
)
from app.ledger import batch_rows
from app.privacy import person_answers
from app.privacy import person_requests as requests
from app.privacy.person_answers import PersonAnswer, PersonAnswers
from app.privacy.person_data import HeldKind, HeldWhy, person_data
from app.privacy.person_requests import NewPersonRequest, PersonRequest, RequestKind, RequestOutcome
from app.reports.figures import tally
from app.reports.verification.verify import verify
from app.security import Caller, audit
from tests.app.inbound.test_inbound_writer import message, write
from tests.app.world import FIRST_PHONE, World, accepted, build, receipt
from tests.engines import by_default

database_url = by_default
LAN, MAI = Caller("lan", "admin"), Caller("mai", "admin")
NUMBER = f"0{str(FIRST_PHONE)[2:]}"
DONE = PersonAnswer(RequestOutcome.DONE, "Theo yêu cầu của chủ thuê bao.")
REFUSED = PersonAnswer(RequestOutcome.REFUSED, "Không phải chủ thuê bao.")


def today() -> date:
    return clock.local(clock.now()).date()


def ask(db: Database, kind: RequestKind, number: str = NUMBER, came: date | None = None) -> PersonRequest:
    wanted = NewPersonRequest(number, kind, came or today(), "Đơn số 12")
    return db.write(requests.record, wanted, LAN.name)


def answering(world: World, who: Caller = MAI) -> PersonAnswers:
    return PersonAnswers(world.db, world.ledger, 90, who)


def unused_batch(db: Database) -> int:
    """A list that no campaign uses, with the number and its neighbour."""

    def work(c: Connection) -> int:
        row = {"carrier": "vnpt", "name": "chua dung.csv", "sha256": "f" * 64, "state": "ready"}
        row |= {"lines": 2, "accepted": 2, "created_at": clock.now_ms(), "created_by": "hoa"}
        made = c.execute(insert(batches).values(row).returning(batches.c.id)).scalar_one()
        lines = [{"batch_id": made, "seq": n, "phone": FIRST_PHONE + n - 1} for n in (1, 2)]
        c.execute(insert(subscribers), lines)
        _, digest = batch_rows.hash_rows(c, made)
        c.execute(update(batches).where(batches.c.id == made).values(rows_sha256=digest))
        return int(made)

    return db.write(work)


@pytest.fixture
def world(db: Database) -> World:
    """Two messages with a receipt each; replies, a report of a scam, and a list that nobody uses."""
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
    db.write(world.ledger.apply, [receipt(world.link, f"m{each.seq}") for each in lease.items])
    write(world, message("cam on", str(FIRST_PHONE)), message("xin chao", str(FIRST_PHONE + 1)))
    write(world, message("LD (0987654321)(doi tien)", str(FIRST_PHONE)), name="b")
    unused_batch(db)
    return world


def count(db: Database, table, **where) -> int:  # type: ignore[no-untyped-def]
    own = [table.c[name] == value for name, value in where.items()]
    return int(db.read(lambda c: c.scalar(select(func.count()).select_from(table).where(*own))))


def test_a_request_has_its_day_and_is_overdue_when_that_is_over(db: Database) -> None:
    found = ask(db, RequestKind.SEE)
    assert (found.outcome, found.overdue, found.phone) == (None, False, "8491*****00")
    assert found.due_on > found.came_on
    late = ask(db, RequestKind.ERASE, came=today() - timedelta(days=20))
    assert late.overdue
    opened = db.read(requests.open_ones, 10)
    assert [each.id for each in opened] == [late.id, found.id]


def test_the_same_request_twice_is_one_and_another_day_is_told_which_is_open(db: Database) -> None:
    found = ask(db, RequestKind.ERASE)
    assert ask(db, RequestKind.ERASE, number=f"+84 {NUMBER[1:]}").id == found.id
    with pytest.raises(Conflict, match=f"Request {found.id}"):
        ask(db, RequestKind.ERASE, came=today() - timedelta(days=1))
    assert ask(db, RequestKind.SEE).id != found.id


@pytest.mark.parametrize(
    ("number", "days"), [("0912", 0), ("", 0), (NUMBER, -1), (NUMBER, 400), ("8088", 0), ("VIETTEL", 0)]
)
def test_what_is_no_request_is_refused_and_leaves_nothing(db: Database, number: str, days: int) -> None:
    with pytest.raises(Invalid, match="Check the date" if days else "Enter a Vietnamese mobile number"):
        ask(db, RequestKind.SEE, number, today() - timedelta(days=days))
    assert count(db, person_requests) == 0


def test_erasing_takes_what_nothing_stands_on_and_names_what_stays(world: World) -> None:
    db = world.db
    before = db.read(tally.totals, world.campaign)
    number = ask(db, RequestKind.ERASE).id
    done = answering(world).answer(number, DONE)
    assert count(db, inbound_messages, phone=FIRST_PHONE) == 1  # the report of a scam
    assert count(db, inbound_messages, phone=FIRST_PHONE + 1) == 1
    assert count(db, subscribers, phone=FIRST_PHONE) == 1  # of the list that was sent to
    assert count(db, deliveries, phone=FIRST_PHONE) == 1
    assert count(db, do_not_send, phone=FIRST_PHONE) >= 2
    for said in (
        "1 dòng: tin nhắn đến",
        "1 dòng: thuê bao",
        "Tin nhắn gửi đến số này",
        "Biên nhận",
        "90 ngày",
    ):
        assert said in done.paper
    assert "chua dung.csv" not in done.paper
    assert (done.outcome, done.intact, done.answered_by) == (RequestOutcome.DONE, True, "mai")
    assert db.read(tally.totals, world.campaign) == before
    assert verify(db, world.ledger) == []


def test_a_list_without_the_line_is_whole_and_still_bound(world: World) -> None:
    db = world.db
    answering(world).answer(ask(db, RequestKind.ERASE).id, DONE)
    batch = db.read(lambda c: c.execute(select(batches).where(batches.c.name == "chua dung.csv")).one())
    assert (batch.accepted, batch.lines) == (1, 1)
    assert not db.read(batch_rows.rows_altered, batch.id)
    assert db.read(get_batch, batch.id).accepted == 1


def test_a_list_that_was_altered_is_left_so_that_it_is_found(world: World) -> None:
    db = world.db
    own = batches.c.name == "chua dung.csv"
    db.write(lambda c: c.execute(update(batches).where(own).values(rows_sha256="0" * 64)))
    done = answering(world).answer(ask(db, RequestKind.ERASE).id, DONE)
    assert count(db, subscribers, phone=FIRST_PHONE) == 2
    assert "chua dung.csv" in done.paper


def test_a_list_that_a_run_takes_meanwhile_is_not_touched(world: World) -> None:
    """Between the look and the erasure: all of it is refused, and nothing is gone."""
    db = world.db
    found = db.read(person_answers.find, FIRST_PHONE)
    batch = found.lines[0].batch_id
    taken = {"run_id": world.run, "batch_id": batch, "campaign_id": world.campaign}
    db.write(lambda c: c.execute(insert(run_batches).values(taken)))
    with pytest.raises(Conflict, match=f"Batch {batch}"):
        db.write(person_answers.erase, world.ledger, found)
    assert count(db, inbound_messages, phone=FIRST_PHONE) == 2


def test_who_recorded_a_request_does_not_erase_and_a_second_answer_changes_nothing(world: World) -> None:
    number = ask(world.db, RequestKind.ERASE).id
    with pytest.raises(FourEyes):
        answering(world, LAN).answer(number, DONE)
    with pytest.raises(FourEyes):
        answering(world, Caller("lan (command line)", "admin")).answer(number, DONE)
    first = answering(world).answer(number, DONE)
    assert answering(world).answer(number, DONE) == first
    with pytest.raises(
        Conflict, match=r"Request 1 was already answered \(done\) by mai: “Theo yêu cầu của chủ thuê bao\."
    ):
        answering(world).answer(number, REFUSED)
    acts = [
        each for each in world.db.read(audit.listed, 0, 100).items if each.action == "person-request.answer"
    ]
    assert len(acts) == 1
    assert acts[0].detail["rows"] == {"inbound_messages": 1, "subscribers": 1}


def test_who_recorded_it_may_refuse_and_then_nothing_is_done(world: World) -> None:
    found = answering(world, LAN).answer(ask(world.db, RequestKind.ERASE).id, REFUSED)
    assert "từ chối" in found.paper
    assert count(world.db, inbound_messages, phone=FIRST_PHONE) == 2
    assert count(world.db, do_not_send) == 0


@pytest.mark.parametrize("kind", [RequestKind.RESTRICT, RequestKind.OBJECT])
def test_who_objects_is_on_every_carriers_list(world: World, kind: RequestKind) -> None:
    found = answering(world, LAN).answer(ask(world.db, kind).id, DONE)
    listed = world.db.read(lambda c: set(c.execute(select(do_not_send.c.carrier)).scalars()))
    assert {"viettel", "vnpt", "mobifone"} <= listed
    assert "danh sách không gửi của mọi nhà mạng" in found.paper
    assert count(world.db, deliveries, phone=FIRST_PHONE) == 1


def test_who_asks_to_see_gets_the_paper_of_what_is_held(world: World) -> None:
    found = answering(world, LAN).answer(ask(world.db, RequestKind.SEE).id, DONE)
    assert "DỮ LIỆU CÁ NHÂN ĐANG LƯU" in found.paper
    assert "person.data" in [each.action for each in world.db.read(audit.listed, 0, 100).items]


def test_an_open_request_holds_the_number_and_an_answered_one_does_not(world: World) -> None:
    number = ask(world.db, RequestKind.ERASE).id
    held = person_data(world.db, NUMBER, LAN)
    assert HeldKind.ASKED in {each.kind for each in held.held}
    answering(world).answer(number, DONE)
    assert count(world.db, person_requests, phone=FIRST_PHONE) == 0
    found = world.db.read(requests.get, number)
    said = repr(found) + repr(world.db.read(audit.listed, 0, 100).items)
    assert not any(each in said for each in (NUMBER, NUMBER[1:], str(FIRST_PHONE)))


def test_a_number_in_the_words_of_an_answer_is_masked(world: World) -> None:
    wanted = NewPersonRequest(NUMBER, RequestKind.SEE, today(), f"gọi từ {NUMBER}")
    number = world.db.write(requests.record, wanted, LAN.name).id
    found = answering(world).answer(number, PersonAnswer(RequestOutcome.DONE, f"Số {NUMBER} đã được trả lời"))
    assert NUMBER not in found.reference + found.paper + (found.answer or "")


def test_a_late_receipt_after_the_erasure_finds_its_message(world: World) -> None:
    db = world.db
    answering(world).answer(ask(db, RequestKind.ERASE).id, DONE)
    own = select(deliveries.c.seq).where(deliveries.c.phone == FIRST_PHONE)
    seq = db.read(lambda c: c.execute(own).scalar_one())
    db.write(world.ledger.apply, [receipt(world.link, f"m{seq}"), receipt(world.link, "nobody")])
    assert count(db, quarantine) == 1
    assert verify(db, world.ledger) == []


def test_a_paper_that_was_altered_says_so(world: World) -> None:
    number = ask(world.db, RequestKind.OBJECT).id
    answering(world).answer(number, DONE)
    world.db.write(lambda c: c.execute(update(person_requests).values(paper="x")))
    assert not world.db.read(requests.get, number).intact


@pytest.fixture
def sealed(database_url: str) -> Iterator[Database]:
    database = Database(database_url, keys=[b"k" * 32])
    yield database
    database.close()


def test_a_seal_is_missed_by_who_has_the_database_alone(sealed: Database) -> None:
    world = build(sealed, 1)
    number = ask(sealed, RequestKind.OBJECT).id
    found = answering(world).answer(number, DONE)
    assert found.seal
    sha256 = hashlib.sha256(b"x").hexdigest()
    sealed.write(lambda c: c.execute(update(person_requests).values(paper="x", sha256=sha256)))
    assert not sealed.read(requests.get, number).intact


def test_a_paper_without_its_seal_is_not_taken_for_one_from_before_there_was_a_key(sealed: Database) -> None:
    world = build(sealed, 1)
    number = ask(sealed, RequestKind.OBJECT).id
    answering(world).answer(number, DONE)
    forged = {"paper": "x", "sha256": hashlib.sha256(b"x").hexdigest(), "seal": None}
    sealed.write(lambda c: c.execute(update(person_requests).values(forged)))
    assert not sealed.read(requests.get, number).intact


def test_a_paper_is_still_whole_when_the_key_was_changed_twice(database_url: str) -> None:
    """Its printed seal is by a key that is gone; the audit's seals go over to each new one."""
    number, old = 0, b"a" * 32
    for new in (b"b" * 32, b"c" * 32, b"d" * 32):
        with closing(Database(database_url, keys=[new, old])) as db:
            if not number:
                number = ask(db, RequestKind.OBJECT).id
                answering(build(db, 1)).answer(number, DONE)
            db.write(audit.reseal)
            assert db.read(requests.get, number).intact
        old = new


def test_there_is_no_such_request(world: World) -> None:
    with pytest.raises(NotFound):
        answering(world).answer(7, DONE)


def _importing(db: Database, table: Table, **more: object) -> int:
    row = {"carrier": "vnpt", "name": "dang nhap.csv", "sha256": "d" * 64, "state": "importing"}
    row |= {"created_at": clock.now_ms(), "created_by": "hoa", **more}
    return int(db.write(lambda c: c.execute(insert(table).values(row).returning(table.c.id)).scalar_one()))


@pytest.mark.parametrize(("table", "noun"), [(batches, "Batch"), (receipt_files, "Receipt file")])
def test_an_erasure_waits_for_a_file_that_is_being_imported(world: World, table: Table, noun: str) -> None:
    db = world.db
    number, made = ask(db, RequestKind.ERASE).id, _importing(db, table)
    with pytest.raises(Conflict, match=f"{noun} {made} is being imported"):
        answering(world).answer(number, DONE)
    assert count(db, person_requests, phone=FIRST_PHONE) == 1
    assert count(db, inbound_messages, phone=FIRST_PHONE) == 2
    db.write(lambda c: c.execute(update(table).where(table.c.id == made).values(state="ready")))
    assert answering(world).answer(number, DONE).outcome is RequestOutcome.DONE


@pytest.mark.parametrize("state", ["importing", "ready"])
def test_a_file_that_comes_in_during_the_look_is_looked_through_as_well(world: World, state: str) -> None:
    found = world.db.read(person_answers.find, FIRST_PHONE)
    _importing(world.db, batches, state=state)
    with pytest.raises(Conflict, match="Answer again"):
        world.db.write(person_answers.erase, world.ledger, found)
    assert count(world.db, inbound_messages, phone=FIRST_PHONE) == 2


def test_the_certificate_names_other_open_requests_and_texts_of_others_that_name_the_number(
    world: World,
) -> None:
    db, spelt = world.db, f"{NUMBER[:4]},{NUMBER[4:7]},{NUMBER[7:]}"
    write(world, message(f"so{NUMBER}nhe", str(FIRST_PHONE + 1)), message(spelt, "1414"), name="c")
    number = ask(db, RequestKind.ERASE).id
    other = NewPersonRequest(NUMBER, RequestKind.SEE, today(), "Đơn số 77")
    db.write(requests.record, other, LAN.name)
    named = next(each for each in person_data(db, NUMBER, LAN).held if each.kind is HeldKind.NAMED)
    assert (named.n, named.why) == (2, HeldWhy.OTHERS)
    paper = answering(world).answer(number, DONE).paper
    kept = paper.split("Giữ lại, vì:")[1]
    assert "Yêu cầu của chủ thuê bao, đang giải quyết: Đơn số 77" in kept
    assert "Tin nhắn của người khác có nêu số này: viettel-1 (viettel), 2 dòng" in kept
    assert kept.count("đang giải quyết:") == 1


def test_a_used_list_with_the_name_of_an_unused_one_is_named_as_kept(world: World) -> None:
    world.db.write(lambda c: c.execute(update(batches).values(name="KH.csv", carrier="viettel")))
    done = answering(world).answer(ask(world.db, RequestKind.ERASE).id, DONE)
    assert done.paper.count("Danh sách thuê bao: KH.csv") == 1
    assert count(world.db, subscribers, phone=FIRST_PHONE) == 1


def test_a_second_letter_is_not_lost_in_the_first_one(world: World) -> None:
    found = ask(world.db, RequestKind.ERASE)
    second = NewPersonRequest(NUMBER, RequestKind.ERASE, today(), "Đơn số 13")
    with pytest.raises(Conflict, match=f"Request {found.id} .*“Đơn số 12”"):
        world.db.write(requests.record, second, LAN.name)


def test_who_refuses_in_other_words_is_told_the_first_ones(world: World) -> None:
    number = ask(world.db, RequestKind.SEE).id
    answering(world, LAN).answer(number, REFUSED)
    other = PersonAnswer(RequestOutcome.REFUSED, "Thiếu giấy tờ.")
    with pytest.raises(
        Conflict, match=r"Request 1 was already answered \(refused\) by lan: “Không phải chủ thuê"
    ):
        answering(world).answer(number, other)
    with pytest.raises(
        Conflict, match=r"Request 1 was already answered \(refused\) by lan: “Không phải chủ thuê"
    ):
        world.db.write(answering(world)._close, number, other, None)
    assert answering(world).answer(number, REFUSED).answered_by == "lan"
