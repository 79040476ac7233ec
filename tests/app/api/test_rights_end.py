"""Whoever loses the right while an upload comes in, which may take hours, has handed in nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, delete, func, select, update

from app.accounts import service
from app.accounts.service import NewPerson
from app.api import uploads
from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import api_keys, attachments, batches
from app.database.models import sessions as open_sessions
from app.runtime.api_app import create_app
from app.security import create_key, sessions
from app.security.authorization import cookie_name, lifetime_of
from tests.app.client import Client

EDGE = "b0undary"
HEAD = f'--{EDGE}\r\nContent-Disposition: form-data; name="carrier"\r\n\r\nvnpt\r\n--{EDGE}\r\n'
HEAD += 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
TAIL = f"0912000001\n\r\n--{EDGE}--\r\n"


@pytest.fixture
def app(db: Database, tmp_path: Path) -> FastAPI:
    return create_app(Settings(data=tmp_path / "data", second_factor_roles=()), db)


def revoked(connection: Connection) -> None:
    connection.execute(update(api_keys).values(revoked_at=clock.now_ms()))


def gone(connection: Connection) -> None:
    connection.execute(delete(api_keys))


def demoted(connection: Connection) -> None:
    connection.execute(update(api_keys).values(role="auditor"))


@pytest.mark.longer
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


@pytest.mark.longer
def test_a_session_is_not_idle_while_its_file_comes_in(
    app: FastAPI, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part comes 20 minutes after the one before, and idle is 30."""
    monkeypatch.setattr(uploads, "_LOOK_S", 0.0)
    db.write(service.add_hashed, NewPerson("lan", "operator", "vnpt"), "x", "test")
    token = db.write(sessions.open_for, "lan", lifetime_of(Settings()))
    later = update(open_sessions).values(seen_at=open_sessions.c.seen_at - 20 * 60_000)

    async def body() -> AsyncIterator[bytes]:
        for part in (HEAD, "phone\n", "0912000002\n", "0912000003\n", TAIL):
            yield part.encode()
            await db.awrite(lambda c: c.execute(later))

    kind = {
        "Content-Type": f"multipart/form-data; boundary={EDGE}",
        "Cookie": f"{cookie_name(Settings())}={token}",
    }
    with Client(app) as client:
        taken = client.post(
            "/v1/batches", content=body(), headers=kind | {"X-CSRF-Token": sessions.csrf_token(token)}
        )
    assert taken.status_code == 202, taken.text
