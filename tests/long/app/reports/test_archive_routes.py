"""Frozen reports over HTTP: freeze once, list, versions, files by their hash, proof; each sees its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import report_files, run_batches
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.engines import sqlite_alone
from tests.long.app.reports.scene import varied

database_url = sqlite_alone

Clients = dict[str, Client]


@pytest.fixture
def clients(db: Database, settings: Settings) -> Iterator[Clients]:
    varied(db)
    db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    app = create_app(settings, db)
    anyone, vnpt = db.write(create_key, "anyone"), db.write(create_key, "vnpt", "operator", "vnpt")
    with Client(app, anyone) as first, Client(app, vnpt) as second, Client(app) as third:
        yield {"anyone": first, "vnpt": second, "stranger": third}


def freeze(client: Client, **body: object) -> dict[str, object]:
    answer = client.post("/v1/reports", json=body)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def test_a_version_is_made_once(clients: Clients) -> None:
    first = clients["anyone"].post("/v1/reports", json={"run_id": 1})
    again = clients["anyone"].post("/v1/reports", json={"run_id": 1})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.headers["location"] == f"/v1/reports/{first.json()['id']}"
    same = {"run_id": 1, "cut_off_at": first.json()["cut_off_at"]}
    assert freeze(clients["anyone"], **same) == first.json()


def test_files_come_as_they_were_frozen(clients: Clients) -> None:
    report = freeze(clients["anyone"], run_id=1)
    for file in report["files"]:  # type: ignore[attr-defined]
        answer = clients["anyone"].get(f"/v1/reports/{report['id']}/files/{file['format']}")
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        assert file["name"] in answer.headers["content-disposition"]
    assert clients["anyone"].get(f"/v1/reports/{report['id']}/files/odt").status_code == 404
    assert clients["anyone"].get(f"/v1/reports/{report['id']}/proof").json()["sentences"] == []


def test_a_spoilt_file_is_a_problem_and_not_a_file(clients: Clients, db: Database) -> None:
    report = freeze(clients["anyone"], run_id=1)
    db.write(lambda c: c.execute(update(report_files).values(content=b"spoilt")))
    answer = clients["anyone"].get(f"/v1/reports/{report['id']}/files/pdf")
    assert (answer.status_code, answer.json()["type"]) == (500, "/docs/errors#report-spoilt")
    assert "differs from what was frozen" in clients["anyone"].get(f"/v1/reports/{report['id']}/proof").text


@pytest.mark.prove
def test_each_sees_its_own(clients: Clients) -> None:
    own, other = freeze(clients["anyone"], run_id=1), freeze(clients["anyone"], run_id=2)
    whole = freeze(clients["anyone"], directive_id=1)
    seen = [item["id"] for item in clients["vnpt"].get("/v1/reports").json()["items"]]
    assert seen == [own["id"]]
    for hidden in (other, whole):
        assert clients["vnpt"].get(f"/v1/reports/{hidden['id']}").status_code == 404
        assert clients["vnpt"].get(f"/v1/reports/{hidden['id']}/files/pdf").status_code == 404
        assert clients["vnpt"].get(f"/v1/reports/{hidden['id']}/proof").status_code == 404
    assert clients["vnpt"].get(f"/v1/reports/{own['id']}/files/docx").status_code == 200


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("vnpt", {"run_id": 1}, 201),
        ("vnpt", {"run_id": 2}, 404),
        ("vnpt", {"directive_id": 1}, 404),
        ("anyone", {"run_id": 9}, 404),
        ("anyone", {"directive_id": 9}, 404),
        ("anyone", {}, 422),
        ("anyone", {"run_id": 1, "directive_id": 1}, 422),
        ("anyone", {"run_id": 1, "cut_off_at": "2999-01-01T00:00:00+07:00"}, 422),
        ("anyone", {"run_id": 1, "cut_off_at": "2024-02-09T17:00:00"}, 422),
        ("stranger", {"run_id": 1}, 401),
    ],
)
def test_who_may_freeze_what(clients: Clients, who: str, body: dict[str, object], status: int) -> None:
    assert clients[who].post("/v1/reports", json=body).status_code == status


@pytest.mark.prove
def test_the_list_is_paged_and_asks_for_one_subject(clients: Clients) -> None:
    for run in (1, 2):
        freeze(clients["anyone"], run_id=run)
    page = clients["anyone"].get("/v1/reports?limit=1").json()
    assert (len(page["items"]), page["next"]) == (1, page["items"][0]["id"])
    assert [each["subject_id"] for each in clients["anyone"].get("/v1/reports?run_id=2").json()["items"]] == [
        2
    ]
    assert clients["anyone"].get("/v1/reports?directive_id=1").json()["items"] == []
    assert clients["anyone"].get("/v1/reports?run_id=1&directive_id=1").status_code == 422
