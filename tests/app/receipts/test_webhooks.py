"""Receipts by webhook: committed before they are acknowledged, applied once, in any order and any form."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import link_pace, links, receipts
from app.ledger.contract import Applied, Arrival, SubmitOutcome
from app.ledger.ledger import Ledger
from carriers.contract import Accepted, ReceiptLevel
from tests.app.receipts.hooks import (
    ACKNOWLEDGED,
    DOOR,
    LINK,
    TOKEN,
    door,
    event,
    kept,
    problem,
    sent,
    settings_of,
)
from tests.app.world import FIRST_PHONE, accepted, build
from tests.engines import by_default

database_url = by_default


@dataclass(slots=True)
class Watched:
    """Passes everything on to the ledger, and notes how many receipts came in each commit."""

    ledger: Ledger
    groups: list[int] = field(default_factory=list)

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        self.groups.append(len(arrivals))
        return self.ledger.apply(connection, arrivals)


STATE = {name: int(state) for name, state in DeliveryState.__members__.items()}


@pytest.mark.longer
async def test_a_receipt_is_committed_when_it_is_acknowledged(db: Database) -> None:
    world = sent(db, 3)
    async with door(db, world) as there:
        answer = await there.post(event(2))
        assert (answer.status_code, answer.content) == (200, ACKNOWLEDGED)
        assert answer.headers["content-type"] == "application/json"
        assert world.delivery(2)["state"] == STATE["DELIVERED"]
        assert 'loa_webhooks_total{answer="taken"} 1.0' in there.counted()
    world.check()


@pytest.mark.longer
@pytest.mark.parametrize("carried", ["json", "form", "query", "query of a post"])
async def test_json_form_and_query_are_all_taken(db: Database, carried: str) -> None:
    world = sent(db, 3)
    fields: Any = event(3)
    settings = settings_of({"token": TOKEN, "map": {"source": "any"}})
    async with door(db, world, settings) as there:
        path = f"{DOOR}/{TOKEN}"
        match carried:
            case "json":
                answer = await there.http.post(path, json=fields)
            case "form":
                answer = await there.http.post(path, data=fields)
            case "query":
                answer = await there.http.get(path, params=fields)
            case _:
                answer = await there.http.post(path, params=fields)
    assert answer.content == ACKNOWLEDGED
    assert world.delivery(3)["state"] == STATE["DELIVERED"]


@pytest.mark.longer
async def test_an_array_is_acknowledged_once_all_of_it_is_committed(db: Database) -> None:
    world = sent(db, 450)
    async with door(db, world, group=100) as there:
        answer = await there.post([event(seq) for seq in range(2, 452)])
        assert answer.content == ACKNOWLEDGED
        assert world.states() == {STATE["DELIVERED"]: 450}
        assert kept(db) == (450, 0)
    world.check()


@pytest.mark.longer
async def test_receipts_of_many_requests_share_commits(db: Database) -> None:
    world = sent(db, 60)
    watched = Watched(world.ledger)
    async with door(db, world, ledger=watched) as there:
        answers = await asyncio.gather(*(there.post(event(seq)) for seq in range(2, 62)))
    assert {answer.content for answer in answers} == {ACKNOWLEDGED}
    assert sum(watched.groups) == 60
    assert len(watched.groups) < 30
    assert world.states() == {STATE["DELIVERED"]: 60}


@pytest.mark.longer
async def test_repeated_receipts_are_acknowledged_kept_and_change_nothing(db: Database) -> None:
    world = sent(db, 2)
    async with door(db, world) as there:
        for _ in range(3):
            assert (await there.post([event(2), event(2)])).content == ACKNOWLEDGED
        assert 'loa_receipts_total{outcome="applied"} 1.0' in there.counted()
        assert 'loa_receipts_total{outcome="repeated"} 5.0' in there.counted()
    assert kept(db) == (6, 0)
    assert world.states() == {STATE["DELIVERED"]: 1, STATE["SUBMITTED"]: 1}
    world.check()


WORDS = ("SENT", "DELIVRD", "DELIVRD", "UNDELIV", "UNKNOWN")


@pytest.mark.longer
async def test_a_final_state_is_the_same_in_every_order_and_never_goes_back(db: Database) -> None:
    orders = sorted(set(permutations(WORDS)))
    world = sent(db, len(orders))
    async with door(db, world) as there:
        for place in range(len(WORDS)):
            batch = [event(seq, order[place]) for seq, order in enumerate(orders, start=2)]
            assert (await there.post(batch)).content == ACKNOWLEDGED
    assert world.states() == {STATE["DELIVERED"]: len(orders)}
    world.check()


@pytest.mark.longer
async def test_late_words_after_the_final_one_change_nothing(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        for word in ("DELIVRD", "SENT", "ENROUTE", "UNDELIV", "EXPIRED", "what?"):
            assert (await there.post(event(2, word))).content == ACKNOWLEDGED
            assert world.delivery(2)["state"] == STATE["DELIVERED"]
    assert kept(db) == (6, 0)


@pytest.mark.longer
async def test_unknown_ids_are_kept_in_quarantine_and_acknowledged(db: Database) -> None:
    world = sent(db, 1)
    unknown = [{"message_id": f"foreign{n}", "status": "DELIVRD"} for n in range(300)]
    async with door(db, world) as there:
        assert (await there.post(unknown)).content == ACKNOWLEDGED
    assert kept(db) == (0, 300)
    assert world.states() == {STATE["SUBMITTED"]: 1}


@pytest.mark.longer
async def test_a_receipt_before_its_submission_finds_it_when_that_is_recorded(db: Database) -> None:
    world = build(db, 40, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    async with door(db, world) as there:
        assert (await there.post([event(item.seq) for item in lease.items])).content == ACKNOWLEDGED
    assert kept(db) == (0, 40)
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
    assert world.states() == {STATE["DELIVERED"]: 40}
    world.check()


@pytest.mark.longer
@pytest.mark.parametrize(
    ("level", "state"),
    [
        (ReceiptLevel.HANDSET, "DELIVERED"),
        (ReceiptLevel.OPERATOR, "RELAYED"),
        (ReceiptLevel.NONE, "SUBMITTED"),
    ],
)
async def test_no_more_is_claimed_than_the_link_s_receipts_prove(
    db: Database, level: ReceiptLevel, state: str
) -> None:
    world = sent(db, 1)
    db.write(lambda c: c.execute(update(links).values(receipt_level=int(level))))
    async with door(db, world) as there:
        await there.post(event(2))
    assert world.delivery(2)["state"] == STATE[state]
    assert kept(db) == (1, 0)


@pytest.mark.longer
@pytest.mark.parametrize("level", ReceiptLevel)
async def test_sent_is_on_its_way_and_no_delivery(db: Database, level: ReceiptLevel) -> None:
    world = sent(db, 1)
    db.write(lambda c: c.execute(update(links).values(receipt_level=int(level))))
    async with door(db, world) as there:
        await there.post(event(2, "SENT"))
    assert world.delivery(2)["state"] == STATE["SUBMITTED"]


@pytest.mark.longer
async def test_a_phone_that_is_not_the_message_s_does_not_match_it(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        assert (await there.post(event(2, msisdn=str(FIRST_PHONE + 7)))).content == ACKNOWLEDGED
    assert world.delivery(2)["state"] == STATE["SUBMITTED"]
    assert kept(db) == (0, 1)


@pytest.mark.longer
async def test_a_total_of_esms_is_kept_and_moves_nothing(db: Database) -> None:
    world = sent(db, 1)
    said = {"SMSID": "m2", "SendStatus": "5", "SendSuccess": "900", "SendFailed": "100", "TotalSent": "1000"}
    async with door(db, world, settings_of({"token": TOKEN, "format": "esms"})) as there:
        answer = await there.http.get(f"{DOOR}/{TOKEN}", params=said)
        assert answer.status_code == 200
    assert world.delivery(2)["state"] == STATE["SUBMITTED"]
    row = db.read(lambda c: c.execute(select(receipts)).one())
    assert (row.status, row.changed) == ("unknown", False)
    assert '"SendSuccess":"900"' in row.raw


@pytest.mark.longer
async def test_each_carrier_hears_its_own_answer(db: Database) -> None:
    world = sent(db, 1)
    said = {"SMSGUID": "m2", "SMSSTATUS": "3", "SECRECTSIGN": "x"}
    async with door(db, world, settings_of({"token": TOKEN, "format": "abenla"})) as there:
        answer = await there.http.post(f"{DOOR}/{TOKEN}", params=said)
    assert answer.headers["content-type"] == "application/xml"
    assert b"<Status>2</Status>" in answer.content
    assert world.delivery(2)["state"] == STATE["DELIVERED"]


@pytest.mark.longer
async def test_what_can_be_read_is_taken_and_what_can_t_is_named(db: Database) -> None:
    world = sent(db, 4)
    mixed = [event(2), {"message_id": "m3"}, event(4), event(5, msisdn="12")]
    async with door(db, world) as there:
        found = problem(await there.post(mixed), 422, "webhook-unreadable")
        assert [one["field"] for one in found["errors"]] == ["[1].status", "[3].msisdn"]
        assert found["detail"].startswith("[1].status is missing. [3].msisdn must be a number of Vietnam")
        assert found["detail"].endswith("The other 2 are taken.")
        assert world.states() == {STATE["DELIVERED"]: 2, STATE["SUBMITTED"]: 2}
        mended = [event(seq) for seq in (2, 3, 4, 5)]
        assert (await there.post(mended)).content == ACKNOWLEDGED
        assert 'loa_webhooks_total{answer="unreadable"} 1.0' in there.counted()
    assert world.states() == {STATE["DELIVERED"]: 4}
    world.check()


@pytest.mark.longer
async def test_a_thousand_faults_are_counted_and_not_all_told(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        found = problem(await there.post([{}] * 1000), 422, "webhook-unreadable")
    assert len(found["errors"]) == 20
    assert found["detail"].endswith("980 more cannot be read.")


@pytest.mark.longer
@pytest.mark.parametrize("count", [5001, 6000])
async def test_more_than_the_limit_of_events_is_refused_whole(db: Database, count: int) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        found = problem(await there.post([event(2)] * count), 422, "webhook-unreadable")
    assert found["detail"] == f"The array has {count} events; send at most 5000 at once."
    assert kept(db) == (0, 0)


@pytest.mark.longer
async def test_an_unknown_link_is_asked_to_come_again(db: Database) -> None:
    world = sent(db, 1)
    for table in (link_pace, links):
        db.write(lambda c, rows=table: c.execute(delete(rows)))
    async with door(db, world) as there:
        problem(await there.post(event(2)), 503, "receipts-busy")
    assert kept(db) == (0, 0)


@pytest.mark.longer
@pytest.mark.parametrize("ids", [{}, {"request_id": "an id that is the carrier's own"}])
async def test_where_the_link_has_no_references_the_phone_names_the_message(
    db: Database, ids: dict[str, str]
) -> None:
    world = build(db, 3, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    taken = [SubmitOutcome(item, Accepted()) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, taken, None, 30.0)
    async with door(db, world) as there:
        said = {"msisdn": f"0{FIRST_PHONE + 1 - 84_000_000_000}", "status": "DELIVRD"} | ids
        assert (await there.post(said)).content == ACKNOWLEDGED
    assert world.delivery(3)["state"] == STATE["DELIVERED"]
    assert world.states() == {STATE["DELIVERED"]: 1, STATE["SUBMITTED"]: 2}
    world.check()


@pytest.mark.longer
@pytest.mark.parametrize(
    ("mode", "kept", "brought"),
    [
        ("same", "24f8", "00000024F8"),
        ("same", "9464", "0000009464"),
        ("hex_dec", "24f8", "0000009464"),
        ("dec_hex", "24f8", "24F8"),
        ("same", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "1B9D6BCD-BBFD-4B2D-9B5D-AB8DFBBD4BED"),
    ],
)
def test_ids_match_in_whatever_form_the_carrier_calls_with_them(
    db: Database, mode: str, kept: str, brought: str
) -> None:
    """A link over SMPP keeps ids in lower case without leading zeros; so does its webhook."""
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    taken = [SubmitOutcome(lease.items[0], Accepted((kept,)))]
    db.write(world.ledger.record, world.link, lease, taken, None, 30.0)
    settings = settings_of()
    settings.links[LINK] = settings.links[LINK].model_copy(update={"id_mode": mode})

    async def call() -> int:
        async with door(db, world, settings) as at:
            return (await at.post(event(2, message_id=brought))).status_code

    assert asyncio.run(call()) == 200
    assert world.states() == {int(DeliveryState.DELIVERED): 1}
