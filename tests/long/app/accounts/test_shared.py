"""A campaign that two carriers share: no list, page or file tells one's operator of the other's part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Connection, insert, update

from app.core import areas, clock
from app.core.config import Settings
from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import batches, left_out, links, receipt_files
from app.runtime.api_app import ROUTERS, create_app
from app.security import create_key
from app.security.roles import OPEN, PERMISSIONS
from tests.long.app.accounts.scene import Asker
from tests.long.app.reports.scene import T0, Scene

OFTEN = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
MARK, AREA = "kin-dao", "03679"  # what stands in nothing but the other's part; its name is no secret
IDS = {
    f"{each}_id": "1"
    for each in (
        "run",
        "batch",
        "campaign",
        "other",
        "directive",
        "link",
        "report",
        "file",
        "sender_name",
        "telephone",
    )
}
IDS |= {"carrier": "vnpt", "key": "gia-danh-cong-an", "form": "json", "line": "1", "sha256": "0" * 64}
MORE = (
    *(f"{door}/{what}?carrier=viettel" for door in ("", "/v1") for what in ("campaigns", "batches")),
    *("/v1/runs?carrier=viettel", "/v1/runs?campaign_id=1", "/v1/batches/1/report?campaign=1"),
    *(
        "/receipts?link=2",
        "/receipts?kind=quarantine&link=2",
        "/reports/campaigns/1?at=",
        "/batches/1?campaign=1",
    ),
    *(f"/v1/runs/1/report?format={form}" for form in ("csv", "txt", "json")),
    *(f"/v1/campaigns/1/report?format={form}" for form in ("csv", "txt", "json")),
)


@pytest.fixture
def operator(db: Database) -> str:
    """The key of vnpt's operator; viettel has the other run of campaign 1."""
    scene = Scene("finished")
    scene.run(2, "viettel")
    scene.batch(2, run=2)
    for state in (DeliveryState.DELIVERED, DeliveryState.UNDELIVERED, DeliveryState.UNKNOWN):
        scene.message(state)
        for _ in range(3):
            scene.message(state, batch=2, area=AREA)
    scene.save(db)
    db.write(_mark)
    return db.write(create_key, "vnpt desk", "operator", "vnpt")


def _mark(c: Connection) -> None:
    c.execute(update(batches).where(batches.c.carrier == "viettel").values(name=MARK, created_by=MARK))
    halted = {"name": MARK, "state": "halted", "reason": MARK, "code": MARK}
    c.execute(update(links).where(links.c.carrier == "viettel").values(halted))
    file = {"carrier": "viettel", "name": MARK, "sha256": MARK, "state": "ready", "campaign_id": 1}
    c.execute(insert(receipt_files).values(file | {"created_at": T0, "created_by": MARK}))


def paths() -> list[str]:
    """Every GET that an operator may do, with the ids of the own part."""
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    mine = [each for each in routes if each.name not in OPEN and "operator" in PERMISSIONS.get(each.name, ())]
    return sorted({each.path.format_map(IDS) for each in mine if "GET" in each.methods})


async def test_no_answer_tells_an_operator_of_the_other_s_part(
    db: Database, tmp_path: Path, operator: str
) -> None:
    name = areas.name(AREA, clock.local(clock.from_ms(T0)).date())
    assert name
    asker = Asker(create_app(Settings(data=tmp_path, **OFTEN), db))
    told, answered = {}, 0
    for path in (*paths(), *MORE):
        answer = await asker.ask("GET", path, operator)
        assert answer.status < 500, path
        answered += answer.status == 200
        if found := [word for word in (MARK, AREA, name) if word.encode() in answer.body]:
            told[path] = found
    assert told == {}
    assert answered > 50


async def test_an_operator_can_not_ask_who_else_has_a_run(
    db: Database, tmp_path: Path, operator: str
) -> None:
    asker = Asker(create_app(Settings(data=tmp_path, **OFTEN), db))
    for path in ("/v1/campaigns", "/campaigns"):
        statuses = {
            carrier: (await asker.ask("GET", f"{path}?carrier={carrier}", operator)).status
            for carrier in ("viettel", "nobody", "vnpt")
        }
        assert statuses == {"viettel": 403, "nobody": 403, "vnpt": 200}, path


async def test_a_line_that_the_other_has_is_no_other_than_one_that_was_left_out_or_is_not_there(
    db: Database, tmp_path: Path
) -> None:
    """Which lines were left out a carrier sees by what it is not asked to send; Loa names none of them."""
    scene = Scene("finished")
    scene.run(2, "viettel")
    scene.batch(2, run=2)
    first = scene.message(DeliveryState.DELIVERED, batch=2)
    scene.message(DeliveryState.DELIVERED)
    scene.repeated(first["phone"])
    unwanted = scene.subscriber()
    scene.save(db)
    gone = {"campaign_id": 1, "batch_id": 1, "seq": unwanted["seq"], "reason": int(NotSent.DO_NOT_SEND)}
    db.write(lambda c: c.execute(insert(left_out).values(gone)))
    asker = Asker(create_app(Settings(data=tmp_path, **OFTEN), db))
    key = db.write(create_key, "vnpt desk", "operator", "vnpt")
    assert (await asker.ask("GET", "/deliveries/1/1/1", key)).status == 200
    said = set()
    for line in (2, unwanted["seq"], 999):
        answer = await asker.ask("GET", f"/deliveries/1/1/{line}", key)
        words = re.sub("[0-9a-f]{32}", "", answer.body.decode())
        said.add((answer.status, re.sub(rf"(?<=[ /]){line}(?=[ <\"])|(?<=%2F){line}\b", "ID", words)))
    assert len(said) == 1
    assert said.pop()[0] == 404
