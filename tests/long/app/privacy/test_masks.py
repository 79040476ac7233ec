"""Known numbers are sent through the whole surface: none comes out whole but where the table says so."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import Connection, insert, select, update

from app.core.config import Settings
from app.database import models as m
from app.database.connection import Database
from app.observability import logs
from app.privacy import do_not_send
from app.security import audit, create_key, phone_disclosure
from app.security.phone_disclosure import DisclosurePlace
from app.web import routers
from tests.app.client import Client
from tests.app.described import described
from tests.engines import sqlite_alone
from tests.long.app.privacy.past import over, stray
from tests.long.app.reports.scene import T0

database_url = sqlite_alone

# Where whole numbers come out, who gets them, and what it takes; each use is an act of the audit.
ALLOWED = {
    DisclosurePlace.RECEIPT_LINES: (
        "GET /v1/receipt-files/{file_id}/lines.csv",
        "the operator of that carrier",
    ),
    DisclosurePlace.RECEIPT_LINES_COMMAND: (
        "loa receipts lines --whole-numbers",
        "who has the database at hand",
    ),
    DisclosurePlace.UNKNOWN_LIST: ("GET /v1/runs/{run_id}/unknown.csv", "the operator of that carrier"),
    DisclosurePlace.FAILED_LIST: ("GET /v1/runs/{run_id}/failed.csv", "the operator of that carrier"),
    DisclosurePlace.SCAM_REPORTS: ("GET /v1/inbound-messages/scam-reports.csv", "administrators"),
    DisclosurePlace.SCAM_REPORTS_COMMAND: (
        "loa inbound export --whole-numbers",
        "who has the database at hand",
    ),
    DisclosurePlace.UNKNOWN_LIST_COMMAND: (
        "loa unknown export --whole-numbers",
        "who has the database at hand",
    ),
}
WHOLE = [where.removeprefix("GET ") for where, _ in ALLOWED.values() if where.startswith("GET ")]
OF_ADMINISTRATORS = ["/v1/inbound-messages/scam-reports.csv"]
STRAY = "84912345678"
SLIPPED = "84987654321"  # what somebody types where it does not belong
SPELLINGS = (SLIPPED, f"0{SLIPPED[2:]}", f"+84 {SLIPPED[2:5]} {SLIPPED[5:8]} {SLIPPED[8:]}")
QUERY = ("after", "limit", "carrier", "state", "verdict", "campaign", "format", "run_id", "directive_id")
# Ways in for numbers: what comes back is of the caller's own making, such as a text with its hotline.
_ECHO = {"preview_text"}


@pytest.fixture
def numbers(db: Database) -> list[str]:
    """Every table that may hold numbers holds some; the last nine digits of each."""
    over(db)
    stray(db, T0, int(STRAY))
    raw = f"id:1 to {STRAY} stat:DELIVRD"
    db.write(lambda c: c.execute(update(m.receipts).values(raw=raw)))
    db.write(lambda c: c.execute(update(m.quarantine).values(raw=raw)))
    db.write(do_not_send.add, "vnpt", [STRAY], "an")
    db.write(_written_to_us)
    phones = [int(STRAY), 84_919_999_999]
    for table in (m.subscribers, m.deliveries, m.receipts, m.unknowns, m.receipt_lines):
        phones += db.read(lambda c, t=table: list(c.execute(select(t.c.phone)).scalars()))
    return sorted({str(phone)[-9:] for phone in phones})


def _written_to_us(connection: Connection) -> None:
    """Numbers as the sender, as the receiver and in the text, whatever the link's carrier is."""
    link_ids = connection.execute(select(m.links.c.id)).scalars().all()
    assert link_ids
    said = {"received_at": T0, "coding": 0, "digest": 1, "destination": STRAY}
    said |= {"text": f"goi {STRAY}, 0{STRAY[2:]} hoac {STRAY[2:]}"}
    for link_id in link_ids:
        for n, sender in enumerate(({"phone": int(STRAY)}, {"source": f"+{STRAY}"})):
            row = said | sender | {"link_id": link_id, "arrival": f"{link_id}-{n}"}
            connection.execute(insert(m.inbound_messages).values(row))
    connection.execute(update(m.inbound_messages).values(kind="report"))


def spoken(text: str) -> str:
    """Without what may stand between the digits of a number."""
    return re.sub(r"(?<=\d)[ .\-\u00a0](?=\d)", "", text)


def leaks(content: str, tails: list[str]) -> list[str]:
    return [tail for tail in tails if tail in spoken(content)]


def said(answer: httpx.Response) -> str:
    """All that an answer says, its headers and the inside of workbooks too."""
    content = answer.content
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            content = b"".join(packed.read(name) for name in packed.namelist())
    return f"{dict(answer.headers)} {content.decode('utf-8', 'replace')}"


def operations(application: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described(application)["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.fixture
def heard(settings: Settings) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(settings, stream)
    return stream


def test_no_reading_gives_a_whole_number_to_anybody_but_where_it_may(
    application: FastAPI, client: Client, db: Database, numbers: list[str], heard: io.StringIO
) -> None:
    read = 0
    with Client(application, db.write(create_key, "lan", "operator", "vnpt")) as operator:
        for method, path, operation in operations(application):
            if method != "GET" or path.endswith("/events"):
                continue
            place = re.sub(r"\{[^}]*\}", "1", path)
            for who in (client, operator):
                answer = who.get(place, params=_needed(operation))
                read += answer.status_code == 200
                allowed = path in WHOLE and (who is client) == (path in OF_ADMINISTRATORS)
                assert bool(leaks(said(answer), numbers)) == allowed, f"{path}: {answer.text[:300]}"
    assert read > 50
    assert leaks(heard.getvalue(), numbers) == []
    assert '"path": "/v1/do-not-send"' in heard.getvalue()


MORE_PAGES = ("/batches/1?campaign=1", "/receipts?kind=quarantine", "/receipts?link=1", "/reports/1?prove=1")


def test_no_page_shows_a_whole_number_to_anybody(
    application: FastAPI, client: Client, db: Database, numbers: list[str], heard: io.StringIO
) -> None:
    pages = [each for router in routers.ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    reading = [each.path for each in pages if "GET" in each.methods and not each.name.endswith("_events")]
    lines = db.read(lambda c: c.execute(select(m.deliveries.c.batch_id, m.deliveries.c.seq)).all())
    told = [f"/deliveries/1/{batch}/{line}" for batch, line in lines]
    read = 0
    with Client(application, db.write(create_key, "lan", "operator", "vnpt")) as operator:
        for path in (*(re.sub(r"\{[^}]*\}", "1", each) for each in reading), *MORE_PAGES, *told):
            for who in (client, operator):
                answer = who.get(path, headers={"Accept": "text/html"})
                read += answer.status_code == 200
                assert leaks(said(answer), numbers) == [], path
    assert told
    assert read > 50
    assert leaks(heard.getvalue(), numbers) == []


def _needed(operation: dict[str, Any]) -> dict[str, str]:
    """The parameters of the query that an operation can't do without."""
    asked = operation.get("parameters", [])
    return {each["name"]: "1" for each in asked if each["in"] == "query" and each.get("required")}


@pytest.mark.prove
@pytest.mark.parametrize("turn", [0, *(pytest.param(n, marks=pytest.mark.prove) for n in (1, 2))])
def test_what_slips_into_a_field_is_neither_answered_nor_logged(
    application: FastAPI, client: Client, db: Database, heard: io.StringIO, turn: int
) -> None:
    """The spellings in turn from one operation to the next; in `make prove` each in each."""
    over(db)
    tail, asked = SLIPPED[-9:], 0
    for number, (method, path, operation) in enumerate(operations(application), turn):
        if operation["operationId"] in _ECHO:
            continue
        slipped = SPELLINGS[number % len(SPELLINGS)]
        for answer in _slips(client, (method, path), _fields(application, operation), slipped):
            asked += 1
            refused = answer.text if answer.status_code >= 400 else ""
            assert tail not in spoken(refused), f"{method} {path}: {answer.text}"
    assert asked > 200
    assert tail not in spoken(heard.getvalue())


def _slips(
    client: Client, operation: tuple[str, str], fields: list[str], number: str
) -> Iterator[httpx.Response]:
    """Answers to the number in the path (where it is too large for an id), in the query and in the body."""
    method, path = operation
    place, wrong = (re.sub(r"\{[^}]*\}", what, path) for what in ("1", SLIPPED))
    more = {} if method == "GET" else {"json": dict.fromkeys([*fields, "x"], number)}
    yield client.request(method, wrong, **more)
    yield client.request(method, place, **more)
    yield client.get(place, params=dict.fromkeys(QUERY, number))


def _fields(application: FastAPI, operation: dict[str, Any]) -> list[str]:
    """The fields of the body that an operation takes."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        body = described(application)["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    return list(body.get("properties", {}))


def test_every_disclosure_is_an_act_that_names_who_what_and_how_many(
    application: FastAPI, db: Database, numbers: list[str]
) -> None:
    assert numbers
    with Client(application, db.write(create_key, "lan", "operator", "vnpt")) as operator:
        whole = operator.get("/v1/receipt-files/1/lines.csv").text
    shown = [act for act in db.read(audit.listed, 0, 100).items if act.action == phone_disclosure.ACTION]
    given = len(re.findall(r"(?<!\d)84\d{9}(?!\d)", whole))
    assert given == 10  # two lines, and eight messages that the file does not name
    assert [(act.who, act.subject, act.detail) for act in shown] == [
        ("lan", "receipt-file/1", {"place": "receipt-lines", "numbers": given})
    ]


def test_the_table_of_places_is_whole() -> None:
    assert set(ALLOWED) == set(DisclosurePlace)
