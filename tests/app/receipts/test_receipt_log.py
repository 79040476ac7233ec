"""The log of receipts: the newest of each link first, each once however it is paged, numbers masked."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from app.database import listing
from app.database.connection import Database
from app.database.models import quarantine, receipts
from app.ledger.ledger import ledger_for
from app.receipts import receipt_log
from app.receipts.receipt_log import Before, QuarantineReason
from tests.app.campaigns.rows import new_campaign, new_link

PHONE = 84_912_345_678
SAID: dict[str, Any] = {"group_id": 1, "level": 2, "reason": 0, "status": "delivered", "code": "000"}


def receipt(c: Connection, at: int, line: int, link: int = 1, **more: Any) -> None:
    of = {"campaign_id": 1, "batch_id": 1, "seq": line, "part": 0, "changed": True, "phone": PHONE}
    of |= {"link_id": link, "received_at": at, "reference": f"r{line}", "raw": f"id:{line} to {PHONE}"}
    c.execute(insert(receipts).values(of | SAID | more))


@pytest.fixture
def links(db: Database) -> Database:
    """Two links, 1 of vnpt and 2 of viettel, and a campaign's own part of the journal."""

    def work(c: Connection) -> None:
        new_campaign(c)
        new_link(c, "vnpt-1")
        new_link(c, "viettel-1", carrier="viettel")

    db.write(work)
    db.write(ledger_for(db).open_campaign, 1)
    return db


def read(db: Database, size: int, carrier: str | None = None) -> list[receipt_log.Matched]:
    """The whole log, in pages of this size."""
    found: list[receipt_log.Matched] = []
    before: Before | None = Before()
    while before is not None:
        of = db.read(receipt_log.links_of, carrier)
        part, before = db.read(receipt_log.matched, of, before, size)
        assert len(part) <= size
        found += part
    return found


@pytest.mark.longer
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_every_receipt_is_there_once_the_newest_first_however_it_is_paged(links: Database, size: int) -> None:
    def work(c: Connection) -> None:
        for line in range(1, 24):
            receipt(c, 1000 + line // 6, line, link=1 + line % 2)  # groups share a time across links
        receipt(c, 1001, 6)  # told again in the same group: another receipt

    links.write(work)
    found = read(links, size)
    assert sorted(each.line for each in found) == sorted([*range(1, 24), 6])
    assert all(a.receipt.received_at >= b.receipt.received_at for a, b in pairwise(found))
    assert {each.receipt.link for each in read(links, size, "viettel")} == {"viettel-1"}
    assert len(read(links, size, "viettel")) == 12


def test_a_page_that_ends_with_the_last_receipt_leads_nowhere(links: Database) -> None:
    links.write(lambda c: [receipt(c, 1000, line) for line in (1, 2, 3, 4)])
    names = links.read(receipt_log.links_of, None)
    _, second = links.read(receipt_log.matched, names, Before(), 2)
    assert second is not None
    assert links.read(receipt_log.matched, names, second, 2)[1] is None


def test_so_many_are_counted_and_of_more_only_that_there_are_more(
    links: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 2)
    links.write(lambda c: [receipt(c, 1000, line, link=1 + line % 2) for line in range(1, 5)])
    names = links.read(receipt_log.links_of, None)
    assert links.read(receipt_log.how_many, names, 0, 2000) == 3  # two of each link
    assert links.read(receipt_log.how_many, names, 1001, 2000) == 0


@pytest.mark.longer
def test_what_is_in_quarantine_says_why(links: Database) -> None:
    def work(c: Connection) -> None:
        lost = {"link_id": 1, "received_at": 1, "try_at": 5000, "tries": 2} | SAID
        for known in ({"reference": "x", "phone": PHONE}, {"phone": PHONE}, {}):
            values = {"reference": None, "phone": None, "raw": None} | known
            c.execute(insert(quarantine).values(lost | values))

    links.write(work)
    of = links.read(receipt_log.links_of, "vnpt")
    first, further = links.read(receipt_log.waiting, of, receipt_log.LATEST, 2)
    rest, end = links.read(receipt_log.waiting, of, further, 2)
    assert [each.why for each in (*first, *rest)] == [
        QuarantineReason.NOTHING_NAMED,
        QuarantineReason.NO_MESSAGE,
        QuarantineReason.NO_SUCH_REFERENCE,
    ]
    assert end is None
    assert links.read(receipt_log.waiting, of, receipt_log.LATEST, 3)[1] is None
    assert rest[0].receipt.phone == "8491*****78"
    assert links.read(receipt_log.how_many_wait, of) == 3
    assert links.read(receipt_log.how_many_wait, links.read(receipt_log.links_of, "viettel")) == 0


@pytest.mark.parametrize(
    "spelt",
    [
        "84912345678",
        "+84912345678",
        "0912345678",
        "912345678",
        "0912 345 678",
        "84-91-234-56-78",
        "(0)912.345.678",
        "%2B84912345678",
        "0084912345678",
    ],
)
@pytest.mark.parametrize("known", [PHONE, None])
def test_no_spelling_of_a_number_comes_through(spelt: str, known: int | None) -> None:
    shown = receipt_log.masked(f'{{"msisdn": "{spelt}", "stat": "DELIVRD"}}', known)
    digits = "".join(each for each in shown if each.isdigit())
    assert "912345678" not in digits
    assert "DELIVRD" in shown
    assert "*" in shown


def test_what_is_no_number_stays_as_it_came() -> None:
    raw = 'id:SLA-20240129-000017 sub:001 done date:2401291005 "at": "2024-01-29T10:05:00+07:00"'
    assert receipt_log.masked(raw, PHONE) == raw
    assert receipt_log.masked("id:3f912345670b and a0143856475f", None) == "id:3f912345670b and a0143856475f"


def test_a_reference_that_holds_the_number_is_masked_too(links: Database) -> None:
    links.write(receipt, 1000, 1, reference=f"SLA{PHONE}", code="0912345678")
    (one,) = read(links, 5)
    assert (one.receipt.reference, one.receipt.code, one.receipt.phone) == (
        "SLA8491*****78",
        "8491*****78",
        "8491*****78",
    )
    assert str(PHONE) not in one.receipt.raw
