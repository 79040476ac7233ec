"""Server-sent events: what changes is told, to everybody who watches, by one look for all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, event, insert, update

from app.accounts.service import NewPerson, add_person, disable_person, end_sessions
from app.api.event_streams import Hub, StateSnapshot, StreamTiming
from app.campaigns import run_routes
from app.core.errors import DatabaseUnavailable
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import runs, tallies
from app.database.models import sessions as stored
from app.security import create_key, sessions
from app.security.authorization import cookie_name, lifetime_of
from tests.app.api.served import served
from tests.app.campaigns.rows import new_run
from tests.app.client import Client
from tests.app.dispatch.paper import until
from tests.engines import each_engine, on_sqlite, other_by_hand
from tests.operations import carry_out

database_url = each_engine

Event = tuple[str, str, dict[str, Any]]
WATCHERS = 200


@pytest.fixture
def run_id(db: Database) -> int:
    return db.write(new_run)[1]


@pytest.fixture
def address(application: FastAPI, db: Database, run_id: int) -> Iterator[str]:
    application.state.hub = Hub(db, run_routes.look, StreamTiming(every=0.1, at_least=0.02, heartbeat=0.3))
    with served(application) as address:
        yield address


@asynccontextmanager
async def watcher(
    address: str, db: Database, path: str, last_id: str = "", **key: Any
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[str]]]:
    headers = {"Authorization": f"Bearer {db.write(create_key, key.pop('name', 'watcher'), **key)}"}
    headers |= {"Last-Event-ID": last_id} if last_id else {}
    async with (
        httpx.AsyncClient(base_url=address, headers=headers, timeout=10) as http,
        http.stream("GET", path) as answer,
    ):
        yield answer, answer.aiter_lines()


async def heard(lines: AsyncIterator[str]) -> Event:
    """The next event: its name, id and data."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif "event" in fields:
            return fields["event"], fields["id"], json.loads(fields["data"])
        else:
            fields.clear()
    raise EOFError


def move(db: Database, state: RunState) -> None:
    def work(connection: Any) -> None:
        connection.execute(update(runs).values(state=state.value))
        db.wake(connection)

    db.write(work)


def deliver(db: Database) -> None:
    row = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "reason": 0, "segments": 1, "n": 1}
    db.write(lambda c: c.execute(insert(tallies).values(row | {"state": int(DeliveryState.DELIVERED)})))


async def test_a_run_is_followed_from_its_figures_to_its_end(address: str, db: Database, run_id: int) -> None:
    async with watcher(address, db, f"/v1/runs/{run_id}/events") as (answer, lines):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        name, _, first = await heard(lines)
        assert (name, first["state"], first["progress"]) == ("progress", "planned", {})
        deliver(db)
        name, _, told = await heard(lines)
        assert (name, told["progress"]) == ("progress", {"delivered": {"messages": 1, "segments": 1}})
        move(db, RunState.RUNNING)
        assert (await heard(lines))[0::2] == ("state", {"state": "running"})
        assert (await heard(lines))[2]["state"] == "running"
        move(db, RunState.FINISHED)
        assert [(await heard(lines))[0] for _ in range(3)] == ["state", "progress", "end"]
        with pytest.raises(EOFError):
            await heard(lines)


async def test_the_figures_are_those_of_the_run(address: str, db: Database, run_id: int) -> None:
    deliver(db)
    async with watcher(address, db, f"/v1/runs/{run_id}/events") as (answer, lines):
        _, _, told = await heard(lines)
        headers = {"Authorization": answer.request.headers["Authorization"]}
        async with httpx.AsyncClient(base_url=address, headers=headers) as http:
            assert (await http.get(f"/v1/runs/{run_id}")).json() == told


async def test_who_comes_again_hears_only_what_is_new(address: str, db: Database, run_id: int) -> None:
    path = f"/v1/runs/{run_id}/events"
    async with watcher(address, db, path, name="first") as (_, lines):
        _, known, _ = await heard(lines)
    async with watcher(address, db, path, known, name="second") as (_, lines):
        hears = asyncio.create_task(heard(lines))
        await asyncio.sleep(0.3)
        assert not hears.done()
        move(db, RunState.CANCELLED)
        _, last, told = await hears
        assert told["state"] == "cancelled"
    async with watcher(address, db, path, last, name="third") as (answer, _):
        assert answer.status_code == 204


async def test_a_campaign_is_followed_with_all_its_runs(address: str, db: Database) -> None:
    async with watcher(address, db, "/v1/campaigns/1/events") as (_, lines):
        _, _, first = await heard(lines)
        assert (first["state"], [run["state"] for run in first["runs"]]) == ("draft", ["planned"])
        move(db, RunState.CANCELLED)
        assert [(await heard(lines))[0] for _ in range(2)] == ["progress", "end"]


ENDS: dict[str, Callable[[Connection, str], object]] = {
    "signed out": sessions.end_session,
    "disabled": lambda c, _: disable_person(c, "lan", "admin"),
    "signed out by an admin": lambda c, _: end_sessions(c, "lan", "admin"),
    "idle": lambda c, _: c.execute(update(stored).values(seen_at=stored.c.seen_at - 31 * 60_000)),
    "too old": lambda c, _: c.execute(update(stored).values(created_at=stored.c.created_at - 13 * 3_600_000)),
}


@on_sqlite
@pytest.mark.parametrize("how", ENDS)
async def test_a_stream_ends_with_the_session_that_opened_it(
    application: FastAPI, address: str, db: Database, run_id: int, how: str
) -> None:
    settings = application.state.settings.model_copy(update={"second_factor_roles": ()})
    application.state.settings = settings
    db.write(add_person, NewPerson("lan", "auditor"), "bon tu chang lien quan", "test")
    token = db.write(sessions.open_for, "lan", lifetime_of(settings))
    headers = {"Cookie": f"{cookie_name(settings)}={token}"}
    async with (
        httpx.AsyncClient(base_url=address, headers=headers, timeout=10) as http,
        http.stream("GET", f"/v1/runs/{run_id}/events") as answer,
    ):
        lines = answer.aiter_lines()
        assert (await heard(lines))[0] == "progress"
        db.write(ENDS[how], token)
        with pytest.raises(EOFError):  # by itself: nothing of the run has changed
            await heard(lines)
        assert (await http.get(f"/v1/runs/{run_id}/events")).status_code == 401


async def test_silence_is_broken_by_signs_of_life(address: str, db: Database, run_id: int) -> None:
    async with watcher(address, db, f"/v1/runs/{run_id}/events") as (_, lines):
        async for line in lines:
            if line == ": still here":
                break


@on_sqlite
async def test_a_stream_for_pages_says_when_the_last_look_was_and_falls_silent_when_none_succeeds(
    application: FastAPI, db: Database, run_id: int
) -> None:
    looks = [True]

    def look(connection: Connection, targets: Any) -> Any:
        if not looks[0]:
            raise DatabaseUnavailable("The database is away.")
        return run_routes.look(connection, targets)

    pace = StreamTiming(every=0.1, at_least=0.02, heartbeat=0.1, stamped=True)
    application.state.hub = Hub(db, look, pace)
    with served(application) as address:
        async with watcher(address, db, f"/v1/runs/{run_id}/events") as (_, lines):
            stamps = [line async for line in _some(lines, 2, "event: alive")]
            assert len(stamps) == 2
            looks[0] = False
            after = 0
            with suppress(TimeoutError):
                async with asyncio.timeout(7):
                    async for _ in _some(lines, 70, "event: alive"):
                        after += 1
            assert after < 60  # the last look's stamp is good for five seconds, and then there is silence


async def _some(lines: AsyncIterator[str], n: int, wanted: str) -> AsyncIterator[str]:
    """The next n lines that are as wanted."""
    async for line in lines:
        if line == wanted:
            yield line
            n -= 1
            if not n:
                return


@on_sqlite
async def test_a_look_that_fails_for_a_reason_nobody_foresaw_is_not_the_last(
    application: FastAPI, db: Database, run_id: int
) -> None:
    broken, failed = False, 0

    def look(connection: Connection, targets: Any) -> Any:
        nonlocal failed
        if broken:
            failed += 1
            raise ZeroDivisionError
        return run_routes.look(connection, targets)

    application.state.hub = Hub(db, look, StreamTiming(every=0.05, at_least=0.02, heartbeat=0.3))
    with served(application) as address:
        async with watcher(address, db, f"/v1/runs/{run_id}/events", role="admin") as (_, lines):
            await heard(lines)
            broken = True
            await until(lambda: failed > 1, 20)
            broken = False
            deliver(db)
            name, _, figures = await heard(lines)
            assert (name, figures["progress"]["delivered"]["messages"]) == ("progress", 1)


async def test_a_stream_ends_after_its_time_so_that_rights_are_looked_at_anew(
    application: FastAPI, db: Database, run_id: int
) -> None:
    application.state.hub = Hub(db, run_routes.look, StreamTiming(longest=0.5))
    began = time.monotonic()
    with served(application) as address:
        async with watcher(address, db, f"/v1/runs/{run_id}/events") as (_, lines):
            await heard(lines)
            with pytest.raises(EOFError):
                await heard(lines)
    assert time.monotonic() - began < 8


async def test_nobody_follows_what_is_not_his(address: str, db: Database, run_id: int) -> None:
    path = f"/v1/runs/{run_id}/events"
    async with watcher(address, db, path, name="theirs", role="operator", carrier="viettel") as (answer, _):
        assert answer.status_code == 404
    async with watcher(address, db, path, name="own", role="operator", carrier="vnpt") as (answer, _):
        assert answer.status_code == 200
    async with httpx.AsyncClient(base_url=address) as http:
        assert (await http.get(path)).status_code == 401


async def test_the_server_stops_at_once_though_somebody_watches(
    application: FastAPI, db: Database, run_id: int
) -> None:
    with served(application) as address:
        async with watcher(address, db, f"/v1/runs/{run_id}/events") as (_, lines):
            await heard(lines)
            began = time.monotonic()
            application.state.hub.close()
            with pytest.raises(EOFError):
                await heard(lines)
    assert time.monotonic() - began < 5


@pytest.mark.prove
@other_by_hand
async def test_200_watchers_cost_the_database_no_more_than_one(
    address: str, db: Database, run_id: int
) -> None:
    key, asked = db.write(create_key, "crowd"), 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    async def watch(ready: asyncio.Semaphore) -> list[Event]:
        async with http.stream("GET", f"/v1/runs/{run_id}/events") as answer:
            lines = answer.aiter_lines()
            first = await heard(lines)
            ready.release()
            return [first, await heard(lines), await heard(lines)]

    limits, ready = httpx.Limits(max_connections=WATCHERS), asyncio.Semaphore(0)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=60) as http:
        watchers = [asyncio.create_task(watch(ready)) for _ in range(WATCHERS)]
        for _ in watchers:
            await ready.acquire()
        event.listen(db.engine, "before_cursor_execute", count)
        began = time.monotonic()
        await asyncio.sleep(1.0)
        looks = (time.monotonic() - began) / 0.1
        quiet = asked
        event.remove(db.engine, "before_cursor_execute", count)
        move(db, RunState.FINISHED)
        told = await asyncio.gather(*watchers)
    assert {each[1][0] for each in told} == {"state"}
    assert {each[2][2]["state"] for each in told} == {"finished"}
    assert 0 < quiet <= (looks + 2) * 6  # a look is five statements, however many watch


@other_by_hand
def test_the_description_knows_the_events(client: Client) -> None:
    found = client.get("/openapi.json").json()["paths"]
    assert "text/event-stream" in found["/v1/runs/{run_id}/events"]["get"]["responses"]["200"]["content"]


# ---- a stream ends with what it was opened by -----------------------------------------------------------


@on_sqlite
async def test_a_page_gets_no_figures_from_before_it_was_loaded(db: Database) -> None:
    """Another page has been open since before a change, and the next query is to come."""
    figures = [1]

    def look(_: Connection, targets: Collection[str]) -> dict[str, StateSnapshot]:
        n = figures[0]
        return {target: StateSnapshot("open", b"%d" % n, f"tag {n}", over=False) for target in targets}

    hub = Hub(db, look, StreamTiming(every=1.0, at_least=0.2, heartbeat=0.5, stamped=True))
    first, second = hub.stream("", ""), hub.stream("", "tag 2")
    while b"data: 1\n" not in await anext(first):
        pass
    figures[0] = 2  # and now the second page is loaded, with these figures
    heard = [await anext(second) for _ in range(3)]
    assert not any(b"data: 1\n" in each for each in heard), heard
    figures[0] = 3
    while b"data: 3\n" not in await anext(second):
        pass
    hub.close()
    await first.aclose()
    await second.aclose()


async def test_a_stream_tells_nothing_more_once_its_key_is_revoked(
    address: str, db: Database, run_id: int
) -> None:
    async with watcher(address, db, f"/v1/runs/{run_id}/events", name="leaver") as (_, lines):
        assert (await heard(lines))[0] == "progress"
        carry_out(db, "revoke_key", "admin", name="leaver")
        await asyncio.sleep(1.1)
        move(db, RunState.CANCELLED)
        rest = [line async for line in lines]
    assert "cancelled" not in "".join(rest)


async def test_one_key_opens_only_so_many_streams(
    application: FastAPI, address: str, db: Database, run_id: int
) -> None:
    application.state.hub.pace = StreamTiming(heartbeat=0.3, most=3)
    key = {"Authorization": f"Bearer {db.write(create_key, 'greedy')}"}
    path = f"/v1/runs/{run_id}/events"
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=address, headers=key) as http:
        held = []  # an iterator that nobody holds closes its answer
        for _ in range(3):
            answer = await stack.enter_async_context(http.stream("GET", path))
            held.append(answer.aiter_lines())
            assert await anext(held[-1])
        refused = await http.get(path)
        assert (refused.status_code, refused.json()["type"]) == (429, "/docs/errors#too-many-streams")
