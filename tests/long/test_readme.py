"""The README's examples, run as they stand there against a real server."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.core.config import LinkSettings, Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.api.served import served
from tests.app.campaigns.rows import new_link
from tests.engines import sqlite_alone

database_url = sqlite_alone

README = Path(__file__).parent.parent.parent / "README.md"
ADDRESS = "http://127.0.0.1:8600"


def examples() -> list[str]:
    """The shell examples that speak HTTP."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "curl " in block]


@pytest.fixture
def application(db: Database, tmp_path: Path) -> FastAPI:
    link = LinkSettings(carrier="viettel", segments_per_second=100)
    return create_app(Settings(data=tmp_path / "data", links={"viettel-1": link}), db)


def test_the_curl_examples_do_what_they_say(application: FastAPI, db: Database, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    for name, role in (("clerk", "admin"), ("approver", "approver")):
        key = db.write(create_key, name, role)
        (tmp_path / f"{name}.txt").write_text(f"Authorization: Bearer {key}", encoding="utf-8")
    lines = "".join(f"0982{n:06d}\n" for n in range(20))
    (tmp_path / "viettel.csv").write_text("phone\n" + lines, encoding="utf-8")
    db.write(new_link, "viettel-1", carrier="viettel")
    assert len(examples()) == 1
    with served(application) as address:
        script = examples()[0].replace(ADDRESS, address)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert '"state":"approved"' in said
    assert "event: progress\n" in said
    assert said.rindex('"state":"paused"') > said.index('"state":"running"')
    assert (tmp_path / "report.xlsx").read_bytes()[:2] == b"PK"
