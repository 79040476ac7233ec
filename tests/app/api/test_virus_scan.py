"""A scanner looks at each file before anything is done with it; here a real program that the test writes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import attachments, batches
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.app.described import described

CSV = b"phone\n0912000001\n"
PDF = b"%PDF-1.7 "
SCANNER = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
grep -q harm "$2" && { echo "$2: Harm.Test FOUND"; exit 1; }
grep -q broken "$2" && exit 2
grep -q slow "$2" && exec sleep 60
grep -q helped "$2" && { (echo began; sleep 60; echo "outlived it") > "$(dirname "$0")/line" & wait; }
grep -q left "$2" && { sleep 5 & }
exit 0
"""


Make = Callable[..., FastAPI]


@pytest.fixture
def scanner(tmp_path: Path) -> Path:
    """A program whose name a shell would make something of."""
    program = tmp_path / "scan it; $(rm -r *)"
    program.write_text(SCANNER)
    program.chmod(0o700)
    return program


@pytest.fixture
def make(db: Database, tmp_path: Path) -> Make:
    def make(*command: str) -> FastAPI:
        return create_app(Settings(data=tmp_path / "data", scan_command=command, scan_seconds=1), db)

    return make


@pytest.fixture
def client(make: Make, scanner: Path, db: Database) -> Iterator[Client]:
    with Client(make(str(scanner), "--quiet"), db.write(create_key, "tester")) as client:
        yield client


def rows(db: Database) -> list[int]:
    return [
        db.read(lambda c, table=table: c.execute(select(func.count()).select_from(table)).scalar_one())
        for table in (attachments, batches)
    ]


def left(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "data").rglob("*") if path.is_file() and "sqlite" not in path.name]


@pytest.mark.longer
def test_a_clean_file_is_taken_and_the_scanner_was_asked_by_its_path(
    client: Client, db: Database, tmp_path: Path
) -> None:
    kept = client.post("/v1/attachments", files={"file": ("a; rm -r *.pdf", PDF)})
    assert kept.status_code == 201
    assert client.get(f"/v1/attachments/{kept.json()['sha256']}").content == PDF
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert re.fullmatch(rf"--quiet {re.escape(str(tmp_path))}/data/[\w-]+/\w+\.part", asked)
    assert left(tmp_path) == []


@pytest.mark.longer
def test_harm_is_refused_by_every_operation_that_takes_a_file_and_nothing_is_kept(
    client: Client, db: Database, tmp_path: Path
) -> None:
    takes = [
        path.format_map(dict.fromkeys(re.findall(r"{(\w+)}", path), "1"))
        for path, verbs in described(client.app)["paths"].items()
        if "multipart/form-data" in verbs.get("post", {}).get("requestBody", {}).get("content", {})
    ]
    assert len(takes) == 6
    for path in takes:
        refused = client.post(path, files={"file": ("a.csv", CSV + b"harm")}, data={"carrier": "vnpt"})
        assert refused.status_code == 422, path
        assert refused.json()["type"].endswith("#harmful-file")
        assert refused.json()["errors"][0]["field"] == "file"
    assert rows(db) == [0, 0]
    assert left(tmp_path) == []


@pytest.mark.longer
@pytest.mark.parametrize("content", [b"broken", b"slow"])
def test_what_the_scanner_does_not_answer_is_not_taken(
    client: Client, db: Database, tmp_path: Path, content: bytes
) -> None:
    refused = client.post("/v1/attachments", files={"file": ("a.pdf", PDF + content)})
    assert (refused.status_code, refused.json()["type"][-12:]) == (503, "#not-scanned")
    assert rows(db) == [0, 0]
    assert left(tmp_path) == []


@pytest.mark.longer
def test_what_a_scanner_has_started_ends_with_it(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "line")
    line = os.open(tmp_path / "line", os.O_RDONLY | os.O_NONBLOCK)
    refused = client.post("/v1/attachments", files={"file": ("a.pdf", PDF + b"helped")})
    assert refused.status_code == 503
    os.set_blocking(line, True)
    with open(line, "rb") as said:
        assert said.read() == b"began\n"  # until the last that could write is gone


@pytest.mark.longer
def test_what_a_scanner_leaves_behind_is_not_waited_for(client: Client) -> None:
    kept = client.post("/v1/attachments", files={"file": ("a.pdf", PDF + b"left")})
    assert kept.status_code == 201


def test_a_scanner_that_is_not_there_lets_nothing_in(make: Make, db: Database, tmp_path: Path) -> None:
    with Client(make(str(tmp_path / "nothing")), db.write(create_key, "tester")) as client:
        refused = client.post("/v1/attachments", files={"file": ("a.pdf", PDF)})
    assert refused.status_code == 503
    assert "could not be scanned" in refused.json()["detail"]
    assert rows(db) == [0, 0]
