"""compose.yaml as read, and the two accounts of its PostgreSQL, made by the script that its image runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.faults.server import Server

ROOT = Path(__file__).parents[2]
OWNER, WORKER = "owners0word", "workers0word"


@cache
def composed() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8")))


def two_accounts(server: Server, folder: Path) -> tuple[str, str]:
    """Run compose.accounts.sh against this server; the addresses of who works and of who owns the tables.

    Its passwords go into folder/secrets. Skips where psql is not installed.
    """
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "loa_owner_password").write_text(OWNER)
    (secrets / "loa_password").write_text(WORKER)
    plain = server.url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute("CREATE ROLE postgres SUPERUSER LOGIN")
    with psycopg.connect(plain.replace("//loa@", "//postgres@"), autocommit=True) as admin:
        admin.execute("ALTER ROLE loa RENAME TO first")
    script = folder / "accounts.sh"
    text = (ROOT / "compose.accounts.sh").read_text("utf-8")
    script.write_text(text.replace("/run/secrets", str(secrets)))
    own = {"POSTGRES_USER": "postgres", "PGHOST": server.host, "PGPORT": str(server.port)}
    done = subprocess.run(["sh", str(script)], env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place = f"{server.host}:{server.port}/loa"
    return f"postgresql://loa:{WORKER}@{place}", f"postgresql://loa_owner:{OWNER}@{place}"
