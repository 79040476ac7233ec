"""An Idempotency-Key on uploads: the same content is taken once and answered alike, other content is not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.database.connection import Database
from app.database.models import attachments, batches, idempotency_keys
from app.security import create_key
from tests.app.client import Client
from tests.app.receipts.result_files.scene import HEADER, TAKEN, phone, sent
from tests.engines import by_default
from tests.long.app.reports.intake.test_external_activity import LETTER, ROWS, filled
from tests.polling import imported

database_url = by_default

KEY = {"Idempotency-Key": "7c2a"}
CSV = "phone\n0912345678\n"
PDF = b"%PDF-1.7 scan"


def count(db: Database, table: Any) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


def batch(client: Client, content: str = CSV, file: str = "a.csv", **fields: str) -> httpx.Response:
    data = {"carrier": "vnpt"} | fields
    return client.post("/v1/batches", files={"file": (file, content.encode())}, data=data, headers=KEY)


def ready(client: Client) -> dict[str, Any]:
    return imported(client, "/v1/batches/1")


def test_a_batch_is_answered_alike_whatever_has_become_of_it(client: Client, db: Database) -> None:
    first = batch(client)
    assert (first.status_code, first.headers["Location"]) == (202, "/v1/batches/1")
    assert ready(client)["accepted"] == 1
    again = batch(client, file="another name.csv")  # and another boundary between the parts
    assert (again.status_code, again.content) == (202, first.content)
    assert (again.headers["Location"], again.headers["Idempotency-Replayed"]) == ("/v1/batches/1", "true")
    assert count(db, batches) == 1


@pytest.mark.parametrize(("content", "fields"), [(CSV + "0912345679\n", {}), (CSV, {"name": "x"})])
def test_other_content_under_the_same_key_is_refused_and_makes_nothing(
    client: Client, db: Database, content: str, fields: dict[str, str]
) -> None:
    batch(client)
    refused = batch(client, content, **fields)
    assert (refused.status_code, refused.json()["type"]) == (422, "/docs/errors#key-reused")
    assert count(db, batches) == 1


def test_a_refused_upload_leaves_its_key_free(client: Client, db: Database) -> None:
    assert batch(client, carrier="nobody").status_code == 422
    assert count(db, idempotency_keys) == 0
    assert batch(client).status_code == 202


def test_an_import_whose_process_died_goes_on_by_a_repetition(client: Client, db: Database) -> None:
    batch(client)
    ready(client)
    lost = {"state": "importing", "accepted": 0}
    db.write(lambda c: c.execute(update(batches).values(lost)))
    assert batch(client).headers["Idempotency-Replayed"] == "true"
    assert ready(client)["accepted"] == 1


async def test_50_who_send_the_same_scan_at_once_get_one_answer(application: FastAPI, db: Database) -> None:
    headers = KEY | {"Authorization": f"Bearer {db.write(create_key, 'many')}"}
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://loa", headers=headers) as http:
        found = await asyncio.gather(
            *(http.post("/v1/attachments", files={"file": ("a.pdf", PDF)}) for _ in range(50))
        )
    assert {each.status_code for each in found} == {201}
    assert len({each.content for each in found}) == 1
    assert sum("Idempotency-Replayed" in each.headers for each in found) == 49
    assert count(db, attachments) == 1


def test_a_result_file_has_its_key_too(client: Client, db: Database) -> None:
    sent(db, [TAKEN] * 2)

    def send(of: int) -> httpx.Response:
        rows = [HEADER, (phone(of), "DELIVRD", "09/02/2024 10:00:00", "000")]
        content = "\n".join(";".join(row) for row in rows).encode()
        files, data = {"file": ("a.csv", content)}, {"carrier": "viettel"}
        return client.post("/v1/receipt-files", files=files, data=data, headers=KEY)

    first, again = send(0), send(0)
    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)
    assert send(1).json()["type"] == "/docs/errors#key-reused"
    imported(client, first.headers["Location"])


@pytest.mark.prove
def test_a_workbook_that_is_sent_twice_is_answered_with_what_it_changed(client: Client) -> None:
    """Without the key the second answer would be that nothing is new."""
    place = client.post("/v1/directives", json=LETTER).headers["Location"] + "/report-form"
    form = filled(client.get(place).content, ROWS)
    first, again = (client.post(place, files={"file": ("a.xlsx", form)}, headers=KEY) for _ in range(2))
    assert (first.status_code, len(first.json())) == (200, 2)
    assert (again.status_code, again.content) == (200, first.content)
    other = client.post(place, files={"file": ("a.xlsx", filled(form, {4: {"D": 13}}))}, headers=KEY)
    assert other.json()["type"] == "/docs/errors#key-reused"
