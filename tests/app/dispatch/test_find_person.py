"""Has this person got the message? Found by an index in every campaign, masked, and noted in the audit."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select, update

from app.core import clock
from app.core.errors import Invalid, NotFound, TooOften
from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import audit, deliveries, erasures, left_out, runs
from app.dispatch.find_person import A_DAY, A_MINUTE, find_person, number_tag
from app.dispatch.run_content import claim
from app.privacy import do_not_send
from app.receipts import delivery_history
from app.security import Caller
from tests.app.client import Client
from tests.app.world import FIRST_PHONE, World, build
from tests.exact import exactly

ADMIN = Caller("lan", "admin")
VIETTEL, VNPT = (Caller(name, "operator", name) for name in ("viettel", "vnpt"))


@pytest.fixture
def world(db: Database) -> World:
    """Three deliveries that are queued."""
    made = build(db, 3)
    made.fan_out()
    return made


def phone(db: Database) -> str:
    return f"0{db.read(lambda c: c.execute(select(deliveries.c.phone).limit(1)).scalar_one()) - 84 * 10**9}"


@pytest.mark.longer
def test_a_person_is_found_with_text_link_state_and_reason(world: World, db: Database) -> None:
    number = phone(db)
    gone = {
        "state": int(DeliveryState.EXCLUDED),
        "reason": int(NotSent.DO_NOT_SEND),
        "link_id": world.link.id,
    }
    db.write(lambda c: c.execute(update(deliveries).values(gone)))
    db.write(do_not_send.add, "viettel", [number], "lan")
    found = db.write(find_person, f" {number[:4]} {number[4:]} ", ADMIN)
    (one,) = found.deliveries
    assert (one.campaign, one.carrier, one.state, one.reason) == (
        "Tet",
        "viettel",
        "excluded",
        "do_not_send",
    )
    assert (one.text, one.sender, one.link) == ("Canh giac lua dao", "CA SONLA", "viettel-1")
    assert [each.carrier for each in found.do_not_send] == ["viettel"]
    assert number[1:] not in str(found)


def test_who_was_left_out_at_queueing_is_found_with_the_reason_of_that_time(db: Database) -> None:
    world = build(db, 3)
    number = f"0{FIRST_PHONE - 84 * 10**9}"
    db.write(do_not_send.add, "viettel", [number], "lan")
    world.fan_out()
    db.write(do_not_send.remove, "viettel", [number], "lan")
    found = db.write(find_person, number, ADMIN)
    (one,) = found.deliveries
    assert (one.state, one.reason) == ("excluded", "do_not_send")
    assert (one.run_id, one.carrier, one.line, one.link) == (world.run, "viettel", 2, None)
    assert not found.do_not_send
    assert list(db.write(find_person, number, VNPT).deliveries) == []
    db.write(lambda c: c.execute(update(left_out).values(reason=int(NotSent.OTHER_ROUND))))
    assert db.write(find_person, number, ADMIN).deliveries[0].reason == "other_round"


def test_an_operator_finds_its_own_carrier_s_and_who_looks_is_noted(world: World, db: Database) -> None:
    number = phone(db)
    db.write(do_not_send.add, "viettel", [number], "lan")
    assert len(db.write(find_person, number, VIETTEL).deliveries) == 1
    other = db.write(find_person, number, VNPT)
    assert (list(other.deliveries), list(other.do_not_send), other.campaigns) == ([], [], 0)
    acts = db.read(lambda c: c.execute(select(audit).where(audit.c.action == "person.find")).all())
    assert [(act.who, act.detail["found"]) for act in acts] == [("viettel", 1), ("vnpt", 0)]
    assert all("*****" in act.subject and number[1:] not in act.subject for act in acts)


@pytest.mark.longer
def test_once_the_erasure_of_a_campaign_has_begun_nothing_of_it_is_shown(world: World, db: Database) -> None:
    number = phone(db)
    (one,) = db.write(find_person, number, ADMIN).deliveries
    begun = {"kind": "campaign", "subject_id": world.campaign, "name": "x", "rule": "x", "days": 1}
    begun |= {"due_at": 1, "counts": {}, "totals": [], "by": "loa", "started_at": 1}
    db.write(lambda c: c.execute(insert(erasures).values(begun)))
    found = db.write(find_person, number, ADMIN)
    assert (list(found.deliveries), found.campaigns) == ([], 0)
    with pytest.raises(
        NotFound,
        match=exactly(
            "Campaign 1 has no delivery for line 2 of batch 1. It is not queued yet, was excluded "
            "(duplicate, or on the do-not-send list), or its rows were erased. GET /v1/batches/1 "
            "shows the batch's line counts."
        ),
    ):
        db.read(delivery_history.read_history, one.campaign_id, one.batch_id, one.line)


@pytest.mark.longer
def test_who_guesses_numbers_is_stopped_by_the_minute_and_the_day(db: Database) -> None:
    for n in range(A_MINUTE):
        db.write(find_person, f"09110000{n:02d}", VNPT)
    with pytest.raises(TooOften) as stopped:
        db.write(find_person, "0911000099", VNPT)
    wait_s = stopped.value.retry_after_s or 0
    assert 0 < wait_s <= 60
    assert stopped.value.detail == (
        f"You can look up 30 people per minute and 500 per day. Try again in {wait_s} seconds."
    )
    db.write(find_person, "0911000099", VIETTEL)  # another's share is another
    row = {"who": "lan", "action": "person.find", "subject": "x", "detail": {}, "hash": "x"}
    ago = {"at": clock.now_ms() - 3_600_000}
    last = db.read(lambda c: c.scalar(select(func.max(audit.c.id)))) or 0
    rows = [{**row, **ago, "id": last + 1 + n} for n in range(A_DAY)]
    db.write(lambda c: c.execute(insert(audit), rows))
    with pytest.raises(TooOften) as stopped:
        db.write(find_person, "0911000099", ADMIN)
    assert 3600 < (stopped.value.retry_after_s or 0) <= 23 * 3600


@pytest.mark.longer
def test_the_audit_can_be_asked_for_a_known_number_by_who_has_the_key(database_url: str) -> None:
    keyed = Database(database_url, keys=[b"k" * 32])
    keyed.write(find_person, "0911 000 019", ADMIN)
    ((detail,),) = keyed.read(lambda c: c.execute(select(audit.c.detail)).all())
    assert detail["tag"] == keyed.read(number_tag, 84_911_000_019)
    assert detail["tag"] != keyed.read(number_tag, 84_911_000_029)  # which has the same mask
    keyed.close()


@pytest.mark.parametrize("said", ["", "0912", "091234567x", "0912345678 0912345679", "8491*****01"])
def test_only_one_exact_number_is_looked_for(db: Database, said: str) -> None:
    with pytest.raises(Invalid, match="Enter a Vietnamese mobile number"):
        db.write(find_person, said, ADMIN)
    assert not db.read(lambda c: c.execute(select(audit).where(audit.c.action == "person.find")).all())


def test_it_is_found_by_the_index_of_each_campaign_and_never_by_reading_all(
    world: World, db: Database
) -> None:
    asked: list[tuple[str, Any]] = []
    number = phone(db)

    def note(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if "FROM deliveries" in statement:
            asked.append((statement, values))

    def look(c: Connection) -> str:
        event.listen(c, "before_cursor_execute", note)
        find_person(c, number, ADMIN)
        event.remove(c, "before_cursor_execute", note)
        ((statement, values),) = asked
        if c.dialect.name == "postgresql":  # three rows are read sooner than an index
            c.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "EXPLAIN " if c.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        return "\n".join(str(row) for row in c.exec_driver_sql(plan + statement, values).all())

    found = db.write(look)
    assert "campaign_id_phone" in found or "(campaign_id=? AND phone=?)" in found, found
    assert "SCAN deliveries" not in found
    assert "Seq Scan on deliveries" not in found


@pytest.mark.longer
def test_the_number_is_in_the_body_alone_and_masked_in_the_answer(
    client: Client, world: World, db: Database
) -> None:
    number = phone(db)
    answer = client.post("/v1/deliveries/find", json={"phone": number})
    assert answer.status_code == 200
    assert [each["campaign"] for each in answer.json()["deliveries"]] == ["Tet"]
    assert number[1:] not in answer.text
    refused = client.post("/v1/deliveries/find", json={"phone": "0912"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "phone")


def test_what_an_older_campaign_said_in_another_language_is_told_by_the_area(
    world: World, db: Database
) -> None:
    world.rewrite(texts={"": "Canh giac", "hmn": "Ceev faj"}, text_areas={"hmn": ["125"]})
    for area, said in (("03664", "Canh giac"), ("125", "Ceev faj"), (None, "Canh giac")):
        db.write(lambda c, of=area: c.execute(update(deliveries).values(area=of)))
        assert db.write(find_person, phone(db), ADMIN).deliveries[0].text == said


def test_and_sends_nothing_more(world: World, db: Database) -> None:
    world.rewrite(texts={"": "Canh giac", "hmn": "Ceev faj"}, text_areas={"hmn": ["125"]})
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "running"
    assert not hasattr(db.write(claim, world.ledger, world.link, "link", 8.0), "lease")
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == "paused"
