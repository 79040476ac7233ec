"""`loa directive status` prints what each run's forecast warns of, as the API and the pages do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from app.cli import directive_commands
from app.database.connection import Database
from app.database.models import runs
from tests.app.cli.test_campaign_commands import Shell
from tests.e2e import scene


def test_a_paused_run_is_said_to_be_paused(db: Database, database_url: str, tmp_path: Path) -> None:
    scene.build(db)
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(state="paused")))
    said = Shell(database_url, tmp_path)(directive_commands.app, "status", "1")
    assert (
        "! run 1 (viettel): The run is paused. These times apply only if it is resumed now."
        in said.splitlines()
    )
