"""`loa database backup` and `loa database restored`, as a person at a terminal sees them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import insert, update
from typer.testing import CliRunner

from app.cli import app
from app.core.errors import Invalid
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import runs, tallies
from app.dispatch import link_store
from app.ledger.ledger import ledger_for
from tests.app.world import World, build

Loa = Callable[..., Result]


@pytest.fixture
def loa(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Loa:
    """The command line over three queued deliveries and a run that is planned."""
    monkeypatch.setenv("LOA_DATABASE_URL", sqlite_url)
    with closing(Database(sqlite_url)) as db:
        build(db, 3).fan_out()
        other = build_planned(db)
        assert other.run == 2
    return lambda *words: CliRunner().invoke(app, ["database", *words])


def build_planned(db: Database) -> World:
    """One more campaign, whose run was not started."""
    db.write(lambda c: c.exec_driver_sql("UPDATE links SET name = 'viettel-0'"))
    world = build(db, 2, phones=[84_970_000_000, 84_970_000_001])
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == world.run).values(state="planned")))
    return world


def moved(url: str) -> bool:
    with closing(Database(url)) as db:
        return db.read(link_store.moved, ledger_for(db))


def states(url: str) -> dict[DeliveryState, int]:
    with closing(Database(url)) as db:
        return {DeliveryState(state): n for state, n in db.read(counted).items()}


def counted(connection) -> dict[int, int]:  # type: ignore[no-untyped-def]
    query = "SELECT state, count(*) FROM deliveries GROUP BY state"
    return dict(connection.exec_driver_sql(query).all())


@pytest.mark.longer
def test_a_copy_that_is_put_back_has_its_open_work_made_unknown_by_one_command(
    loa: Loa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.sqlite3"
    said = loa("backup", str(copy))
    assert said.exit_code == 0
    assert f"{copy} is a copy of the ledger, {copy.stat().st_size:,} bytes." in said.stdout
    url = f"sqlite:///{copy}"
    monkeypatch.setenv("LOA_DATABASE_URL", url)
    assert moved(url)
    with closing(Database(url)) as db:
        refused = {
            "campaign_id": 1,
            "run_id": 1,
            "batch_id": 1,
            "state": 3,
            "reason": 8,
            "n": 2,
            "segments": 2,
        }
        db.write(lambda c: c.execute(insert(tallies).values(refused)))
    said = loa("restored")
    assert (
        "Run 1 (viettel): no follow-up includes its 2 rejected messages, because one that is lost "
        "may already have written to these people." in said.stdout
    )
    assert "Run 1 (viettel): 3 deliveries are unknown now." in said.stdout
    assert "Run 2 is planned here." in said.stdout
    assert not moved(url)
    assert states(url) == {DeliveryState.UNKNOWN: 3}
    assert "then run `loa database entered-again`" in said.stdout
    assert loa("entered-again").stdout == "Runs can be started and resumed.\n"
    assert loa("entered-again").stdout == "Nothing was waiting for this.\n"


@pytest.mark.longer
def test_with_nothing_lost_the_work_stands_as_it_was(
    loa: Loa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.sqlite3"
    loa("backup", str(copy))
    url = f"sqlite:///{copy}"
    monkeypatch.setenv("LOA_DATABASE_URL", url)
    assert loa("restored", "--nothing-lost").stdout == "The links continue where they stopped.\n"
    assert not moved(url)
    assert states(url) == {DeliveryState.QUEUED: 3}


def test_postgresql_is_backed_up_by_its_own_means(loa: Loa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_DATABASE_URL", "postgresql://nobody@localhost/none")
    error = loa("backup", "copy").exception
    assert isinstance(error, Invalid)
    assert "base backup" in error.detail


@pytest.mark.prove
@pytest.mark.longer
@pytest.mark.parametrize("copied", [False, True])
def test_a_ledger_that_moves_to_postgresql_is_at_home_there_unless_it_was_put_back(
    loa: Loa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_postgresql_url: str, copied: bool
) -> None:
    if copied:
        loa("backup", str(tmp_path / "copy.sqlite3"))
        monkeypatch.setenv("LOA_DATABASE_URL", f"sqlite:///{tmp_path / 'copy.sqlite3'}")
    assert loa("copy", "--to", new_postgresql_url).exit_code == 0
    assert moved(new_postgresql_url) is copied
