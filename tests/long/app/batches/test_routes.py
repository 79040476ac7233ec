"""Stage 1 over HTTP: upload, progress, lists, bad lines, and what an operator of one carrier may see."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.database.connection import Database
from app.security import create_key
from tests.app.batches.files import MESSY, MESSY_BAD, batch_row, put, registered
from tests.app.client import Client
from tests.engines import by_default
from tests.polling import imported

database_url = by_default


def send(client: Client, content: str | bytes = MESSY, carrier: str | None = "vnpt") -> httpx.Response:
    """Upload a file."""
    raw = content.encode() if isinstance(content, str) else content
    data = {"carrier": carrier} if carrier is not None else {}
    return client.post("/v1/batches", files={"file": ("danh sách.csv", raw)}, data=data)


def settle(client: Client, batch_id: int) -> dict[str, Any]:
    """The batch, when its import has ended."""
    return imported(client, f"/v1/batches/{batch_id}")


@pytest.fixture
def operator(application: FastAPI, db: Database) -> Iterator[Client]:
    """Holds a key of VNPT's operator."""
    with Client(application, db.write(create_key, "operator", "operator", "vnpt")) as client:
        yield client


def test_an_upload_is_answered_at_once_and_imported_behind(client: Client, settings: Settings) -> None:
    answer = send(client)
    assert answer.status_code == 202
    batch = answer.json()
    assert (batch["state"], batch["carrier"], batch["name"]) == ("importing", "vnpt", "danh sách.csv")
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}"
    ready = settle(client, batch["id"])
    assert (ready["state"], ready["percent"], ready["lines"]) == ("ready", 100, 10)
    assert (ready["accepted"], ready["rejected"], ready["repeated"]) == (5, 3, 2)


def test_nothing_of_an_upload_is_left_on_disk(application: FastAPI, db: Database, settings: Settings) -> None:
    with Client(application, db.write(create_key, "tester")) as client:
        settle(client, send(client).json()["id"])
        assert send(client, b"phone\n", carrier="lab").status_code == 422
        settle(client, send(client, "Họ tên\nLò A\n").json()["id"])  # a stop keeps what waits its turn
    assert list((settings.data / "uploads").iterdir()) == []


def test_the_same_file_again_is_answered_with_its_batch(client: Client) -> None:
    first = settle(client, send(client).json()["id"])
    again = send(client)
    assert again.status_code == 200
    assert again.json() == first


@pytest.mark.prove
def test_a_packed_file_is_taken_and_may_be_given_a_name(client: Client) -> None:
    files = {"file": ("x.csv.gz", gzip.compress(MESSY.encode()))}
    answer = client.post("/v1/batches", files=files, data={"carrier": "vnpt", "name": "Đợt 1"})
    assert answer.json()["name"] == "Đợt 1"
    assert settle(client, answer.json()["id"])["accepted"] == 5


def test_a_file_that_is_no_use_says_why_in_its_batch(client: Client) -> None:
    batch = settle(client, send(client, "Họ tên\nLò A\n").json()["id"])
    assert batch["state"] == "failed"
    assert "The file has no column for phone numbers" in batch["error"]


def test_a_file_over_the_limit_is_refused(client: Client, application: FastAPI, settings: Settings) -> None:
    application.state.settings = settings.model_copy(update={"upload_limit_mb": 1})
    answer = send(client, b"phone\n" + b"0912000001\n" * 100_000)
    assert answer.status_code == 413
    assert "larger than 1048576 bytes" in answer.json()["detail"]
    assert client.get("/v1/batches").json()["items"] == []
    assert list((settings.data / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("carrier", "words"),
    [
        (None, "Choose a carrier in the field “carrier”"),
        ("vietel", "Carrier “vietel” does not exist"),
        ("../x", "Carrier “../x” does not exist"),
    ],
)
def test_a_carrier_is_needed_and_must_be_known(client: Client, carrier: str | None, words: str) -> None:
    answer = send(client, carrier=carrier)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


BOUNDED = {"content-type": "multipart/form-data; boundary=b"}
PART = 'Content-Disposition: form-data; name="{}"'
FILE = PART.format("file") + '; filename="C:\\temp\\x.csv"'


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"{}", {"content-type": "application/json"}, "multipart"),
        (b"", {"content-type": "multipart/form-data"}, "multipart"),
        (b"nonsense", BOUNDED, "multipart"),
        (b"", {"content-type": f"multipart/form-data; boundary={'b' * 257}"}, "multipart"),
        (f"--b\r\n{FILE}\r\n\r\n0912".encode(), BOUNDED, "The upload was interrupted"),
        (f"--b\r\n{PART.format('carrier')}\r\n\r\nvnpt\r\n--b--".encode(), BOUNDED, "no file"),
        (f"--b\r\n{FILE}\r\n\r\n1\r\n--b\r\n{FILE}\r\n\r\n2\r\n--b--".encode(), BOUNDED, "two files"),
    ],
)
def test_a_body_that_is_no_upload_is_refused(
    client: Client, settings: Settings, body: bytes, headers: dict[str, str], words: str
) -> None:
    answer = client.post("/v1/batches", content=body, headers=client.headers | headers)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert list((settings.data / "uploads").glob("*")) == []


def test_long_fields_are_refused(client: Client) -> None:
    answer = client.post("/v1/batches", files={"file": ("x", b"1")}, data={"carrier": "x" * 2000})
    assert answer.status_code == 413


def test_batches_are_listed_by_page_carrier_and_state(client: Client) -> None:
    ids = [send(client, f"phone\n09120000{n}0\n", carrier).json()["id"] for n, carrier in CARRIERS]
    for each in ids:
        settle(client, each)
    page = client.get("/v1/batches", params={"limit": 2}).json()
    assert ([item["id"] for item in page["items"]], page["next"]) == (ids[:2], ids[1])
    rest = client.get("/v1/batches", params={"limit": 2, "after": page["next"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (ids[2:], None)
    only = client.get("/v1/batches", params={"carrier": "vnpt", "state": "ready"}).json()["items"]
    assert [item["id"] for item in only] == [ids[0], ids[2]]
    assert client.get("/v1/batches", params={"state": "failed"}).json()["items"] == []


CARRIERS = [(10, "vnpt"), (11, "viettel"), (12, "vnpt")]


def test_bad_lines_are_paged_with_their_reasons_in_words(client: Client) -> None:
    batch_id = settle(client, send(client).json()["id"])["id"]
    page = client.get(f"/v1/batches/{batch_id}/bad-lines", params={"limit": 3}).json()
    assert [(i["line"], i["reason"], i["value"]) for i in page["items"]] == MESSY_BAD[:3]
    assert page["items"][1]["reason_en"] == "It is a landline number."
    assert page["items"][1]["reason_vi"] == "Số điện thoại cố định."
    rest = client.get(f"/v1/batches/{batch_id}/bad-lines", params={"after": page["next"]}).json()
    assert ([i["line"] for i in rest["items"]], rest["next"]) == ([10, 12], None)


def test_bad_lines_are_downloaded_for_excel_with_formulas_made_harmless(client: Client) -> None:
    batch_id = settle(client, send(client, "phone\n=1+1\n0912000001\n+856 20 5550 1234\n").json()["id"])["id"]
    answer = client.get(f"/v1/batches/{batch_id}/bad-lines.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="batch-{batch_id}-bad-lines.csv"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row[0], row[1], row[4]) for row in rows[1:]] == [
        ("2", "letters", "'=1+1"),
        ("4", "foreign", "'+856 2* **** **34"),
    ]


def test_an_operator_of_one_carrier_sees_and_sends_only_its_own(client: Client, operator: Client) -> None:
    theirs = settle(client, send(client, carrier="viettel").json()["id"])["id"]
    own = send(operator, carrier=None).json()
    assert own["carrier"] == "vnpt"
    settle(operator, own["id"])
    assert [item["id"] for item in operator.get("/v1/batches").json()["items"]] == [own["id"]]
    assert operator.get("/v1/batches", params={"carrier": "viettel"}).status_code == 403
    assert send(operator, carrier="viettel").status_code == 403
    for path in ("", "/bad-lines", "/bad-lines.csv"):
        assert operator.get(f"/v1/batches/{theirs}{path}").status_code == 404


def test_an_upload_whose_import_died_is_imported_when_it_comes_again(
    client: Client, db: Database, tmp_path: Path
) -> None:
    _, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file)
    assert db.read(batch_row, batch.id)["state"] == "importing"
    answer = send(client)
    assert (answer.status_code, answer.json()["id"]) == (202, batch.id)
    assert settle(client, batch.id)["state"] == "ready"
