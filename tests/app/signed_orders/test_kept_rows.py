"""The claim: a writer of the database can't revive a key, take back a withdrawal or make room for a result
that was taken, and each such change, and that of any other decisive row, is named by `loa verify`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Table, delete, insert, select, update

from app.api.bodies import filled
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import (
    link_levels,
    links,
    register_overrides,
    sender_names,
    signed_orders,
    signed_results,
    signing_keys,
    statements,
)
from app.dispatch.link_store import LinkRecord, register
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import examine
from app.security import kept_rows
from app.signed_orders import kept_documents, keys, orders
from carriers.contract import ReceiptLevel
from tests.app.signed_orders.documents import CARRIER
from tests.app.signed_orders.scene import act, answer, fetched, ordered, take
from tests.app.signed_orders.test_keys import kid
from tests.engines import each_engine

database_url = each_engine


def named(db: Database) -> list[str]:
    found = examine(db, ledger_for(db), checks=(kept_documents.differences,))
    return [each.sentence for each in found.differences]


def change(db: Database, table: Table, **values: Any) -> None:
    db.write(lambda c: c.execute(update(table).values(values)))


def test_nothing_is_named_while_only_loa_writes(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    take(db, run_id, answer(about))
    withdraw(db, run_id)
    revoke(db)
    assert named(db) == []


def revoke(db: Database) -> None:
    act(db, "revoke_signing_key", kid=kid(CARRIER), body=filled(keys.RevokeBody, {"reason": "Stolen."}))


def withdraw(db: Database, run_id: int) -> None:
    body = orders.WithdrawBody(reason="Sai nội dung")
    act(db, "withdraw_order", run_id=run_id, body=body)


def test_a_revoked_key_that_is_revived_signs_nothing(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    revoke(db)
    change(db, signing_keys, revoked_at=None, revoked_by=None, reason=None, ends_at=None)
    listed = {each.kid: each.state for each in act(db, "list_signing_keys")}
    assert listed[kid(CARRIER)] == "altered"
    with pytest.raises(Invalid):
        take(db, run_id, answer(about))
    assert any("signing_keys/" in each and "changed outside Loa" in each for each in named(db))


def test_a_withdrawal_that_is_deleted_makes_no_order_valid(db: Database) -> None:
    run_id = ordered(db)
    withdraw(db, run_id)
    db.write(lambda c: c.execute(delete(signed_orders).where(signed_orders.c.kind == "withdrawal")))
    with pytest.raises(Conflict, match="changed outside Loa"):
        fetched(db, run_id)
    assert any("signed_orders/" in each and "removed outside Loa" in each for each in named(db))


def test_a_result_that_is_deleted_makes_no_room_for_another(db: Database) -> None:
    run_id = ordered(db)
    about = fetched(db, run_id)
    take(db, run_id, answer(about))
    db.write(lambda c: c.execute(delete(signed_results)))
    with pytest.raises(Conflict, match="changed outside Loa"):
        take(db, run_id, answer(about))
    assert any("signed_results/" in each and "removed outside Loa" in each for each in named(db))


ALTERED: dict[str, Callable[[Database], object]] = {
    "a result's SHA-256": lambda db: change(db, signed_results, sha256="0" * 64),
    "a result's key": lambda db: change(db, signed_results, kid="A" * 43),
    "a result's payload": lambda db: db.write(_other_payload),
    "a result's number": lambda db: change(db, signed_results, version=9),
    "an order's kind": lambda db: change(db, signed_orders, kind="withdrawal"),
    "a key's end": lambda db: change(db, signing_keys, ends_at=1),
    "a key's holder": lambda db: change(db, signing_keys, carrier="viettel"),
    "an override that nobody gave": lambda db: db.write(_override),
}


def _other_payload(c: Any) -> None:
    row = c.execute(select(signed_results)).one()
    c.execute(update(signed_results).values(content=bytes(row.content).replace(b'"e', b'"f', 1)))


def _override(c: Any) -> None:
    run = c.execute(select(statements.c.run_id)).scalar_one()
    row = {"campaign_id": run, "findings": [], "reason": "forged", "at": 1, "by": "x"}
    c.execute(insert(register_overrides).values(row))


@pytest.mark.parametrize("what", ALTERED)
def test_what_is_altered_is_named(db: Database, what: str) -> None:
    run_id = ordered(db)
    take(db, run_id, answer(fetched(db, run_id)))
    ALTERED[what](db)
    assert any("outside Loa" in each for each in named(db))


def test_a_documents_signature_is_verified_again(db: Database) -> None:
    run_id = ordered(db)
    take(db, run_id, answer(fetched(db, run_id)))
    assert db.read(kept_documents.differences) == []
    db.write(_other_payload)
    assert len(db.read(kept_documents.differences)) == 1


def test_the_rows_of_before_are_kept_by_the_migration(db: Database) -> None:
    values = {"carrier": "vnpt", "name": "CONGAN", "state": "registered", "changed_at": 1, "changed_by": "x"}
    db.write(lambda c: c.execute(insert(sender_names).values(values)))
    assert any("sender_names/1 was added outside Loa" in each for each in named(db))
    db.write(kept_rows.adopt)
    assert named(db) == []
    change(db, sender_names, state="expired")
    assert any("sender_names/1 was changed outside Loa" in each for each in named(db))


def test_a_level_of_a_link_that_its_settings_have_not_set_is_named(db: Database) -> None:
    db.write(register, LinkRecord("vnpt-1", "vnpt", "vnpt-1", 10.0, ReceiptLevel.OPERATOR))
    assert named(db) == []
    change(db, links, receipt_level=int(ReceiptLevel.HANDSET))
    assert any("Link vnpt-1: what its receipts prove was changed" in each for each in named(db))
    change(db, link_levels, level=int(ReceiptLevel.HANDSET))
    assert any("link_levels/" in each and "changed outside Loa" in each for each in named(db))
