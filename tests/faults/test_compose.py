"""compose.yaml as it stands: two accounts that are no superusers, a proxy that is named, TLS before it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.errors import InsufficientPrivilege

from app.core.config import Settings
from app.runtime.transport_security import faults
from tests.engines import sqlite_alone
from tests.faults.processes import Home
from tests.faults.server import own_server

database_url = sqlite_alone

ROOT = Path(__file__).parents[2]
WORDS = {"loa_owner_password": "owners0word", "loa_password": "workers0word"}


def composed() -> dict[str, object]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8")))


def test_the_services_start_by_these_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = composed()
    own = found["x-loa"]["environment"]  # type: ignore[index]
    for name in [each for each in os.environ if each.startswith("LOA_")]:
        monkeypatch.delenv(name)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOA_SECRETS_DIR")
    monkeypatch.setenv("LOA_CONFIG", "")
    settings = Settings(database_url="postgresql://loa:x@postgres:5432/loa")
    assert list(faults(settings)) == []
    (network,) = found["networks"]["default"]["ipam"]["config"]  # type: ignore[index]
    assert json.loads(own["LOA_TRUSTED_PROXIES"]) == [network["gateway"]]


@pytest.mark.prove
async def test_loa_works_by_two_accounts_of_which_neither_is_a_superuser(tmp_path: Path) -> None:
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, word in WORDS.items():
        (secrets / name).write_text(word)
    script = tmp_path / "accounts.sh"
    script.write_text((ROOT / "compose.accounts.sh").read_text("utf-8").replace("/run/secrets", str(secrets)))
    with own_server() as server:
        plain = server.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as admin:
            admin.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        as_admin = plain.replace("//loa@", "//postgres@")
        with psycopg.connect(as_admin, autocommit=True) as admin:
            admin.execute("ALTER ROLE loa RENAME TO first")
        own = {"POSTGRES_USER": "postgres", "PGHOST": server.host, "PGPORT": str(server.port)}
        done = await asyncio.to_thread(
            subprocess.run, ["sh", str(script)], env={**os.environ, **own}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        worker = plain.removesuffix("/postgres") + "/loa"
        owner = worker.replace("//loa@", "//loa_owner@")
        home = Home(tmp_path, worker)
        home.configure({}, migration_database_url=owner)
        assert "has the rights to work with it" in await home.command("migrate")
        assert "CARRIER" in await home.command("batch", "list")
        for address in (worker, owner):
            with psycopg.connect(address, autocommit=True) as asked:
                assert asked.execute(
                    "SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname LIKE 'loa%'"
                ).fetchone() == (False,)
                with pytest.raises(InsufficientPrivilege):
                    asked.execute("COPY batches TO PROGRAM 'true'")
