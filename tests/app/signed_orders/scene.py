"""A held run whose order is signed, and what its carrier answers; on a database of Loa."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from app.api.bodies import filled
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.operations import OPERATIONS
from app.security.principal import Caller
from app.signed_orders import loa_carrier, orders, results
from tests.app.campaigns.test_held_runs import approved
from tests.app.signed_orders import documents
from tests.app.signed_orders.documents import CARRIER, POLICE, row
from tests.app.signed_orders.test_keys import in_force, pem

DESK = Caller("vnpt desk", "operator", "vnpt", person=True)


def settings() -> Settings:
    return Settings().model_copy(update={"order_key": SecretStr(pem(POLICE))})


def act(
    db: Database, name: str, who: Caller | None = None, own: Settings | None = None, **arguments: Any
) -> Any:
    by = who or Caller("chief", "admin", person=True)
    return OPERATIONS[name].run(db, own or settings(), by, **arguments)


def issue(db: Database, run_id: int, reason: str = "") -> orders.SignedOrder:
    found: orders.SignedOrder = act(
        db, "issue_order", run_id=run_id, body=orders.OrderIssueBody(reason=reason)
    )
    return found


def ordered(db: Database, **draft: Any) -> int:
    """A held run that its carrier has begun, with its order signed and the keys of both sides in force."""
    in_force(db, POLICE, None)
    in_force(db, CARRIER, "vnpt")
    run_id = approved(db, **draft)
    issue(db, run_id)
    order(db, Verb.START, run_id, "operator")
    return run_id


def fetched(db: Database, run_id: int) -> bytes:
    """The file that the carrier fetches."""
    found = act(db, "get_signed_order", DESK, run_id=run_id)
    signatures = [{"protected": one.protected, "signature": one.signature} for one in found.signatures]
    return json.dumps({"payload": found.payload, "signatures": signatures}).encode()


def at(seconds: int) -> str:
    return clock.from_ms(clock.now_ms() + seconds * 1000).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(about: bytes, key: Ed25519PrivateKey = CARRIER, **changes: Any) -> bytes:
    """A result as of now; its counts fit the order's estimate."""
    areas = [row("116", 200_000, 190_000, 5_000, 4_000), row("125", 146_000, 128_000, 15_000)]
    times = {"began_at": at(0), "ended_at": at(0), "cutoff_at": at(0), "made_at": at(0)}
    said = documents.result(about, **times | {"areas": areas} | changes)
    return loa_carrier.sign(said, key)


def take(db: Database, run_id: int, content: bytes, who: Caller | None = None) -> results.SignedResult:
    body = filled(results.ResultBody, results.read_file(content))
    found: results.SignedResult = act(db, "take_result", who or DESK, run_id=run_id, body=body)
    return found
