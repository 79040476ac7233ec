"""compose.yaml as it stands: two accounts that are no superusers, a proxy that is named, TLS before it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from app.core.config import Settings
from app.runtime.transport_security import faults
from tests.engines import sqlite_alone
from tests.faults.compose import composed, two_accounts
from tests.faults.processes import Home
from tests.faults.server import own_server

database_url = sqlite_alone


def test_the_services_start_by_these_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = composed()
    own = found["x-loa"]["environment"]
    for name in [each for each in os.environ if each.startswith("LOA_")]:
        monkeypatch.delenv(name)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOA_SECRETS_DIR")
    monkeypatch.setenv("LOA_CONFIG", "")
    settings = Settings(database_url="postgresql://loa:x@postgres:5432/loa")
    assert list(faults(settings)) == []
    (network,) = found["networks"]["default"]["ipam"]["config"]
    assert json.loads(own["LOA_TRUSTED_PROXIES"]) == [network["gateway"]]


@pytest.mark.prove
async def test_loa_works_by_two_accounts_of_which_neither_is_a_superuser(tmp_path: Path) -> None:
    with own_server() as server:
        worker, owner = await asyncio.to_thread(two_accounts, server, tmp_path)
        home = Home(tmp_path, worker)
        home.configure({}, migration_database_url=owner)
        assert "has the rights to use it" in await home.command("migrate")
        assert "CARRIER" in await home.command("batch", "list")
        for address in (worker, owner):
            with psycopg.connect(address, autocommit=True) as asked:
                assert asked.execute(
                    "SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname LIKE 'loa%'"
                ).fetchone() == (False,)
                with pytest.raises(InsufficientPrivilege):
                    asked.execute("COPY batches TO PROGRAM 'true'")
