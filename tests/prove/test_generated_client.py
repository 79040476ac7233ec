"""A client that a program of others makes of openapi.json lives a campaign's life, and reads all there is.

`make prove PART=foreign`. Skipped where openapi-python-client can't be installed.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.devtools.sample_data import write_sample
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.engines import sqlite_alone
from tests.faults.processes import Home, smpp_link
from tests.loa_client.generator import described

database_url = sqlite_alone

HERE = Path(__file__).with_name("foreign")
LEAST = 55  # operations that answer with what was asked for


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment, and the package `made` of openapi.json, without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not in this environment")
    python = folder / "own" / "bin" / "python"
    said([str(uv), "venv", "--quiet", "--python", sys.executable, str(folder / "own")])
    install = [str(uv), "pip", "install", "--quiet", "--python", str(python), "openapi-python-client>=0.26"]
    if subprocess.run(install, capture_output=True).returncode:
        pytest.skip("openapi-python-client can't be installed here")
    (folder / "openapi.json").write_text(json.dumps(described(folder)))
    shutil.copy(HERE / "generated_client.py", folder)
    words = [
        str(python.with_name("openapi-python-client")),
        "generate",
        "--path",
        "openapi.json",
        "--meta",
        "none",
    ]
    words += ["--config", str(HERE / "generated_client.yml"), "--output-path", "made", "--fail-on-warning"]
    said(words, folder)
    return folder


def said(words: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


async def test_a_generated_client_lives_a_campaign_and_reads_everything(made: Path, tmp_path: Path) -> None:
    home = Home(tmp_path, f"sqlite:///{tmp_path / 'loa.sqlite3'}", measured=False)
    file = write_sample(tmp_path / "files", 60, seed=3)["viettel"]
    try:
        async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as smsc:
            home.configure({"viettel": smpp_link("viettel", smsc.port)})
            author = (await home.command("key", "add", "author")).splitlines()[-1]
            chief = (await home.command("key", "add", "chief", "--role", "admin")).splitlines()[-1]
            program = home.start("up")
            await home.until(lambda: "listening" in program.words(), "the API listens")
            words = [
                str(made / "own" / "bin" / "python"),
                "generated_client.py",
                home.base,
                author,
                chief,
                str(file),
            ]
            statuses = json.loads(await asyncio.to_thread(said, words, made))
            assert smsc.report()["copies_max"] == 1
            assert await program.stop() == 0
    finally:
        home.end()
    assert statuses.pop("list_sessions") == 403  # of a person who has signed in, and this is a key
    read = {name for name, status in statuses.items() if status == 200}
    assert {"get_campaign", "get_run", "get_report", "list_batches", "list_unknown"} <= read
    assert len(read) >= LEAST
    # Of the rest there is none of that number here, or the webhook is not the link's.
    assert {statuses[name] for name in statuses.keys() - read} <= {403, 404, 409}, statuses
