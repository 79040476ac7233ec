"""An order whose answer is lost: asked again under its key it is answered as before, and obeyed once."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest
from sqlalchemy import Engine, Table, create_engine, func, select

from app.database.models import campaigns, idempotency_keys
from tests.engines import other_by_hand
from tests.faults.processes import Home, Program, smpp_link

BODY = {"name": "Before Tet", "purpose": "tuyen_truyen", "sender": "CA SON LA", "text": "Canh giac lua dao."}
KEY = {"Idempotency-Key": "order-1"}
ORDERS = 3


@pytest.mark.prove
@other_by_hand
async def test_kill_9_between_commit_and_answer_changes_nothing(home: Home) -> None:
    """The client's connection is read no more; the process dies as soon as another one sees the commit."""
    headers = await _client_of(home)
    watch = create_engine(home.url)
    program = await _serving(home)
    asked = asyncio.create_task(_post(home, headers | KEY))
    await home.until(lambda: _count(watch, idempotency_keys) == 1, "the answer is committed")
    await program.kill()
    first = await asked
    await _serving(home)
    again = await _post(home, headers | KEY)
    assert again is not None
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert first is None or first.content == again.content
    assert (_count(watch, campaigns), again.headers["Location"]) == (1, f"/v1/campaigns/{again.json()['id']}")
    watch.dispose()


@other_by_hand
async def test_kill_9_at_any_moment_of_an_order_leaves_one_or_none(home: Home) -> None:
    """Whatever was reached, asking again ends in exactly one."""
    headers = await _client_of(home)
    watch = create_engine(home.url)
    for n in range(1, ORDERS):
        program = await _serving(home)
        own = headers | {"Idempotency-Key": f"order-{n}"}
        asked = asyncio.create_task(_post(home, own))
        await asyncio.sleep(0.01 * 3**n)
        await program.kill()
        await asked
        await _serving(home)
        again = await _post(home, own)
        assert again is not None
        assert (again.status_code, _count(watch, campaigns)) == (201, n)
        await home.programs[-1].kill()
    watch.dispose()


async def _client_of(home: Home) -> dict[str, str]:
    home.configure({"vnpt-1": smpp_link("vnpt", 1)})
    return {"Authorization": f"Bearer {await home.command('key', 'add', 'clerk')}"}


async def _serving(home: Home) -> Program:
    program = home.start("up" if home.sqlite else "serve")
    await home.until(lambda: "listening" in program.words(), "the API listens")
    return program


async def _post(home: Home, headers: dict[str, str]) -> httpx.Response | None:
    """The answer, or None where the connection was cut."""
    with contextlib.suppress(httpx.TransportError):
        async with httpx.AsyncClient(base_url=home.base, headers=headers, timeout=30) as http:
            return await http.post("/v1/campaigns", json=BODY)
    return None


def _count(watch: Engine, table: Table) -> int:
    with watch.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
