"""The carrier's way over HTTPS: it fetches the order with its API key, and posts the signed file as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security.roles import Role
from app.signed_orders import formats, loa_carrier
from tests.app.client import Client
from tests.app.signed_orders.documents import POLICE, keys
from tests.app.signed_orders.scene import answer, ordered, settings
from tests.app.signed_orders.test_keys import kid
from tests.engines import by_default
from tests.operations import new_key

database_url = by_default
pytestmark = pytest.mark.longer


@pytest.fixture
def app(db: Database) -> FastAPI:
    return create_app(settings(), db)


@pytest.fixture
def carrier(app: FastAPI, db: Database) -> Iterator[Client]:
    with Client(app, new_key(db, "vnpt system", Role.OPERATOR, "vnpt")) as client:
        yield client


def test_order_out_and_result_back_over_http(app: FastAPI, db: Database, carrier: Client) -> None:
    run_id = ordered(db)
    published = carrier.get("/v1/signing-keys/published").json()["keys"]
    assert published[0] == loa_carrier.jwk(POLICE.public_key()) | {"kid": kid(POLICE)}
    fetched = carrier.get(f"/v1/runs/{run_id}/orders/signed")
    assert "attachment" in fetched.headers["Content-Disposition"]
    signed = loa_carrier.read(fetched.content)
    formats.check_order(signed.content)
    assert loa_carrier.verify(signed, keys(POLICE))
    content = answer(fetched.content)
    path, json_ = f"/v1/runs/{run_id}/results", {"Content-Type": "application/json"}
    taken = carrier.post(path, content=content, headers=json_)
    assert taken.status_code == 201, taken.text
    assert taken.json()["statement"] == 1
    again = carrier.post(path, content=content, headers=json_)
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "This result has already been accepted, as version 1.",
    )
    stated = carrier.get(f"/v1/runs/{run_id}/statements").json()[0]
    assert stated["paper"]["signature"] == {key: taken.json()[key] for key in ("kid", "sha256")}
    assert stated["paper"]["source"] == "signed"


def test_another_carrier_and_a_duplicate_name_are_refused(
    app: FastAPI, db: Database, carrier: Client
) -> None:
    run_id = ordered(db)
    content = carrier.get(f"/v1/runs/{run_id}/orders/signed").content
    with Client(app, new_key(db, "viettel system", Role.OPERATOR, "viettel")) as other:
        assert other.get(f"/v1/runs/{run_id}/orders/signed").status_code == 404
        assert other.post(f"/v1/runs/{run_id}/results", content=answer(content)).status_code == 404
    twice = answer(content).replace(b'{\n "payload"', b'{"payload": "x",\n "payload"', 1)
    refused = carrier.post(
        f"/v1/runs/{run_id}/results", content=twice, headers={"Content-Type": "application/json"}
    )
    assert (refused.status_code, "given twice" in refused.text) == (422, True)


def test_what_is_frozen_names_the_signature(db: Database, app: FastAPI, carrier: Client) -> None:
    run_id = ordered(db)
    content = answer(carrier.get(f"/v1/runs/{run_id}/orders/signed").content)
    carrier.post(f"/v1/runs/{run_id}/results", content=content, headers={"Content-Type": "application/json"})
    carrier.post(f"/v1/runs/{run_id}/end")
    with Client(app, new_key(db, "desk", Role.ADMIN)) as desk:
        report = desk.post("/v1/reports", json={"run_id": run_id}).json()
        kept = desk.get(f"/v1/reports/{report['id']}/files/json").json()
        plain = desk.get(f"/v1/reports/{report['id']}/files/csv").text
        proof = desk.get(f"/v1/reports/{report['id']}/proof")
    sha256 = loa_carrier.read(content).sha256
    assert kept["statement"]["signature"]["sha256"] == sha256
    assert sha256 in plain
    assert proof.json()["sentences"] == []
