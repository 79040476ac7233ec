"""A process of the drill opens its database as any other does, with keys and a place for heads."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core import clock
from tests.drill.fault_injection import CONTROL_FILE, FaultInjectingDatabase


def test_a_drilled_process_takes_all_that_a_database_is_opened_with(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONTROL_FILE, str(tmp_path / "up.fuse"))
    for name in (
        "now",
        "now_ms",
        "latest_ms",
    ):  # the drill sets the clock of its process, which is to be its own here
        monkeypatch.setattr(clock, name, getattr(clock, name))
    db = FaultInjectingDatabase(sqlite_url, keys=[b"k" * 32], on_head=lambda head: None)
    try:
        assert db.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1
    finally:
        db.close()
