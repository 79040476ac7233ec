"""A damaged page of the SQLite file ends the sending in one sentence, and it does not begin again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from app.cli import app
from app.core.config import Settings
from app.core.errors import Damaged
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, runs
from app.diagnostics.doctor import Symptom, ledger
from tests.app.dispatch.paper import PaperCarrier, loop_for
from tests.app.world import World, build
from tests.engines import sqlite_alone

database_url = sqlite_alone
MALFORMED = r"ledger file is damaged.*stopped sending.*newest backup"


@pytest.fixture
def file(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite:///"))


@pytest.fixture
def world(file: Path, database_url: str) -> Iterator[World]:
    """A run of 500 that is queued, in a file of which the deliveries can't be read any more."""
    with closing(Database(database_url)) as db:
        made = build(db, 500)
        made.fan_out()
    shutil.copy(file, file.with_suffix(".good"))
    overwrite(file, "deliveries")
    with closing(Database(database_url)) as db:
        made.db = db
        yield made


def overwrite(file: Path, table: str) -> None:
    """The first page of a table, in the middle of its life."""
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as disk:
        disk.seek((page - 1) * size)
        disk.write(b"\xa5" * size)


def look(file: Path) -> Symptom:
    return next(each for each in ledger(Settings(data=file.parent)) if each.about == "database")


@pytest.mark.longer
async def test_a_link_that_meets_a_damaged_page_ends_in_a_sentence_and_has_sent_nothing(world: World) -> None:
    carrier = PaperCarrier()
    await carrier.open()
    with pytest.raises(Damaged, match=MALFORMED):
        await loop_for(world, carrier).run()
    assert carrier.copies == {}


@pytest.mark.longer
def test_nothing_is_written_once_damage_was_met_and_what_can_be_read_is(world: World) -> None:
    with pytest.raises(Damaged, match=MALFORMED):
        world.db.read(lambda c: c.execute(select(func.sum(deliveries.c.parts))).scalar_one())
    with pytest.raises(Damaged, match=MALFORMED):
        world.db.write(lambda c: c.execute(runs.update().values(priority=1)))
    assert world.db.read(lambda c: c.execute(select(campaigns.c.name)).scalar_one()) == "Tet"


@pytest.mark.longer
def test_a_start_after_it_is_refused_until_a_sound_file_is_in_its_place(
    world: World, file: Path, database_url: str
) -> None:
    with pytest.raises(Damaged):
        world.claim()
    world.db.close()
    with closing(Database(database_url)) as again, pytest.raises(Damaged, match=MALFORMED):
        again.soundness.look(again.read)
    for rest in ("-wal", "-shm"):
        file.with_name(file.name + rest).unlink(missing_ok=True)
    shutil.copy(file.with_suffix(".good"), file)
    with closing(Database(database_url)) as good:
        good.soundness.look(good.read)
        world.db = good
        assert world.states() == {int(DeliveryState.QUEUED): 500}
        assert world.claim()
        overwrite(file, "deliveries")
        good.soundness.look(good.read)  # the mark is gone: no start reads the whole file for nothing


@pytest.mark.longer
def test_the_doctor_reads_every_page(world: World, file: Path) -> None:
    world.db.close()
    found = look(file)
    assert not found.good
    assert "file is damaged" in found.what
    assert "database restored" in found.what
    shutil.copy(file.with_suffix(".good"), file)
    assert look(file) == Symptom(
        "database", True, "SQLite is available, and every page of its file is readable."
    )


def test_a_file_that_is_no_ledger_at_all_is_refused_in_words(file: Path, database_url: str) -> None:
    for rest in ("-wal", "-shm"):
        file.with_name(file.name + rest).unlink(missing_ok=True)
    file.write_bytes(b"no database, whatever its name says" * 1000)
    with closing(Database(database_url)) as db, pytest.raises(Damaged, match="not a database"):
        db.read(lambda c: c.execute(text("SELECT 1 FROM runs")))


@pytest.mark.longer
def test_a_command_says_it_in_one_sentence(world: World, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.db.close()
    monkeypatch.setenv("LOA_DATA", str(file.parent))
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 1
    assert isinstance(result.exception, Damaged)
