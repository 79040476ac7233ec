"""The client as others get it: the wheel, and the examples of docs/client.md as they stand there."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.database.connection import Database
from app.security import create_key
from tests.app.api.served import served
from tests.engines import sqlite_alone

database_url = sqlite_alone
ROOT = Path(__file__).parents[3]


@pytest.mark.prove
def test_the_wheel_has_the_client_alone_and_asks_for_httpx_alone(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "loa_client", tmp_path / "loa_client")  # the build writes beside its source
    offline = ["--quiet", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable]
    build = [sys.executable, "-m", "uv", "build", *offline, "--out-dir", str(tmp_path), "loa_client"]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = next(name for name in names if name.endswith("METADATA"))
        assert email.message_from_bytes(packed.read(metadata)).get_all("Requires-Dist") == ["httpx>=0.27"]
    code = {each.relative_to(ROOT).as_posix() for each in (ROOT / "loa_client").rglob("*.py")}
    assert {name for name in names if ".dist-info" not in name} == code | {"loa_client/py.typed"}
    look = (
        "import sys, loa_client; print({'app', 'pydantic', 'fastapi'} & {*sys.modules}, loa_client.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", look],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split() == ["set()", f"{wheel}/loa_client/__init__.py"]


_TYPED = """
from loa_client import AsyncLoaClient, LoaClient
async def use(waiting: AsyncLoaClient, blocking: LoaClient) -> None:
    reveal_type(await waiting.get_run(1))
    reveal_type(blocking.get_run.with_etag(1))
    async for each in waiting.list_runs(state="planned"):
        reveal_type(each)
    blocking.list_runs(state="nope")
    blocking.start_run("1")
"""


@pytest.mark.prove
def test_a_type_checker_knows_both_clients_answers_and_what_may_be_asked(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(_TYPED)
    check = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "use.py"]
    own = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(check, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    run = "loa_client.api.campaigns.RunSummary"
    assert re.findall(r'Revealed type is "(.*)"', done.stdout) == [run, f"tuple[{run}, str | None]", run]
    assert re.findall(r"error: Argument (\S+)", done.stdout) == ['"state"', "1"]


def test_its_page_can_be_followed_as_it_stands(
    application: FastAPI, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key").write_text(db.write(create_key, "program") + "\n", encoding="utf-8")
    Path("viettel.csv").write_text("phone\n0981234567\n", encoding="utf-8")
    page = (ROOT / "docs/client.md").read_text("utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    with served(application) as address:
        for example in examples:
            exec(example.replace("https://loa.example.vn", address), {"__name__": "example"})
