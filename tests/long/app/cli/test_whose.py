"""Who is at the keyboard, as far as it can be told; and who else of the host may read what commands write."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert

from app.core import clock
from app.database import schema
from app.database.connection import Database
from app.database.models import people

MAPPED = ("unshare", "--user", "--map-user=1")
_WHO = "from app.cli.output import whoami; print(whoami())"
_DECIDES = """
import sys
import app.campaigns.operations  # which say who may do them
from app.cli.common import decider
from app.database.connection import Database
from app.core.errors import Forbidden
db = Database(sys.argv[1])
try:
    print(db.read(decider, "approve_campaign").name)
except Forbidden as error:
    print("refused:", error.detail)
"""


def said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on the path, so there is no user namespace to try it in")
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if found.returncode and command[0] == "unshare" and "unshare failed" in found.stderr:
        pytest.skip("this kernel gives no user namespaces")
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.prove
def test_a_number_that_was_taken_in_a_user_namespace_is_nobody_s_name() -> None:
    assert said(*MAPPED, sys.executable, "-c", _WHO).startswith("uid 1 in a user namespace")
    assert "namespace" not in said(sys.executable, "-c", _WHO)


@pytest.mark.prove
def test_nothing_is_decided_in_a_user_namespace(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'loa.sqlite3'}"
    db = Database(url)
    schema.upgrade(db)
    for name in ("daemon", "root"):
        row = {"name": name, "role": "approver", "password_hash": "none", "created_at": clock.now_ms()}
        db.write(lambda c, row=row: c.execute(insert(people).values(row)))
    db.close()
    assert said(sys.executable, "-c", _DECIDES, url).startswith("root")
    assert said(*MAPPED, sys.executable, "-c", _DECIDES, url).startswith(
        "refused: Loa cannot tell who you are, because this process runs in a user namespace"
    )


@pytest.mark.prove
def test_no_other_account_may_open_what_a_command_writes(tmp_path: Path) -> None:
    own = {**os.environ, "LOA_DATA": str(tmp_path / "data"), "LOA_CONFIG": ""}
    command = [sys.executable, "-m", "app.cli", "key", "add", "lan"]
    subprocess.run(command, env=own, check=True, capture_output=True, timeout=60, umask=0o022)
    made = [tmp_path / "data", *(tmp_path / "data").iterdir()]
    assert len(made) > 1
    assert [
        f"{each.name} {stat.filemode(each.stat().st_mode)}" for each in made if each.stat().st_mode & 0o077
    ] == []
