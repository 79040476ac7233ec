"""An Idempotency-Key: one act however often it is asked for, and the same answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.api.idempotency_store import sweep
from app.campaigns import queries
from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import audit, campaigns, idempotency_keys
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.campaigns.rows import new_run
from tests.app.campaigns.test_routes import CAMPAIGN, LETTER
from tests.app.client import Client
from tests.engines import each_engine

database_url = each_engine

KEY = {"Idempotency-Key": "4f1f9c1e"}
DAY_MS = 86_400_000


def count(db: Database, table: Any) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


async def at_once(app: FastAPI, key: str, times: int, url: str, **options: Any) -> list[httpx.Response]:
    """The same POST so many times, all in flight together."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"} | options.pop("headers")
    async with httpx.AsyncClient(transport=transport, base_url="http://loa", headers=headers) as http:
        return await asyncio.gather(*(http.post(url, **options) for _ in range(times)))


def test_the_same_key_and_body_are_carried_out_once_and_answered_alike(client: Client, db: Database) -> None:
    first = client.post("/v1/campaigns", json=CAMPAIGN, headers=KEY)
    again = client.post("/v1/campaigns", json=CAMPAIGN, headers=KEY)
    assert (first.status_code, count(db, campaigns)) == (201, 1)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("Location", "ETag", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["0912345678", "remind-0912.345.678", "so0912345678nhe"])
def test_a_key_with_a_number_in_it_is_not_stored_as_it_is(client: Client, db: Database, key: str) -> None:
    answers = [client.post("/v1/campaigns", json=CAMPAIGN, headers={"Idempotency-Key": key}) for _ in "ab"]
    assert [each.content for each in answers] == [answers[0].content] * 2
    assert count(db, campaigns) == 1
    (kept,) = db.read(lambda c: c.execute(select(idempotency_keys.c.key)).scalars().all())
    assert kept.startswith("sha256:")
    other = client.post("/v1/campaigns", json=CAMPAIGN | {"name": "x"}, headers={"Idempotency-Key": key})
    assert other.status_code == 422


def test_an_answer_under_a_key_is_the_one_that_there_is_without(client: Client) -> None:
    plain = client.post("/v1/directives", json=LETTER)
    keyed = client.post("/v1/directives", json=LETTER | {"number": "304/CAT"}, headers=KEY)
    assert keyed.json() == plain.json() | {
        "id": 2,
        "number": "304/CAT",
        "created_at": keyed.json()["created_at"],
    }
    assert keyed.headers["Content-Type"] == plain.headers["Content-Type"]


def test_another_body_or_another_act_under_the_same_key_is_refused(client: Client, db: Database) -> None:
    client.post("/v1/campaigns", json=CAMPAIGN, headers=KEY)
    for url, body in (("/v1/campaigns", CAMPAIGN | {"name": "x"}), ("/v1/directives", LETTER)):
        refused = client.post(url, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["type"]) == (422, "/docs/errors#key-reused")
    assert count(db, campaigns) == 1


def test_two_callers_may_take_the_same_key(client: Client, application: FastAPI, db: Database) -> None:
    client.post("/v1/campaigns", json=CAMPAIGN, headers=KEY)
    with Client(application, db.write(create_key, "another")) as other:
        assert other.post("/v1/campaigns", json=CAMPAIGN, headers=KEY).json()["id"] == 2


def test_a_refused_act_leaves_its_key_free(client: Client, db: Database) -> None:
    refused = client.post("/v1/campaigns", json=CAMPAIGN | {"directive_id": 1}, headers=KEY)
    assert (refused.status_code, count(db, idempotency_keys)) == (422, 0)
    client.post("/v1/directives", json=LETTER)
    made = client.post("/v1/campaigns", json=CAMPAIGN | {"directive_id": 1}, headers=KEY)
    assert made.status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "a" * 129])
def test_a_key_that_is_none_is_refused(client: Client, db: Database, key: str) -> None:
    refused = client.post("/v1/campaigns", json=CAMPAIGN, headers={"Idempotency-Key": key})
    assert (refused.status_code, count(db, campaigns)) == (422, 0)


async def test_200_who_create_the_same_campaign_at_once_make_one(application: FastAPI, db: Database) -> None:
    key = db.write(create_key, "many")
    found = await at_once(application, key, 200, "/v1/campaigns", json=CAMPAIGN, headers=KEY)
    assert {each.status_code for each in found} == {201}
    assert len({each.content for each in found}) == 1
    assert sum("Idempotency-Replayed" in each.headers for each in found) == 199
    assert count(db, campaigns) == 1


@pytest.mark.parametrize("headers", [KEY, pytest.param({}, marks=pytest.mark.prove)])
async def test_200_who_start_the_same_run_at_once_start_it_once(
    application: FastAPI, db: Database, headers: dict[str, str]
) -> None:
    """With a key all answers are the same; without one a start is harmless twice all the same."""
    campaign_id, run_id = db.write(new_run)
    key, url = db.write(create_key, "many"), f"/v1/campaigns/{campaign_id}"
    await at_once(application, key, 1, f"{url}/submit", headers={})
    read = {"digest": db.read(queries.dossier, campaign_id).digest}
    await at_once(application, db.write(create_key, "approver"), 1, f"{url}/approve", json=read, headers={})
    found = await at_once(application, key, 200, f"/v1/runs/{run_id}/start", headers=headers)
    statuses = Counter(each.status_code for each in found)
    assert statuses[200] == 200 if headers else statuses[200] + statuses[409] == 200
    assert len({each.content for each in found if each.status_code == 200}) == 1
    started = select(func.count()).select_from(audit).where(audit.c.action == "run.start")
    assert db.read(lambda c: c.execute(started).scalar_one()) == 1


async def test_two_processes_share_the_keys(new_postgresql_url: str, settings: Settings) -> None:
    first, second = Database(new_postgresql_url), Database(new_postgresql_url)
    key = first.write(create_key, "many")
    halves = await asyncio.gather(
        *(
            at_once(create_app(settings, db), key, 50, "/v1/campaigns", json=CAMPAIGN, headers=KEY)
            for db in (first, second)
        )
    )
    assert len({each.content for half in halves for each in half}) == 1
    assert count(first, campaigns) == 1
    for db in (first, second):
        db.close()


def test_a_key_is_new_again_after_its_time_and_old_answers_are_swept(client: Client, db: Database) -> None:
    client.post("/v1/campaigns", json=CAMPAIGN, headers=KEY)
    old = clock.now_ms() - DAY_MS - 1000
    db.write(lambda c: c.execute(update(idempotency_keys).values(at=old)))
    assert client.post("/v1/campaigns", json=CAMPAIGN, headers=KEY).json()["id"] == 2
    assert db.write(sweep, DAY_MS) == 0
    db.write(lambda c: c.execute(update(idempotency_keys).values(at=old)))
    assert (db.write(sweep, DAY_MS), count(db, idempotency_keys)) == (1, 0)
