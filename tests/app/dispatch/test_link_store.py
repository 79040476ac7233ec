"""Links' rows: registered from the settings, halted by the carrier, resumed by a person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.errors import Conflict, NotFound
from app.core.states import LinkState
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch.link_store import LinkRecord
from carriers.contract import Halted, ReceiptLevel


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
        db.write(link_store.resume, link.id, "Lan")
    db.write(link_store.halt, link.id, Halted("1", "quota"))
    db.write(link_store.resume, link.id, "Lan")
    assert db.read(link_store.state, link.id) is LinkState.RUNNING
    with pytest.raises(NotFound, match="no link 77"):
        db.write(link_store.resume, 77, "Lan")
