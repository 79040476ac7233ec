"""Links' rows: registered from the settings, halted by the carrier, resumed by a person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.core.config import LinkSettings
from app.core.errors import Conflict, NotFound
from app.core.states import LinkState
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch.link_store import LinkRecord
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.runtime.worker import account
from carriers.contract import Halted, ReceiptLevel
from tests.operations import carry_out


def facts(name: str, group: str, carrier: str = "vnpt") -> LinkRecord:
    return LinkRecord(name, carrier, group, 50.0, ReceiptLevel.OPERATOR)


def test_links_of_one_receipt_group_share_an_id_and_others_do_not(db: Database) -> None:
    first = db.write(link_store.register, facts("a", "both"))
    second = db.write(link_store.register, facts("b", "both"))
    third = db.write(link_store.register, facts("c", "c"))
    elsewhere = db.write(link_store.register, facts("d", "both", carrier="viettel"))
    assert first.group_id == second.group_id == first.id
    assert third.group_id == third.id
    assert elsewhere.group_id == elsewhere.id


@pytest.mark.longer
def test_processes_that_start_at_one_moment_register_one_link(new_postgresql_url: str) -> None:
    databases = [Database(new_postgresql_url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for link in [facts(name, name) for name in "abcde"]:
            tasks = [pool.submit(db.write, link_store.register, link) for db in databases]
            assert len({task.result().id for task in tasks}) == 1
    for db in databases:
        db.close()


def test_registering_again_keeps_the_link_and_its_state(db: Database) -> None:
    link = db.write(link_store.register, facts("a", "a"))
    db.write(link_store.halt, link.id, Halted("0x0E", "the password is wrong"))
    assert db.write(link_store.register, facts("a", "a")) == link
    assert db.read(link_store.state, link.id) is LinkState.HALTED
    assert [row.reason for row in db.read(link_store.all_links, "vnpt")] == ["the password is wrong"]
    assert db.read(link_store.all_links, "viettel") == []


def test_only_a_halted_link_is_resumed(db: Database) -> None:
    link = db.write(link_store.register, facts("a", "a"))
    with pytest.raises(Conflict, match="not halted"):
        carry_out(db, "resume_link", "Lan", link_id=link.id)
    db.write(link_store.halt, link.id, Halted("1", "quota"))
    carry_out(db, "resume_link", "Lan", link_id=link.id)
    assert db.read(link_store.state, link.id) is LinkState.RUNNING
    with pytest.raises(NotFound, match="no link 77"):
        carry_out(db, "resume_link", link_id=77)


def starts(db: Database, link: Link, segments: float) -> float:
    """Seconds until the first of so many segments may go."""
    return float(db.write(ledger_for(db).engine.reserve, link, segments))


def test_links_of_one_account_keep_one_pace_as_while_a_link_is_renamed(db: Database) -> None:
    """Some processes still have the old name."""
    same = {"account": "smpp loa@10.0.0.1:2775"}
    old = db.write(link_store.register, replace(facts("z", "z"), **same))
    new = db.write(link_store.register, replace(facts("z_new", "z_new"), **same))
    other = db.write(link_store.register, replace(facts("y", "y"), account="smpp loa@10.0.0.2:2775"))
    assert starts(db, old, 300) == 0.0  # six seconds
    assert starts(db, new, 300) == pytest.approx(6, abs=2)
    assert starts(db, old, 300) == pytest.approx(12, abs=2)
    assert starts(db, other, 300) == 0.0
    assert (old.pace_id, new.pace_id) == (old.id, old.id)


def test_links_without_an_account_keep_a_pace_each(db: Database) -> None:
    links = [db.write(link_store.register, facts(name, name)) for name in "ab"]
    assert [starts(db, link, 500) for link in links] == [0.0, 0.0]


def test_what_was_reserved_at_a_low_rate_does_not_hold_a_faster_link_up(db: Database) -> None:
    slow = replace(facts("a", "a"), segments_per_second=0.5)
    link = db.write(link_store.register, slow)
    starts(db, link, 50)  # a hundred seconds
    assert starts(db, link, 1) == pytest.approx(100, abs=5)
    link = db.write(link_store.register, replace(slow, segments_per_second=50.0))
    assert starts(db, link, 1) == pytest.approx(1, abs=1)
    link = db.write(link_store.register, slow)  # and back: what was reserved takes its time
    assert starts(db, link, 1) > 2


@pytest.mark.parametrize(
    "more",
    [
        {"host": "SMSC.vnpt.vn", "port": 2775, "system_id": "loa"},
        {"host": "smsc.VNPT.vn", "port": 2775, "system_id": "loa"},
    ],
)
def test_an_account_is_one_however_its_host_is_spelt(more: dict[str, object]) -> None:
    link = LinkSettings(name="v", carrier="vnpt", kind="smpp", segments_per_second=50, **more)  # type: ignore[arg-type]
    assert account(link) == "smpp loa@smsc.vnpt.vn:2775"
