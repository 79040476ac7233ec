"""Result files over HTTP: upload, progress, reconciliation, downloads, and what an operator may see."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import receipt_files
from app.file_import.leased_import import IMPORT
from app.file_import.spool import spool_path
from app.ledger.ledger import ledger_for
from app.receipts.result_files.result_importer import folder_of, resume_imports
from app.security import create_key
from tests.app.client import Client
from tests.app.held import held_by
from tests.app.receipts.result_files.scene import (
    HEADER,
    TAKEN,
    another,
    as_file,
    at,
    csv_file,
    journal,
    phone,
    registered,
    sent,
)
from tests.app.world import World
from tests.engines import sqlite_alone
from tests.polling import imported

database_url = sqlite_alone

PLACE = "/v1/receipt-files"


@pytest.fixture
def world(db: Database) -> World:
    """Four messages that were taken."""
    return sent(db, [TAKEN] * 4)


def keyed(application: FastAPI, db: Database, carrier: str) -> Client:
    return Client(application, db.write(create_key, f"operator {carrier}", "operator", carrier))


@pytest.fixture
def operator(application: FastAPI, db: Database) -> Iterator[Client]:
    with keyed(application, db, "viettel") as client:
        yield client


@pytest.fixture
def stranger_operator(application: FastAPI, db: Database) -> Iterator[Client]:
    """The operator of another carrier."""
    with keyed(application, db, "vnpt") as client:
        yield client


def content(*more: tuple[str, ...]) -> bytes:
    rows = [
        (phone(0), "DELIVRD", at(), "000"),
        (phone(1), "Thất bại", at(), ""),
        ("x", "SENT", at(), ""),
        *more,
    ]
    return "\n".join(";".join(row) for row in (HEADER, *rows)).encode()


def send(client: Client, raw: bytes, **fields: str) -> httpx.Response:
    data = {"carrier": "viettel", **fields}
    data = {name: value for name, value in data.items() if value}
    return client.post(PLACE, files={"file": ("kết quả.csv", raw)}, data=data)


def settle(client: Client, answer: httpx.Response) -> dict[str, Any]:
    """The file, when its import has ended."""
    return imported(client, answer.headers["location"])


def table(answer: httpx.Response) -> list[list[str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_an_upload_is_answered_at_once_and_reconciled_behind(client: Client, world: World) -> None:
    answer = send(client, content(), level="handset", name="Đợt 1")
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["level"], answer.json()["name"]) == (
        "importing",
        "handset",
        "Đợt 1",
    )
    file = settle(client, answer)
    assert (file["state"], file["percent"], file["lines"], file["error"]) == ("ready", 100, 3, None)
    told = {name: n for name, n in file["reconciliation"].items() if n}
    assert told == {"settled": 2, "bad": 1}
    run = {"run_id": world.run, "campaign_id": world.campaign, "sent": 4, "rejected": 0}
    assert file["runs"] == [run | {"named": 2, "missing": 2, "later": 0}]
    assert file["first_at"].endswith("+07:00")


def test_the_same_bytes_again_are_answered_with_their_file_and_applied_once(
    client: Client, world: World
) -> None:
    raw = content()
    first = settle(client, send(client, raw))
    written = journal(world.db)
    again = send(client, raw)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, first["id"], "ready")
    assert journal(world.db) == written
    other = send(client, raw, campaign=str(world.campaign))
    assert (other.status_code, other.json()["type"].rpartition("#")[2]) == (409, "conflict")


@pytest.mark.prove
def test_a_packed_file_is_taken(client: Client, world: World) -> None:
    assert settle(client, send(client, gzip.compress(content())))["lines"] == 3


def test_nothing_of_an_upload_is_left_on_disk(
    application: FastAPI, db: Database, world: World, settings: Settings
) -> None:
    with Client(application, db.write(create_key, "tester")) as client:
        settle(client, send(client, content()))
        settle(client, send(client, b"phone,time\n"))
        assert send(client, content(), carrier="nobody").status_code == 422
    assert list(folder_of(settings.data).iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"carrier": ""}, 422, "Choose a carrier in the field “carrier”"),
        ({"carrier": "vietel"}, 422, "No campaign has a run at “vietel”, so its result file cannot be read"),
        ({"campaign": "99"}, 422, "Campaign 99 has no run"),
        ({"campaign": "Tết"}, 422, "Choose a campaign from the list, or leave it empty"),
        ({"campaign": "9" * 12}, 422, "Choose a campaign from the list, or leave it empty"),
        ({"level": "sure"}, 422, "“sure” is not a valid level"),
    ],
)
def test_what_is_said_of_a_file_must_make_sense(
    client: Client, world: World, fields: dict[str, str], status: int, words: str
) -> None:
    answer = send(client, content(), **fields)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]


def test_a_file_that_is_no_use_says_why(client: Client, world: World) -> None:
    file = settle(client, send(client, b"phone,time\n0912000001,\n"))
    assert (file["state"], file["lines"]) == ("failed", 0)
    assert "Name the column “Trạng thái” or “status”" in file["error"]


def test_lines_are_paged_by_verdict_with_numbers_masked(client: Client, world: World) -> None:
    file = settle(client, send(client, content((phone(99), "SENT", at(), ""))))
    place = f"{PLACE}/{file['id']}/lines"
    page = client.get(place, params={"limit": 2}).json()
    assert (page["next"], [line["line"] for line in page["items"]]) == (3, [2, 3])
    assert page["items"][1] | {"at": None} == {
        "line": 3,
        "phone": "8491*****01",
        "status": "undelivered",
        "reason": None,
        "said": "Thất bại",
        "code": None,
        "at": None,
        "verdict": "settled",
        "why": None,
        "campaign_id": world.campaign,
        "verdict_en": "The file contained a new result, and the message's state was updated.",
        "verdict_vi": "Tệp cho biết kết quả mới: trạng thái tin đã được cập nhật.",
    }
    bad = client.get(place, params={"verdict": "bad"}).json()["items"]
    assert [(line["line"], line["why"], line["said"]) for line in bad] == [(4, "letters", "x")]
    assert bad[0]["verdict_vi"] == "Có ký tự không thuộc về số điện thoại."
    assert client.get(place, params={"verdict": "odd"}).status_code == 422


def test_the_counts_are_downloaded_for_excel(client: Client, world: World) -> None:
    file = settle(client, send(client, content()))
    rows = table(client.get(f"{PLACE}/{file['id']}/reconciliation.csv"))
    counts = {(of, what): int(n) for of, what, n, *_ in rows[1:]}
    assert counts["file", "lines"] == 3 == sum(n for (of, what), n in counts.items() if of == "file") - 3
    run = f"run {world.run} (campaign {world.campaign})"
    assert counts[run, "sent"] == 4 == counts[run, "named"] + counts[run, "missing"]


def test_only_the_carriers_operator_downloads_whole_numbers_and_the_audit_says_so(
    client: Client, operator: Client, world: World
) -> None:
    file = settle(client, send(client, content()))
    place = f"{PLACE}/{file['id']}/lines.csv"
    masked, whole = table(client.get(place)), table(operator.get(place))
    assert [row[1] for row in masked[1:]] == ["8491*****00", "8491*****01", "", "8491*****02", "8491*****03"]
    assert [row[1] for row in whole[1:]] == ["84912000000", "84912000001", "", "84912000002", "84912000003"]
    assert [row[7] for row in whole[1:]] == ["settled", "settled", "bad", "missing", "missing"]
    missing = table(operator.get(place, params={"verdict": "missing"}))
    assert [row[1] for row in missing[1:]] == ["84912000002", "84912000003"]
    assert [row[0] for row in table(client.get(place, params={"verdict": "bad"}))[1:]] == ["4"]
    audited = world.db.read(
        lambda c: c.exec_driver_sql("SELECT who FROM audit WHERE action = 'numbers.shown'").all()
    )
    assert [row[0] for row in audited] == ["operator viettel"] * 2


def test_ambiguous_lines_are_downloaded_as_a_file_that_comes_back_with_its_campaign(
    operator: Client, world: World
) -> None:
    second = another(world, [TAKEN] * 2)
    first = settle(operator, send(operator, content()))
    assert first["reconciliation"]["ambiguous"] == 2
    lines = operator.get(f"{PLACE}/{first['id']}/lines.csv", params={"verdict": "ambiguous"}).content
    again = settle(operator, send(operator, lines, campaign=str(second.campaign)))
    assert {name: n for name, n in again["reconciliation"].items() if n} == {"settled": 2}


def test_an_operator_of_one_carrier_sees_and_sends_only_its_own(
    client: Client, operator: Client, stranger_operator: Client, world: World
) -> None:
    file = settle(operator, send(operator, content(), carrier=""))
    assert file["carrier"] == "viettel"
    for path in ("", "/lines", "/lines.csv", "/reconciliation.csv"):
        assert operator.get(f"{PLACE}/{file['id']}{path}").status_code == 200
        assert stranger_operator.get(f"{PLACE}/{file['id']}{path}").status_code == 404
    assert send(stranger_operator, content()).status_code == 403
    assert stranger_operator.get(PLACE).json()["items"] == []
    assert stranger_operator.get(PLACE, params={"carrier": "viettel"}).status_code == 403
    assert [each["id"] for each in operator.get(PLACE).json()["items"]] == [file["id"]]


def test_a_number_in_another_column_is_masked_as_well(client: Client, world: World) -> None:
    file = settle(client, send(client, content((phone(2), "SENT", at(), "0912000077"))))
    last = client.get(f"{PLACE}/{file['id']}/lines", params={"after": 4}).json()["items"][0]
    assert (last["phone"], last["code"]) == ("8491*****02", "0912****77")


def test_an_upload_whose_import_died_is_gone_on_with_at_the_next_start(
    db: Database, world: World, settings: Settings, tmp_path: Path
) -> None:
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")])
    file_id = registered(db, path).id
    spooled = path.rename(spool_path(folder_of(settings.data), "viettel", as_file(path).sha256))
    held_by(db, IMPORT, f"receipt file {file_id}", "elsewhere:1:a:b", lease_ms=-1)
    assert resume_imports(db, ledger_for(db), settings) == 1
    row = db.read(lambda c: c.execute(receipt_files.select()).one())
    assert (row.id, row.state, row.settled, spooled.exists()) == (file_id, "ready", 1, False)
    assert resume_imports(db, ledger_for(db), settings) == 0


@pytest.mark.parametrize("state", ["failed", "erased"])
def test_an_upload_of_a_known_file_is_importing_at_once_and_outlives_a_long_stop(
    db: Database, world: World, settings: Settings, tmp_path: Path, state: str
) -> None:
    path = csv_file(tmp_path / "f.csv", [(phone(0), "DELIVRD", at(), "")])
    file_id = registered(db, path).id
    left = {"state": state, "error": "no room", "applied_upto": 84_912_000_999, "lines": 7, "agreed": 7}
    db.write(lambda c: c.execute(update(receipt_files).values(left)))
    again = registered(db, path)
    row = db.read(lambda c: c.execute(receipt_files.select()).one())
    assert (again.id, again.created, again.waiting, row.state) == (file_id, False, True, "importing")
    assert (row.error, row.applied_upto, row.lines, row.agreed) == (None, None, 0, 0)
    spooled = path.rename(spool_path(folder_of(settings.data), "viettel", as_file(path).sha256))
    os.utime(spooled, (1, 1))
    assert resume_imports(db, ledger_for(db), settings) == 1
    row = db.read(lambda c: c.execute(receipt_files.select()).one())
    assert (row.state, row.settled) == ("ready", 1)
