"""How full links over HTTP keep their requests in flight, beside a bare client that does nothing else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import httpx

from app.database.connection import Database
from app.devtools.demo.scenario_http import scenario
from carriers.simulators.mobifone import Mobifone, MobifoneBehaviour
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from carriers.simulators.web import WebSimulator
from tests.app.world import build
from tests.bench.machinery import fresh_home, now
from tests.faults.processes import Home

T = TypeVar("T")
IN_FLIGHT = 8  # as a link has it by default
_SIMULATORS: dict[str, tuple[type[WebSimulator], type[Any]]] = {
    "mobifone": (Mobifone, MobifoneBehaviour),
    "vnpt": (Vnpt, VnptBehaviour),
    "viettel": (Viettel, ViettelBehaviour),
}
KINDS = tuple(_SIMULATORS)
NUMBERS = {"mobifone": 1, "vnpt": 100, "viettel": 50}  # in a request, by default
_DEMO = ("session_s", "answer_timeout_s", "in_flight")  # what the demo makes shorter
_CHUNK = 1000
_WARM = 3  # round trips before it is measured
_NO_LIMIT = 1_000_000.0


def filled(engine: str, kind: str, answer_s: float, seconds: float) -> tuple[float, float]:
    """Requests/s that one link hands over while each answer takes so long; and those of a bare client."""
    count = round(NUMBERS[kind] * IN_FLIGHT * (seconds / answer_s + 2 * _WARM))

    async def both() -> tuple[float, float]:
        async with _running(engine, kind, answer_s, count, _NO_LIMIT) as (home, carrier):
            asked = carrier.tally
            await home.until(lambda: asked.requests >= _WARM * IN_FLIGHT, "requests go out")
            loa = await _per_second(lambda: asked.requests, seconds)
            home.end()
            async with httpx.AsyncClient(timeout=10.0) as client:
                askers = [asyncio.create_task(_ask(client, carrier.url)) for _ in range(IN_FLIGHT)]
                await asyncio.sleep(_WARM * answer_s)
                bare = await _per_second(lambda: asked.requests, seconds)
                for asker in askers:
                    asker.cancel()
                await asyncio.gather(*askers, return_exceptions=True)
        return loa, bare

    return _alone(both)


def paced(engine: str, kind: str, segments_per_second: float, seconds: float) -> float:
    """Messages a second that come to the carrier, by a contract for fewer than its requests would carry."""

    async def rate() -> float:
        count = round(segments_per_second * (seconds + 10))
        async with _running(engine, kind, 0.1, count, segments_per_second) as (home, carrier):
            taken = carrier.messages
            await home.until(lambda: len(taken) >= 2 * segments_per_second, "two seconds' worth is sent")
            return await _per_second(lambda: len(taken), seconds)

    return _alone(rate)


async def _per_second(counted: Callable[[], int], seconds: float) -> float:
    first, began = counted(), now()
    await asyncio.sleep(seconds)
    return (counted() - first) / (now() - began)


async def _ask(client: httpx.AsyncClient, url: str) -> None:
    """Ask again and again for what is refused after the same delay."""
    while True:
        with suppress(httpx.HTTPError):
            await client.post(url, content=b"{}")


@asynccontextmanager
async def _running(
    engine: str, kind: str, answer_s: float, count: int, rate: float
) -> AsyncIterator[tuple[Home, WebSimulator]]:
    """A sender with so many messages queued on one link of this kind, and the carrier that it asks."""
    simulator, behaviour = _SIMULATORS[kind]
    with fresh_home(engine) as home:
        db = Database(home.url)
        build(db, count, chunk=_CHUNK).fan_out()
        db.close()
        try:
            async with simulator(behaviour(answer_delay_s=answer_s)) as carrier:
                home.configure(*_link(kind, carrier.url, rate), chunk_size=_CHUNK)
                home.sender()
                yield home, carrier
        finally:
            home.end()


def _link(kind: str, url: str, rate: float) -> tuple[dict[str, dict[str, object]], str]:
    """The link as the demo has it, and its tables as TOML that follows it."""
    whole = {name: value for name, value in scenario(1)[kind].link.items() if name not in _DEMO}
    plain = {name: value for name, value in whole.items() if not isinstance(value, dict)}
    plain |= {"label": "CA SONLA"} if kind == "vnpt" else {}
    plain |= {"kind": kind, "carrier": "viettel", "base_url": url, "password": "loa"}
    plain |= {"segments_per_second": rate, "in_flight": IN_FLIGHT, "answer_timeout_s": 10.0}
    tables = ""
    for name, table in whole.items():
        if isinstance(table, dict):
            rows = "".join(f'"{key}" = "{value}"\n' for key, value in table.items())
            tables += f"[links.viettel-1.{name}]\n{rows}"
    return {"viettel-1": plain}, tables


def _alone(work: Callable[[], Coroutine[None, None, T]]) -> T:
    gc.disable()
    try:
        return asyncio.run(work())
    finally:
        gc.enable()
