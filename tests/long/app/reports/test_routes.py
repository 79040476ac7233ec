"""Reports over HTTP, in three forms, each caller seeing no more than its own carrier's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from uuid import uuid4

import pytest
from fastapi import FastAPI
from openpyxl import load_workbook
from sqlalchemy import update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import tallies
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.long.app.reports.scene import varied

PATHS = ["/v1/runs/1/report", "/v1/batches/1/report?campaign=1", "/v1/campaigns/1/report"]


# What lies above the database: the other engine in `make prove`.
other_by_hand = pytest.mark.parametrize(
    "sound", ["sqlite", pytest.param("postgresql", marks=pytest.mark.prove)], indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def readers(sound: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """A client for each kind of caller."""
    app: FastAPI = create_app(Settings(data=tmp_path_factory.mktemp("data")), sound)
    mark = uuid4().hex  # in an order by chance they are made again on the same database
    anyone = sound.write(create_key, f"anyone-{mark}")
    vnpt = sound.write(create_key, f"vnpt-{mark}", "operator", "vnpt")
    keys = {"anyone": anyone, "vnpt": vnpt, "stranger": None}
    with Client(app, anyone) as first, Client(app, vnpt) as second, Client(app) as third:
        yield dict(zip(keys, (first, second, third), strict=True))


@other_by_hand
@pytest.mark.parametrize("path", PATHS)
def test_a_report_comes_as_json_by_default(readers: dict[str, Client], path: str) -> None:
    response = readers["anyone"].get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["campaign_id"] == 1


@other_by_hand
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("form", "start"), [("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK")])
def test_a_report_comes_as_a_file(readers: dict[str, Client], path: str, form: str, start: bytes) -> None:
    response = readers["anyone"].get(
        path, params={"format": form} | ({"campaign": 1} if "batches" in path else {})
    )
    assert response.status_code == 200
    assert response.content.startswith(start)
    assert response.headers["content-disposition"].endswith(f'.{form}"')


@other_by_hand
def test_the_workbook_opens(readers: dict[str, Client]) -> None:
    content = readers["anyone"].get(PATHS[0], params={"format": "xlsx"}).content
    names = load_workbook(io.BytesIO(content)).sheetnames
    assert names == ["Thông tin", "Biểu 1", "Biểu 2", "Biểu 3", "Biểu 4", "Diễn biến", "Kiểm tra", "Dữ liệu"]


@other_by_hand
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/runs/1/report", 200),
        ("/v1/runs/2/report", 404),
        ("/v1/batches/1/report?campaign=1", 200),
        ("/v1/batches/3/report?campaign=1", 404),
        ("/v1/batches/1/report", 422),
        ("/v1/runs/9/report", 404),
        ("/v1/runs/1/report?format=docx", 200),
        ("/v1/runs/1/report?format=pdf", 200),
        ("/v1/runs/1/report?format=odt", 422),
        ("/v1/campaigns/1/report?format=docx", 422),
        ("/v1/directives/1/report", 403),
    ],
)
def test_an_operator_reads_its_own_carriers_reports(
    readers: dict[str, Client], path: str, status: int
) -> None:
    assert readers["vnpt"].get(path).status_code == status


@other_by_hand
def test_an_operator_sees_its_own_run_of_a_campaign(readers: dict[str, Client]) -> None:
    seen = {who: readers[who].get(PATHS[2]).json()["runs"] for who in ("anyone", "vnpt")}
    assert [run["carrier"] for run in seen["anyone"]] == ["vnpt", "viettel"]
    assert [run["carrier"] for run in seen["vnpt"]] == ["vnpt"]


@other_by_hand
def test_what_may_not_be_seen_and_what_does_not_exist_look_alike(readers: dict[str, Client]) -> None:
    hidden, absent = (readers["vnpt"].get(f"/v1/runs/{run}/report").json() for run in (2, 9))
    assert hidden["detail"].replace("2", "9") == absent["detail"]


def test_a_report_that_does_not_add_up_is_a_problem_and_not_a_report(client: Client, db: Database) -> None:
    varied(db)
    db.write(lambda c: c.execute(update(tallies).values(n=tallies.c.n + 1)))
    response = client.get(PATHS[0])
    assert response.status_code == 500
    assert "Run `loa verify`" in response.json()["detail"]
