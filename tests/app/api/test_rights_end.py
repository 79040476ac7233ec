"""Whoever loses the right while an upload comes in, which may take hours, has handed in nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, delete, func, select, update

from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import api_keys, attachments, batches
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client

EDGE = "b0undary"
HEAD = f'--{EDGE}\r\nContent-Disposition: form-data; name="carrier"\r\n\r\nvnpt\r\n--{EDGE}\r\n'
HEAD += 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
TAIL = f"0912000001\n\r\n--{EDGE}--\r\n"


@pytest.fixture
def app(db: Database, tmp_path: Path) -> FastAPI:
    return create_app(Settings(data=tmp_path / "data"), db)


def revoked(connection: Connection) -> None:
    connection.execute(update(api_keys).values(revoked_at=clock.now_ms()))


def gone(connection: Connection) -> None:
    connection.execute(delete(api_keys))


def demoted(connection: Connection) -> None:
    connection.execute(update(api_keys).values(role="auditor"))


@pytest.mark.parametrize(("change", "status"), [(revoked, 401), (gone, 401), (demoted, 403)])
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/attachments"])
def test_an_upload_is_refused_whose_sender_lost_the_right_in_its_middle(
    app: FastAPI, db: Database, path: str, change: Callable[[Connection], None], status: int
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield (HEAD + "phone\n").encode()
        await db.awrite(change)
        yield TAIL.encode()

    kind = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
    with Client(app, db.write(create_key, "tester")) as client:
        refused = client.post(path, content=body(), headers=kind)
    assert refused.status_code == status, refused.text
    for table in (batches, attachments):
        assert db.read(lambda c, t=table: c.execute(select(func.count()).select_from(t)).scalar_one()) == 0
