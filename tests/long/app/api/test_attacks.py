"""What an attacker sends to a real server: odd framing, hosts and names, fields that nobody asked for."""

from __future__ import annotations

import io
import re
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import openpyxl
import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.api.served import served
from tests.app.batches.files import MESSY
from tests.app.client import Client
from tests.app.described import described
from tests.polling import imported

CHUNKED = b"0\r\n\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[str, int]]:
    """Where a real server listens."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "loa.sqlite3").write_bytes(sqlite_template.read_bytes())
    db = Database(f"sqlite:///{folder / 'loa.sqlite3'}")
    with served(create_app(Settings(data=folder), db)) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)
    db.close()


def said(address: tuple[str, int], request: bytes) -> bytes:
    """Everything that the server says to these bytes until it has nothing to add."""
    with socket.create_connection(address, timeout=10) as wire:
        wire.sendall(request)
        heard = b""
        try:
            while piece := wire.recv(65536):
                heard += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return heard


def statuses(heard: bytes) -> list[bytes]:
    """The status of each answer."""
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc",
        b"Content-Length: 3, 40\r\n\r\nabc",
        b"Content-Length: +3\r\n\r\nabc",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 0x3\r\n\r\nabc",
        b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n" + CHUNKED,
        b"X: a\x00b\r\n\r\n",
    ],
)
def test_a_request_whose_end_is_unclear_is_refused_and_nothing_behind_it_is_read(
    address: tuple[str, int], framing: bytes
) -> None:
    assert statuses(said(address, POST + framing + SECOND)) == [b"400"]


def test_chunks_go_before_a_length(address: tuple[str, int]) -> None:
    framing = b"Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED
    # The first has an empty body (422); what follows the last chunk is a request of its own for everybody.
    assert statuses(said(address, POST + framing + SECOND)) == [b"422", b"200"]


@pytest.mark.parametrize("host", [b"evil.example", b"evil.example:1\r\nX-Forwarded-Host: evil.example"])
@pytest.mark.parametrize("path", [b"/v1/runs", b"/v1/runs/", b"/docs/errors", b"/openapi.json", b"/nowhere"])
def test_no_answer_repeats_the_host_that_a_caller_names(
    address: tuple[str, int], host: bytes, path: bytes
) -> None:
    assert b"evil" not in said(
        address, b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n"
    )


@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"CONNECT", b"PROPFIND"])
def test_other_methods_are_not_there(address: tuple[str, int], method: bytes) -> None:
    heard = said(
        address, method + b" /v1/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Secret: s3cr3t\r\n\r\n"
    )
    assert statuses(heard)[0] in (b"404", b"405")
    assert b"s3cr3t" not in heard


def test_a_head_without_end_is_refused(address: tuple[str, int]) -> None:
    # The refusal may be lost, as the server leaves while it is still being written to.
    assert statuses(said(address, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 200_000)) in ([b"400"], [])


def test_the_server_says_neither_its_name_nor_its_version(address: tuple[str, int]) -> None:
    heard = said(address, SECOND).lower()
    assert statuses(said(address, SECOND)) == [b"200"]
    assert not [word for word in (b"uvicorn", b"python", b"starlette", b"\r\nserver:") if word in heard]


def test_every_field_of_a_body_is_named_and_others_are_refused(application: FastAPI) -> None:
    """No field can be set that the operation does not mean to set."""
    document = described(application)
    shapes = document["components"]["schemas"]
    bodies = {
        name: shapes[name].get("additionalProperties")
        for operations in document["paths"].values()
        for operation in operations.values()
        for name in _named(operation.get("requestBody", {}))
    }
    assert len(bodies) > 15
    # The app on a test telephone tells more than Loa reads.
    foreign = {"GatewayCall", "GatewayBatchCall"}
    assert {name for name, others in bodies.items() if others is not False} == foreign


def _named(body: dict[str, object]) -> Iterator[str]:
    """The shapes that a body in JSON may have."""
    content = body.get("content", {})
    schema = content.get("application/json", {}).get("schema", {}) if isinstance(content, dict) else {}
    for each in schema.get("anyOf", [schema]):
        if "$ref" in each:
            yield each["$ref"].rpartition("/")[2]


def test_a_campaign_can_not_be_made_approved(client: Client) -> None:
    body = {"name": "x", "purpose": "tuyen_truyen", "sender": "CA SON LA", "text_key": "gia-danh-cong-an"}
    answer = client.post("/v1/campaigns", json=body | {"state": "approved", "id": 1, "created_by": "an"})
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {"body.state", "body.id", "body.created_by"}


@pytest.mark.parametrize(
    "name", ["../../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "evil.csv\x00.exe", "a" * 300]
)
def test_no_name_of_a_file_leads_out_of_its_folder(client: Client, settings: Settings, name: str) -> None:
    outside = {path for path in settings.data.parent.iterdir() if path != settings.data}
    client.post("/v1/batches", files={"file": (name, MESSY.encode())}, data={"carrier": "vnpt"})
    made = {path for path in settings.data.rglob("*") if path.is_file()}
    assert not [path for path in made if "evil" in path.name or "a" * 50 in path.name]
    assert {path for path in settings.data.parent.iterdir() if path != settings.data} == outside
    assert not Path("/etc/evil.csv").exists()


@pytest.mark.parametrize("carrier", ["../x", "a/b", "..", "vnpt\x00"])
def test_no_name_of_a_carrier_leads_out_of_its_folder(
    client: Client, settings: Settings, carrier: str
) -> None:
    answer = client.post("/v1/batches", files={"file": ("a.csv", MESSY.encode())}, data={"carrier": carrier})
    assert answer.status_code == 422
    assert list((settings.data / "uploads").iterdir()) == []


def hostile_book(sheet: str) -> bytes:
    """A workbook whose first sheet is this XML."""
    plain, hostile = io.BytesIO(), io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["phone"])
    book.save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(hostile, "w") as new:
        for name in old.namelist():
            new.writestr(name, sheet if name.endswith("sheet1.xml") else old.read(name))
        new.writestr("../../evil.txt", "outside")
    return hostile.getvalue()


ROWS = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
ROWS += '<c r="A1" t="inlineStr"><is><t>&x;</t></is></c></row></sheetData></worksheet>'


@pytest.mark.prove
@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        pytest.param(
            '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY x "&a;&a;&a;&a;&a;&a;&a;&a;">]>', marks=pytest.mark.prove
        ),
        pytest.param('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', marks=pytest.mark.prove),
    ],
)
def test_a_workbook_with_entities_is_no_list(client: Client, settings: Settings, head: str) -> None:
    book = hostile_book(f'<?xml version="1.0"?>{head}{ROWS}')
    answer = client.post("/v1/batches", files={"file": ("a.xlsx", book)}, data={"carrier": "vnpt"})
    batch = imported(client, f"/v1/batches/{answer.json()['id']}")
    assert batch["state"] == "failed"
    assert "root:" not in str(batch)
    assert not list(settings.data.parent.rglob("evil.txt"))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
def test_what_is_no_request_is_answered_as_closed_to_browsers_as_all_else(
    address: tuple[str, int], request_: bytes, status: bytes
) -> None:
    heard = said(address, request_).lower()
    assert statuses(heard.replace(b"http/1.1", b"HTTP/1.1")) == [status]
    for head in (b"x-content-type-options: nosniff", b"frame-ancestors 'none'", b"cache-control: no-store"):
        assert head in heard


@pytest.mark.parametrize(
    "path",
    [
        *(b"/static/", b"/static/../../etc/passwd", b"/static/%2e%2e/%2e%2e/etc/passwd", b"/uploads/"),
        *(
            b"/static/x/..%2f..%2fmain.py",
            b"/static/x/%2fetc%2fpasswd",
            b"/.git/config",
            b"/app/runtime/api_app.py",
        ),
        *(b"//etc/passwd", b"/%00"),
    ],
)
def test_no_folder_is_listed_and_no_file_of_the_host_is_served(address: tuple[str, int], path: bytes) -> None:
    heard = said(address, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(heard) == [b"404"]
    assert b"root:" not in heard


def test_what_is_said_twice_or_elsewhere_changes_no_id(client: Client) -> None:
    """The id of a thing is that of the path, whatever else a query, body, head or cookie may call so."""
    named = {"run_id": "1", "carrier": "viettel", "state": "approved"}
    heads = {"Cookie": "run_id=1; batch_id=1", "run_id": "1", "X-HTTP-Method-Override": "DELETE"}
    for path in ("/v1/runs/7", "/v1/batches/7", "/v1/campaigns/7"):
        assert client.get(path, params=named).status_code == 422  # no parameter of these
        answer = client.request("GET", path, json=named, headers=heads)
        assert answer.status_code == 404
        assert " 7" in answer.json()["detail"]
    assert client.post("/v1/runs/7/pause", headers=heads).status_code == 404
    assert client.post("/v1/runs/7/pause", params={"_method": "GET"}).status_code == 422
    twice = client.post(
        "/v1/directives",
        content=b'{"number": "1", "number": "2", "issued_on": "2031-01-29", "issuer": "x", "subject": "y"}',
        headers={"Content-Type": "application/json"},
    )
    assert (twice.status_code, twice.json()["detail"]) == (
        422,
        "body.number was given twice. Give it only once.",
    )
