"""Every way that Loa itself changes a do-not-send list keeps its seal right, also two at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import do_not_send as table
from app.ledger import opt_out_seal
from app.privacy import do_not_send
from app.security import audit
from app.security.secret_encryption import signing_keys
from tests.app.inbound.test_inbound_writer import PHONE, message, write
from tests.app.world import build
from tests.engines import on_sqlite

KEYS = [signing_keys(Settings.model_validate({"secret_key": letter * 43 + "="}))[0] for letter in "KP"]


def numbers(start: int, count: int) -> list[str]:
    return [str(84_912_000_000 + n) for n in range(start, start + count)]


@pytest.fixture
def keyed(db: Database, database_url: str) -> Iterator[Database]:
    db.close()
    found = Database(database_url, keys=KEYS[:1])
    try:
        yield found
    finally:
        found.close()


def test_additions_removals_and_repetitions_keep_the_seal_right(keyed: Database) -> None:
    for _ in range(2):
        keyed.write(do_not_send.add, "viettel", numbers(0, 30), "an")
        keyed.write(do_not_send.remove, "viettel", numbers(20, 20), "an")
    keyed.write(do_not_send.add_everywhere, 84_912_000_099, "an")
    assert keyed.read(opt_out_seal.problems) == []
    acts = [each for each in keyed.read(audit.listed, 0, 100).items if each.subject == "carrier/viettel"]
    assert [each.detail["seal"] for each in acts] == [1, 2, 3, 4, 5]


def test_who_opts_out_by_a_message_is_under_the_seal(keyed: Database) -> None:
    world = build(keyed, 1)
    write(world, message("STOP"))
    write(world, message("STOP"), name="b")
    assert keyed.read(opt_out_seal.problems) == []
    keyed.write(lambda c: c.execute(delete(table).where(table.c.phone == int(PHONE))))
    assert "has 0 numbers, and Loa left 1" in keyed.read(opt_out_seal.problem, "viettel")


def test_many_at_once_leave_one_right_seal(keyed: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = [
            pool.submit(keyed.write, do_not_send.add, carrier, numbers(7 * n, 20), "an")
            for n in range(12)
            for carrier in ("viettel", "vnpt")
        ]
        removed = [
            pool.submit(keyed.write, do_not_send.remove, "viettel", numbers(n, 9), "b") for n in range(9)
        ]
        everywhere = [
            pool.submit(keyed.write, do_not_send.add_everywhere, 84_987_000_000 + n, "c") for n in range(9)
        ]
        for each in (*added, *removed, *everywhere):
            each.result()
    assert keyed.read(opt_out_seal.problems) == []


def test_a_person_seals_a_list_that_was_put_back_and_another_key_takes_it_over(
    keyed: Database, database_url: str
) -> None:
    keyed.write(do_not_send.add, "viettel", numbers(0, 3), "an")
    keyed.write(lambda c: c.execute(delete(table)))
    assert keyed.read(opt_out_seal.problems) != []
    keyed.write(do_not_send.add, "viettel", numbers(0, 4), "an")  # which is never refused
    assert keyed.read(opt_out_seal.problems) != []
    assert keyed.write(opt_out_seal.seal, "viettel", "an") == 4
    assert keyed.read(opt_out_seal.problems) == []
    keyed.close()
    both = Database(database_url, keys=(KEYS[1], KEYS[0]))
    assert both.read(opt_out_seal.problems) == []
    both.write(do_not_send.add, "viettel", numbers(4, 1), "an")
    assert both.write(opt_out_seal.renew) == 1
    both.close()
    only = Database(database_url, keys=KEYS[1:])
    assert only.read(opt_out_seal.problems) == []
    only.close()


def test_a_list_from_before_seals_is_sealed_when_the_ledger_is_migrated(keyed: Database) -> None:
    row = {"carrier": "vnpt", "added_at": 1, "added_by": "an"}
    keyed.write(lambda c: c.execute(insert(table), [row | {"phone": int(each)} for each in numbers(0, 5)]))
    assert "has no seal" in keyed.read(opt_out_seal.problem, "vnpt")
    keyed.write(opt_out_seal.adopt)
    assert keyed.read(opt_out_seal.problems) == []


@pytest.mark.prove
@on_sqlite
def test_a_million_numbers_are_compared_within_seconds(keyed: Database) -> None:
    row = {"carrier": "vnpt", "added_at": 1, "added_by": "an"}
    for start in range(0, 1_000_000, 50_000):
        rows = [row | {"phone": 84_900_000_000 + start + n} for n in range(50_000)]
        keyed.write(lambda c, rows=rows: c.execute(insert(table), rows))
    keyed.write(opt_out_seal.adopt)
    began = time.process_time()
    assert keyed.read(opt_out_seal.problems) == []
    assert time.process_time() - began < 10
    began = time.process_time()
    keyed.write(do_not_send.add, "vnpt", numbers(0, 1), "an")
    assert time.process_time() - began < 0.5
