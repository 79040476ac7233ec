"""An order and its result between two Loas, 100,000 subscribers: no number passes, all figures agree."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from app.campaigns import approval, queries
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.states import SENT, DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, links, runs, subscribers
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.reports.figures import carrier_statement
from app.runtime.api_app import create_app
from app.security import Caller
from app.security.roles import Role
from carriers.contract import ReceiptStatus
from tests.app import world
from tests.app.api.served import served
from tests.app.campaigns.rows import new_batch, new_link
from tests.app.signed_orders.documents import CARRIER, POLICE
from tests.app.signed_orders.scene import ordered, settings
from tests.app.signed_orders.test_keys import in_force
from tests.app.signed_orders.test_received import TEXT, export, receive
from tests.app.world import World, accepted
from tests.engines import sqlite_alone
from tests.operations import new_key
from tests.prove.two_loas import SPELLINGS, numbers_in, packed, recorded

database_url = sqlite_alone
PEOPLE, FIRST, AREAS = 100_000, 84_912_300_000, ("116", "116", "125")
FAILED_EACH, SILENT_EACH = 50, 7  # every so many-th message


@pytest.fixture
def carrier(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """The carrier's own Loa, which knows the police's key and its own."""
    shutil.copy(sqlite_template, tmp_path / "carrier.sqlite3")
    there = Database(f"sqlite:///{tmp_path / 'carrier.sqlite3'}")
    in_force(there, POLICE, None)
    in_force(there, CARRIER, "vnpt")
    yield there
    there.close()


def own_list(db: Database) -> int:
    batch_id = int(db.write(lambda c: new_batch(c, lines=PEOPLE, accepted=PEOPLE)))
    people = [
        {"batch_id": batch_id, "seq": n + 2, "phone": FIRST + n, "area": AREAS[n % 3]} for n in range(PEOPLE)
    ]
    db.write(lambda c: c.execute(insert(subscribers), people))
    return batch_id


def send(db: Database, run_id: int, batch_id: int) -> None:
    """All of it is taken; most arrives, some fails, of some nothing is heard."""
    campaign_id = db.read(queries.run, run_id).campaign_id
    db.write(approval.approve, campaign_id, Caller("chief of vnpt", "approver"))
    order(db, Verb.START, run_id, "vnpt desk")
    db.write(lambda c: new_link(c))
    link_id = db.read(lambda c: c.execute(select(links.c.id)).scalar_one())
    link = Link(link_id, "vnpt-1", "vnpt", 1)
    sends = World(db, ledger_for(db, 1000), campaign_id, run_id, batch_id, link)
    assert sends.fan_out() == PEOPLE
    while lease := sends.claim():
        db.write(sends.ledger.record, link, lease, accepted(list(lease.items)), None, 30.0)
        db.write(sends.ledger.release, lease, 0.0)
        arrived = [
            world.receipt(
                link,
                f"m{item.seq}",
                ReceiptStatus.DELIVERED if item.seq % FAILED_EACH else ReceiptStatus.UNDELIVERED,
                phone=item.phone,
            )
            for item in lease.items
            if item.seq % SILENT_EACH
        ]
        db.write(sends.ledger.apply, arrived)
    moved = {"state": "sent", "ended_at": clock.now_ms()}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run_id).values(moved)))


def by_area(db: Database) -> dict[str, dict[int, int]]:
    d = deliveries.c
    query = select(d.area, d.state, func.count()).group_by(d.area, d.state)
    counts: dict[str, dict[int, int]] = {}
    for area, state, n in db.read(lambda c: c.execute(query).all()):
        counts.setdefault(area, {})[state] = n
    return counts


@pytest.mark.timeout(1200)
def test_between_two_loas_no_number_passes_and_the_form_is_the_ledger_to_the_digit(
    db: Database, carrier: Database
) -> None:
    run_id = ordered(db, text=TEXT, form="accented", window_end=clock.now() + timedelta(days=3))
    headers = {"Authorization": f"Bearer {new_key(db, 'vnpt system', Role.OPERATOR, 'vnpt')}"}
    with (
        served(create_app(settings(), db)) as address,
        recorded(urlsplit(address).port or 0) as wire,
        httpx.Client(base_url=wire.address, headers=headers, timeout=60) as system,
    ):
        fetched = system.get(f"/v1/runs/{run_id}/orders/signed")
        assert fetched.status_code == 200, fetched.text
        batch_id = own_list(carrier)
        there = receive(carrier, fetched.content, batch_id)
        send(carrier, there.run_id, batch_id)
        back = export(carrier, there.run_id, remarks="Danh sách có 100.000 thuê bao, ít hơn ước tính.")
        path, kind = f"/v1/runs/{run_id}/results", {"Content-Type": "application/json"}
        taken = system.post(path, content=back, headers=kind)
        assert taken.status_code == 201, taken.text
    captured = b"\n".join(map(bytes, wire.streams))
    assert fetched.content in captured
    assert back in captured
    assert numbers_in(captured, (str(FIRST + n)[2:] for n in range(PEOPLE))) == []

    statement = db.read(carrier_statement.latest, run_id)
    assert statement is not None
    ledger, general = by_area(carrier), statement.figures.general
    total = {state: sum(counts.get(state, 0) for counts in ledger.values()) for state in DeliveryState}
    assert (general.eligible, general.sent) == (PEOPLE, sum(total[state] for state in SENT))
    assert (general.received, general.failed, general.no_receipt) == (
        total[DeliveryState.DELIVERED],
        total[DeliveryState.UNDELIVERED],
        total[DeliveryState.SUBMITTED],
    )
    assert {
        area.code: (area.counts.sent, area.counts.received, area.counts.failed, area.counts.no_receipt)
        for area in statement.figures.areas
    } == {
        area: (
            sum(counts.get(state, 0) for state in SENT),
            counts[DeliveryState.DELIVERED],
            counts[DeliveryState.UNDELIVERED],
            counts[DeliveryState.SUBMITTED],
        )
        for area, counts in ledger.items()
    }


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_would_be_found_in_each_spelling_compressed_and_within_a_signed_payload(
    spelling: str,
) -> None:
    assert len(SPELLINGS) == 20
    number = SPELLINGS[spelling]("912345678")
    inside = b'{"remarks":"' + number + b'","figures":[1,2,3],"more":"of the same"}'
    payload = base64.urlsafe_b64encode(inside).rstrip(b"=")
    signed = b'{"payload":"' + payload + b'"}'
    for content in (inside, packed(inside), signed, packed(signed)):
        sent = b"POST / HTTP/1.1\r\n\r\n" + content
        assert (spelling, "912345678") in numbers_in(sent, ["912345678"])
        assert numbers_in(sent, ["912345679"]) == []
