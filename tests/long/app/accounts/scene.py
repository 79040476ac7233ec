"""Two carriers side by side: of everything that has an id, number 1 is vnpt's and number 2 viettel's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from sqlalchemy import Connection, Table, insert, select, update
from starlette.datastructures import Headers

from app.accounts.service import NewPerson, add_person
from app.core import clock
from app.database.connection import Database
from app.database.models import (
    attachments,
    batches,
    campaigns,
    erasures,
    frozen_reports,
    notices,
    panel_telephones,
    person_requests,
    receipt_files,
    report_files,
    sender_names,
    signed_orders,
)
from app.database.models import directives as letters
from app.database.models import runs as runs_table
from app.security import create_key
from app.signed_orders import loa_carrier
from tests.app.campaigns.rows import new_link, new_run
from tests.app.signed_orders.documents import POLICE, signed_order
from tests.app.signed_orders.test_keys import kid, register
from tests.long.app.accounts.conftest import PASSWORD

CARRIERS = ("vnpt", "viettel")
NOWHERE = 99


class Place(NamedTuple):
    """What stands in a path for one carrier's things."""

    number: int
    sha256: str
    name: str

    @property
    def key(self) -> Ed25519PrivateKey:
        """The carrier's private key; its public one waits for an approval."""
        return Ed25519PrivateKey.from_private_bytes(bytes([self.number]) * 32)

    def path(self, template: str) -> str:
        """The path of an operation, with everything in it this carrier's."""
        words = {
            "sha256": self.sha256,
            "name": f"{self.name} {'key' if '/keys/' in template else 'person'}",
            "key": "gia-danh-cong-an",
            "form": "json",
        }
        words |= {
            "carrier": self.name,
            "link": f"{self.name}-1",
            "token": "t" * 20,
            "tag": "0" * 12,
            "line": "1",
            "nth": "1",
            "kid": kid(self.key),
            "number": "9-1",
            "stamp": "0" * 64,
        }
        numbers = (
            "run",
            "batch",
            "campaign",
            "other",
            "directive",
            "link",
            "report",
            "file",
            "notice",
            "erasure",
            "order",
            "request",
            "sender_name",
            "telephone",
        )
        words |= {f"{each}_id": str(self.number) for each in numbers}
        return template.format_map(words)


OWN, OTHER = (Place(n, hashlib.sha256(c.encode()).hexdigest(), c) for n, c in enumerate(CARRIERS, 1))
UNKNOWN = Place(NOWHERE, "0" * 64, "nobody")


def build(db: Database) -> dict[str, str]:
    """Fill the tables; a key for each role, the operators' by their carrier."""
    for carrier in CARRIERS:
        db.write(_of, carrier)
    db.write(register_names)
    for place in (OWN, OTHER):
        register(db, place.key, place.name)
        db.write(_withdrawal, place)
    roles = {"admin": None, "approver": None, "auditor": None}
    keys = {role: db.write(create_key, f"{role} key", role) for role in roles}
    return keys | {c: db.write(create_key, f"{c} desk", "operator", c) for c in CARRIERS}


def register_names(c: Connection) -> None:
    """Enter a sender name of each carrier and a test telephone, also again after a role has removed it."""
    known = set(c.execute(select(sender_names.c.id)).scalars())
    said = {"name": "CA SON LA", "state": "registered", "changed_at": clock.now_ms(), "changed_by": "author"}
    rows = [{"id": n, "carrier": carrier, **said} for n, carrier in enumerate(CARRIERS, 1) if n not in known]
    if rows:
        c.execute(insert(sender_names), rows)
    if c.execute(select(panel_telephones.c.id).where(panel_telephones.c.id == 1)).first() is None:
        telephone = {"id": 1, "phone": 84_912_000_099, "carrier": "vnpt", "area": "03646"}
        telephone |= {"consent_on": "2024-01-02", "added_at": clock.now_ms(), "added_by": "author"}
        c.execute(insert(panel_telephones).values(telephone))


def _withdrawal(c: Connection, place: Place) -> None:
    """Sign the withdrawal of an order to the carrier, which it may fetch."""
    number = f"{place.number}-1"
    content = signed_order(kind="withdrawal", number=number, carrier=place.name, content=None)
    row = {"run_id": place.number, "serial": 1, "kind": "withdrawal", "digest": "0" * 64, "by": "chief"}
    row |= {"sha256": loa_carrier.read(content).sha256, "kid": kid(POLICE), "content": content}
    c.execute(insert(signed_orders).values(row | {"at": clock.now_ms()}))


def _of(c: Connection, carrier: str) -> None:
    now = clock.now_ms()
    campaign, run = new_run(c, carrier=carrier, sha256=hashlib.sha256(carrier.encode()).hexdigest())
    # Running, so that no order of a test takes it away.
    c.execute(update(runs_table).where(runs_table.c.id == run).values(state="running", started_at=now))
    # Without subscribers, whose rows the reports would miss.
    c.execute(update(batches).values(accepted=0))
    letter = {"number": carrier, "issued_on": "2024-01-29", "issuer": "CAT", "subject": "x", "addressees": []}
    number = _add(c, letters, letter, now)
    values = {"directive_id": number, "state": "submitted", "submitted_by": "author"}
    c.execute(update(campaigns).where(campaigns.c.id == campaign).values(values))
    new_link(c, f"{carrier}-1", carrier=carrier)
    report = {"kind": "run", "subject_id": run, "carrier": carrier, "version": 1, "cutoff_at": now}
    report |= {"interim": 0, "figures": "{}", "sha256": hashlib.sha256(b"{}").hexdigest(), "changes": []}
    report_id = _add(c, frozen_reports, report, now)
    file = {"format": "json", "name": "a.json", "size": 2, "content": b"{}", "sha256": report["sha256"]}
    c.execute(insert(report_files).values(file | {"report_id": report_id}))
    _add(c, receipt_files, {"carrier": carrier, "name": "f.csv", "sha256": carrier, "state": "ready"}, now)
    paper = {"sha256": hashlib.sha256(carrier.encode()).hexdigest(), "name": "a.pdf", "size": 1}
    paper |= {"media_type": "application/pdf", "content": b"x", "created_by": f"{carrier} desk"}
    c.execute(insert(attachments).values(paper | {"created_at": now}))
    told = {"key": carrier, "kind": "directive.due", "channel": "email", "target": "a@b", "payload": {}}
    c.execute(insert(notices).values(told | {"state": "failed", "due_at": now, "created_at": now}))
    gone = {"kind": "batch", "subject_id": 9, "name": "x", "rule": "x", "days": 1, "due_at": now, "by": "x"}
    c.execute(
        insert(erasures).values(gone | {"counts": {}, "totals": [], "started_at": now, "ended_at": now})
    )
    asked = {"kind": "see", "masked": "8491*****01", "came_on": 738_000, "due_on": 738_002, "reference": "x"}
    c.execute(insert(person_requests).values(asked | {"recorded_at": now, "recorded_by": "author"}))
    add_person(c, NewPerson(f"{carrier} person", "admin"), PASSWORD, "test")
    create_key(c, f"{carrier} key")


def _add(c: Connection, table: Table, row: Mapping[str, Any], now: int) -> int:
    made = {"created_at": now, "created_by": "author"}
    return int(c.execute(insert(table).values({**row, **made}).returning(table.c.id)).scalar_one())


class Answer(NamedTuple):
    """Status, body as far as it came with the first message, where it leads, and its head."""

    status: int
    body: bytes
    location: str = ""
    headers: Mapping[str, str] = {}


class Asker:
    """Asks an application and reads the beginning of its answer only: some go on for ever."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def ask(
        self, method: str, path: str, key: str | None, body: bytes = b"{}", kind: str = "application/json"
    ) -> Answer:
        """One request and the first message of its answer."""
        path, _, query = path.partition("?")
        headers = [(b"content-type", kind.encode())] + (
            [(b"authorization", f"Bearer {key}".encode())] if key else []
        )
        headers += [] if path.startswith("/v1/") else [(b"accept", b"text/html")]  # pages are for browsers
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
        scope |= {"headers": headers, "client": ("192.0.2.1", 1), "http_version": "1.1", "scheme": "http"}
        scope |= {"raw_path": path.encode(), "root_path": "", "server": ("loa", 80)}
        got: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        status, head = 0, Headers()

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status, head
            if message["type"] == "http.response.start":
                status, head = message["status"], Headers(raw=message.get("headers", []))
            if message["type"] == "http.response.body" and not got.done():
                got.set_result(Answer(status, message.get("body", b""), head.get("location", ""), head))

        said = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> MutableMapping[str, Any]:
            for message in said:
                return message
            await asyncio.Event().wait()
            raise AssertionError

        running = asyncio.create_task(self.app(scope, receive, send))
        await asyncio.wait({running, got}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
        await asyncio.wait({running})
        return got.result() if got.done() else Answer(status, b"")
