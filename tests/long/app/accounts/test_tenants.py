"""Two operators hammer each other's ids: they find nothing, nor learn what is there and what is not."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import audit
from app.runtime.api_app import create_app
from app.security.roles import PERMISSIONS
from app.security.tenant_scope import CARRIER, RULES, UNWALLED
from tests.app.described import described
from tests.long.app.accounts.scene import NOWHERE, OTHER, OWN, UNKNOWN, Answer, Asker, Place, build

OFTEN = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
IDS = ("_id}", "{sha256}")
TIMES = 60
FACTOR = 3.0  # generous: what is compared are medians on a busy machine


class Asked(NamedTuple):
    """An operation whose path takes ids."""

    method: str
    template: str
    multipart: bool

    async def by(self, asker: Asker, key: str, place: Place) -> Answer:
        path = self.template
        query = f"?campaign={place.number}" if path == "/v1/batches/{batch_id}/report" else ""
        kind = "multipart/form-data; boundary=b" if self.multipart else "application/json"
        return await asker.ask(self.method, place.path(path) + query, key, kind=kind)


@pytest.fixture
def asker(tmp_path: Path, db: Database) -> Asker:
    return Asker(create_app(Settings(data=tmp_path, **OFTEN), db))


@pytest.fixture
def keys(db: Database) -> dict[str, str]:
    return build(db)


def with_ids(asker: Asker) -> list[Asked]:
    found = [
        Asked(method.upper(), path, "multipart/form-data" in said.get("requestBody", {}).get("content", {}))
        for path, methods in described(asker.app)["paths"].items()
        for method, said in methods.items()
        if any(mark in path for mark in IDS)
    ]
    assert len(found) > 50
    return found


def test_every_id_that_an_operator_may_name_has_its_rule(asker: Asker) -> None:
    named = {
        word
        for path, methods in described(asker.app)["paths"].items()
        for each in methods.values()
        if "operator" in PERMISSIONS.get(each["operationId"], ())
        for word in re.findall(r"{(\w+)}", path)
    }
    assert named <= {CARRIER, *RULES, *UNWALLED}


def said(answer: Answer, place: Place) -> tuple[int, str]:
    """An answer without what must differ: the ids that were asked for, and the request's own."""
    problem = json.loads(answer.body)
    problem.pop("request_id")
    words = json.dumps(problem).replace(place.sha256, "ID")
    return answer.status, re.sub(rf" {place.number}(?=[.;])", " ID", words)


async def test_what_is_another_s_and_what_is_not_there_get_the_same_answer(
    asker: Asker, keys: dict[str, str], db: Database
) -> None:
    seen = 0
    before = db.read(lambda c: c.execute(select(audit.c.id)).all())
    for asked in with_ids(asker):
        for key, foreign in ((keys["vnpt"], OTHER), (keys["viettel"], OWN)):
            theirs, nobodys = await asked.by(asker, key, foreign), await asked.by(asker, key, UNKNOWN)
            assert said(theirs, foreign) == said(nobodys, UNKNOWN), asked
            assert theirs.status in (403, 404), asked
            seen += theirs.status == 404
    assert seen > 60
    assert db.read(lambda c: c.execute(select(audit.c.id)).all()) == before


async def test_a_mix_of_own_and_another_s_ids_finds_nothing(asker: Asker, keys: dict[str, str]) -> None:
    mixed = (
        "/v1/campaigns/1/areas/beside/2",
        "/v1/campaigns/2/areas/beside/1",
        "/v1/batches/1/report?campaign=2",
    )
    for path in mixed:
        assert (await asker.ask("GET", path, keys["vnpt"])).status == 404, path
    for body in ({"run_id": 2}, {"run_id": NOWHERE}, {"directive_id": 1}, {"directive_id": 2}):
        frozen = await asker.ask("POST", "/v1/reports", keys["vnpt"], json.dumps(body).encode())
        assert frozen.status == 404, body


LISTS = ("batches", "campaigns", "directives", "links", "runs", "reports", "receipt-files")


@pytest.mark.parametrize("name", LISTS)
async def test_lists_leave_out_what_is_another_s(asker: Asker, keys: dict[str, str], name: str) -> None:
    for carrier, own in (("vnpt", 1), ("viettel", 2)):
        found = json.loads((await asker.ask("GET", f"/v1/{name}", keys[carrier])).body)
        items = found if isinstance(found, list) else found["items"]
        assert [each["id"] for each in items] == [own]
    everything = json.loads((await asker.ask("GET", f"/v1/{name}", keys["auditor"])).body)
    assert len(everything if isinstance(everything, list) else everything["items"]) == 2


PROBES = ("/v1/runs/{}", "/v1/runs/{}/report", "/v1/batches/{}", "/v1/campaigns/{}", "/v1/reports/{}/proof")


async def test_another_s_take_as_long_as_what_is_not_there(asker: Asker, keys: dict[str, str]) -> None:
    taken: dict[int, list[float]] = {OTHER.number: [], NOWHERE: []}
    for path in PROBES:
        for _ in range(TIMES // len(PROBES)):
            for number, times in taken.items():
                began = time.perf_counter()
                assert (await asker.ask("GET", path.format(number), keys["vnpt"])).status == 404
                times.append(time.perf_counter() - began)
    theirs, nobodys = (statistics.median(times) for times in taken.values())
    assert theirs < nobodys * FACTOR
    assert nobodys < theirs * FACTOR


async def test_two_operators_at_once_see_their_own_only(asker: Asker, keys: dict[str, str]) -> None:
    async def hammer(carrier: str, own: int) -> list[tuple[int, bytes]]:
        answers = []
        for n in range(40):
            number = 1 + n % 2
            answer = await asker.ask("GET", f"/v1/runs/{number}", keys[carrier])
            assert (answer.status == 200) == (number == own)
            answers.append((number, answer.body))
        return answers

    both = await asyncio.gather(hammer("vnpt", 1), hammer("viettel", 2))
    for answers, foreign in zip(both, ("viettel", "vnpt"), strict=True):
        assert not any(foreign.encode() in body for _, body in answers)
