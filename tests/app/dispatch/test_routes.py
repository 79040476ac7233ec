"""Links and unknown deliveries over HTTP."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import unknowns
from app.dispatch import link_store
from app.ledger.contract import SubmitOutcome
from app.security import create_key
from carriers.contract import Halted, Unknown
from tests.app.client import Client
from tests.app.world import World, build
from tests.engines import by_default

database_url = by_default


@pytest.fixture
def world(db: Database) -> World:
    """Three deliveries whose answers were lost."""
    made = build(db, 3)
    made.fan_out()
    lease = made.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Unknown("no answer in 15 s")) for item in lease.items]
    db.write(made.ledger.record, made.link, lease, outcomes, None, 30.0)
    db.write(made.ledger.release, lease, 0.0)
    return made


@pytest.mark.longer
def test_a_halted_link_says_why_and_is_resumed_once(client: Client, world: World, db: Database) -> None:
    db.write(link_store.halt, world.link.id, Halted("0x0E", "the password is wrong"))
    link = client.get("/v1/links").json()[0]
    assert (link["state"], link["code"], link["reason"]) == ("halted", "0x0E", "the password is wrong")
    assert client.post(f"/v1/links/{world.link.id}/resume").status_code == 204
    assert client.get("/v1/links").json()[0]["state"] == "running"
    again = client.post(f"/v1/links/{world.link.id}/resume")
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "Link viettel-1 is not halted, so there is nothing to resume.",
    )


@pytest.mark.longer
def test_the_list_masks_phones_and_goes_page_by_page(client: Client, world: World) -> None:
    page = client.get(f"/v1/runs/{world.run}/unknown", params={"limit": 2}).json()
    assert [item["line"] for item in page["items"]] == [2, 3]
    assert {item["phone"] for item in page["items"]} == {"8491*****00", "8491*****01"}
    rest = client.get(f"/v1/runs/{world.run}/unknown", params={"after": page["next"]}).json()
    assert ([item["line"] for item in rest["items"]], rest["next"]) == ([4], None)
    assert client.get(f"/v1/runs/{world.run}/unknown", params={"after": "x"}).status_code == 422


@pytest.mark.longer
def test_chosen_ones_are_written_off_and_then_the_others(client: Client, world: World) -> None:
    run = f"/v1/runs/{world.run}/unknown"
    assert client.post(f"{run}/write-off", json={}).status_code == 422
    chosen = client.post(f"{run}/write-off", json={"lines": [[world.batch, 2]]})
    assert chosen.json() == {"deliveries": 1}
    assert client.post(f"{run}/write-off", json={"all": True}).json() == {"deliveries": 2}
    assert world.states() == {int(DeliveryState.UNKNOWN): 3}
    query = select(unknowns.c.written_off_by)
    assert set(world.db.read(lambda c: c.execute(query).scalars().all())) == {"tester"}


@pytest.mark.longer
def test_another_carriers_operator_finds_nothing_here(
    application: FastAPI, world: World, db: Database
) -> None:
    db.write(link_store.halt, world.link.id, Halted("1", "quota"))
    with Client(application, db.write(create_key, "lan", "operator", "vnpt")) as other:
        assert other.get("/v1/links").json() == []
        assert other.post(f"/v1/links/{world.link.id}/resume").status_code == 404
        run = f"/v1/runs/{world.run}/unknown"
        assert other.get(run).status_code == 404
        assert other.post(f"{run}/write-off", json={"all": True}).status_code == 404
    assert world.states() == {int(DeliveryState.UNKNOWN): 3}
