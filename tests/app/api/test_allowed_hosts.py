"""The service's own name: under another one nothing is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.client import Client

NAMES = ("loa.example.vn", "192.0.2.7", "2001:db8::7")


@pytest.mark.parametrize(
    "host",
    [
        "loa.example.vn",
        "LOA.example.vn:8600",
        "loa.example.vn.",
        "192.0.2.7:443",
        "[2001:db8::7]:443",
        "[::1]:1",
    ],
)
def test_its_own_names_and_this_machine_s_are_answered(db: Database, tmp_path: Path, host: str) -> None:
    with Client(create_app(Settings(data=tmp_path, public_hosts=NAMES), db)) as caller:
        assert caller.get("/readyz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "loa.example.vn.evil.example", "192.0.2.8", "2001:db8::7", "", "loa.example.vn,x"],
)
@pytest.mark.parametrize("path", ["/readyz", "/v1/me", "/verify", "/webhooks/vnpt/vnpt_1", "/nowhere"])
def test_any_other_name_gets_one_answer(db: Database, tmp_path: Path, host: str, path: str) -> None:
    with Client(create_app(Settings(data=tmp_path, public_hosts=NAMES), db)) as caller:
        refused = caller.get(path, headers={"Host": host})
    assert refused.status_code == 421
    assert refused.json()["type"].endswith("#wrong-host")
    assert "set-cookie" not in refused.headers


def test_without_the_setting_any_name_does(db: Database, tmp_path: Path) -> None:
    with Client(create_app(Settings(data=tmp_path), db)) as caller:
        assert caller.get("/readyz", headers={"Host": "anything.example"}).status_code == 200
