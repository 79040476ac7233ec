"""Uploads that a stop has left: gone on with, kept, or dropped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from app.batches.import_job import BatchImport
from app.batches.importer import folder_of, import_batch, import_spooled, resume_imports
from app.batches.row_parser import LONG_SLICE
from app.core import clock
from app.database import schema
from app.database.connection import Database
from app.database.models import batches
from app.file_import.leased_import import IMPORT
from app.file_import.spool import in_turn, spool_path
from app.file_import.upload import PART
from tests.app.batches.files import MESSY, batch_row, kept, many, put, registered
from tests.app.held import expire, held_by
from tests.app.readers import readers

TWO_DAYS_S = 172_800


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path)


def upload(db: Database, folder: Path, text: str = MESSY) -> tuple[int, Path]:
    """A batch whose file is in its place."""
    path, file = put(folder / "new", text)
    return registered(db, file).id, path.rename(spool_path(folder, "vnpt", file.sha256))


def test_what_a_stop_has_left_is_imported_and_deleted(db: Database, folder: Path) -> None:
    batch_id, path = upload(db, folder)
    assert resume_imports(db, folder) == 1
    assert db.read(batch_row, batch_id)["state"] == "ready"
    assert not path.exists()
    assert resume_imports(db, folder) == 0


def test_what_another_process_imports_is_left_to_it(db: Database, folder: Path) -> None:
    batch_id, path = upload(db, folder)
    BatchImport(db, batch_id).claim()
    assert resume_imports(db, folder) == 0
    import_spooled(db, batch_id, path)
    assert path.exists()
    assert db.read(batch_row, batch_id)["state"] == "importing"


def test_a_file_that_is_no_use_is_deleted_once_its_batch_says_so(db: Database, folder: Path) -> None:
    batch_id, path = upload(db, folder, "Họ tên\nLò A\n")
    assert resume_imports(db, folder) == 1
    assert db.read(batch_row, batch_id)["state"] == "failed"
    assert not path.exists()


def test_files_that_nobody_needs_are_dropped_but_not_an_upload_under_way(db: Database, folder: Path) -> None:
    stray, old, new = (folder / name for name in ("vnpt-00", f"old{PART}", f"new{PART}"))
    for path in (stray, old, new):
        path.write_text("phone\n")
    past = old.stat().st_mtime - TWO_DAYS_S
    for path in (stray, old):
        os.utime(path, (past, past))
    assert resume_imports(db, folder) == 0
    assert [path.name for path in folder.iterdir()] == [new.name]


def test_what_another_database_waits_for_in_the_same_folder_is_left_to_it(
    db: Database, folder: Path, tmp_path: Path
) -> None:
    _, path = upload(db, folder)
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    schema.upgrade(other)
    assert resume_imports(other, folder) == 0
    other.close()
    assert resume_imports(db, folder) == 1
    assert not path.exists()


def test_a_file_that_another_database_has_read_is_there_for_ours(
    db: Database, folder: Path, tmp_path: Path
) -> None:
    """The same list was uploaded to both, and the other one's import is over."""
    batch_id, _ = upload(db, folder)
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    schema.upgrade(other)
    file = put(tmp_path / "again", MESSY)[1]
    registered(other, file)
    other.write(lambda c: c.execute(update(batches).values(state="ready")))
    assert resume_imports(other, folder) == 0
    other.close()
    assert resume_imports(db, folder) == 1
    assert db.read(batch_row, batch_id)["state"] == "ready"


def test_a_batch_whose_file_is_gone_says_so(db: Database, folder: Path) -> None:
    batch_id, path = upload(db, folder)
    path.unlink()
    import_spooled(db, batch_id, path)
    row = db.read(batch_row, batch_id)
    assert (row["state"], row["error"]) == (
        "failed",
        "The uploaded file no longer exists on the server. Upload it again.",
    )


def aged(path: Path, seconds: float) -> None:
    """Let the file have been written so long ago; less than 0: in a time to come."""
    when = clock.now().timestamp() - seconds
    os.utime(path, (when, when))


def past(db: Database, state: str) -> None:
    """Let every batch have come two days ago, and be in that state since."""
    then = {"state": state, "created_at": batches.c.created_at - TWO_DAYS_S * 1000}
    db.write(lambda c: c.execute(update(batches).values(then)))


@pytest.mark.parametrize("state", ["failed", "erased"])
def test_what_was_uploaded_again_before_a_stop_is_imported_however_long_that_takes(
    db: Database, folder: Path, state: str
) -> None:
    batch_id, _ = upload(db, folder)
    past(db, state)
    again, path = upload(db, folder)
    assert (again, db.read(batch_row, again)["state"]) == (batch_id, "importing")
    aged(path, TWO_DAYS_S)
    assert resume_imports(db, folder) == 1
    assert db.read(batch_row, batch_id)["state"] == "ready"


@pytest.mark.parametrize("age_s", [TWO_DAYS_S, 3600, 0, -3600, -TWO_DAYS_S])
@pytest.mark.parametrize("state", ["failed", "erased"])
def test_a_file_of_what_was_erased_brings_no_number_back_and_goes_when_it_is_a_day_old(
    db: Database, folder: Path, state: str, age_s: int
) -> None:
    """However new it looks: whoever uploads it again is told so by the batch."""
    batch_id, path = upload(db, folder)
    past(db, state)
    aged(path, age_s)
    assert resume_imports(db, folder) == 0
    assert db.read(batch_row, batch_id)["state"] == state
    assert db.read(kept, batch_id) == ([], [])
    assert path.exists() == (age_s < TWO_DAYS_S)


def test_a_list_that_came_again_at_another_host_is_not_given_up_for_its_age(
    db: Database, folder: Path
) -> None:
    batch_id, path = upload(db, folder)
    path.unlink()
    past(db, "erased")
    registered(db, put(folder / "new", MESSY)[1])
    assert resume_imports(db, folder) == 0
    assert db.read(batch_row, batch_id)["state"] == "importing"
    expire(db, TWO_DAYS_S * 1000)
    assert resume_imports(db, folder) == 0
    assert "The uploaded file no longer exists on the server" in str(db.read(batch_row, batch_id)["error"])


def test_an_old_file_whose_batch_still_waits_for_it_is_imported(db: Database, folder: Path) -> None:
    batch_id, path = upload(db, folder)
    aged(path, TWO_DAYS_S)
    assert resume_imports(db, folder) == 1
    assert db.read(batch_row, batch_id)["state"] == "ready"


@pytest.mark.parametrize(("state", "then"), [("importing", "failed"), ("erased", "erased")])
def test_what_is_no_file_stays_is_told_and_stops_no_other_import(
    db: Database, folder: Path, state: str, then: str
) -> None:
    batch_id, path = upload(db, folder)
    earlier = batches.c.created_at - TWO_DAYS_S * 1000
    db.write(lambda c: c.execute(update(batches).values(state=state, created_at=earlier)))
    path.unlink()
    path.mkdir()
    (folder / "a link to nothing").symlink_to(folder / "none")
    aged(path, TWO_DAYS_S)
    other, _ = upload(db, folder, "phone\n0912000001\n")
    with capture_logs() as logs:
        assert resume_imports(db, folder) == 1
    assert db.read(batch_row, other)["state"] == "ready"
    assert db.read(batch_row, batch_id)["state"] == then
    assert {each["file"] for each in logs if each["event"] == "a file was left in the uploads folder"} == {
        path.name,
        "a link to nothing",
    }
    assert path.is_dir()


def test_a_batch_without_its_file_is_given_up_after_a_day_as_another_host_may_have_it(
    db: Database, folder: Path
) -> None:
    batch_id, path = upload(db, folder)
    path.unlink()
    assert resume_imports(db, folder) == 0
    assert db.read(batch_row, batch_id)["state"] == "importing"
    earlier = batches.c.created_at - TWO_DAYS_S * 1000
    db.write(lambda c: c.execute(update(batches).values(created_at=earlier)))
    assert resume_imports(db, folder) == 0
    assert "The uploaded file no longer exists on the server" in str(db.read(batch_row, batch_id)["error"])


# What `loa batch import FILE` does, up to its first stored slice.
COMMAND = """
import sys, threading
from pathlib import Path
from app.batches.importer import import_batch
from app.database.connection import Database
from tests.app.batches.files import put, registered
path, file = put(Path(sys.argv[2]), Path(sys.argv[2]).read_text())
db = Database(sys.argv[1])
def stays(counts):
    if counts.lines:
        print(counts.lines, flush=True)
        threading.Event().wait()
import_batch(db, registered(db, file).id, path, stays)
"""


@pytest.mark.longer
def test_a_command_that_was_killed_leaves_a_batch_that_says_so(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(many(LONG_SLICE + 10))
    command = [sys.executable, "-c", COMMAND, database_url, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        process.kill()
    db, folder = Database(database_url), folder_of(tmp_path)
    row = db.read(lambda c: c.execute(select(batches)).one())
    assert (row.state, row.lines > 0) == ("importing", True)
    expire(db)
    assert resume_imports(db, folder) == 0
    assert db.read(batch_row, row.id)["state"] == "importing"  # another host may have the file
    earlier = batches.c.created_at - TWO_DAYS_S * 1000
    db.write(lambda c: c.execute(update(batches).values(created_at=earlier)))
    expire(db, TWO_DAYS_S * 1000)
    assert resume_imports(db, folder) == 0
    failed = db.read(batch_row, row.id)
    assert (failed["state"], failed["lines"], db.read(kept, row.id)) == ("failed", 0, ([], []))
    assert "The uploaded file no longer exists on the server" in str(failed["error"])
    assert import_batch(db, row.id, path).lines == LONG_SLICE + 10  # by whoever gives the command again
    db.close()


@pytest.mark.parametrize("owner", ["elsewhere:4194303:ef", f"{socket.gethostname()[:40]}:4194303:ef", None])
def test_a_batch_whose_file_another_host_may_have_is_not_given_up(
    db: Database, folder: Path, owner: str | None
) -> None:
    batch_id, path = upload(db, folder)
    path.unlink()
    held_by(db, IMPORT, f"batch {batch_id}", owner, lease_ms=-1)
    assert resume_imports(db, folder) == 0
    assert db.read(batch_row, batch_id)["state"] == "importing"


def test_the_folder_is_closed_to_other_accounts(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


async def test_imports_wait_for_their_turn_without_holding_a_thread() -> None:
    at_once, most, done, lock = 0, 0, 0, threading.Lock()
    go = threading.Event()

    def work() -> None:
        nonlocal at_once, most, done
        with lock:
            at_once += 1
            most = max(most, at_once)
        go.wait(20)
        with lock:
            at_once, done = at_once - 1, done + 1

    for _ in range(6):
        in_turn(work)
    await asyncio.sleep(0.1)
    go.set()
    while done < 6:  # noqa: ASYNC110 - of threads; the test's own limit of time ends it
        await asyncio.sleep(0.01)
    assert most == 2


@pytest.mark.longer
def test_a_file_whose_reader_is_always_killed_is_given_up(db: Database, folder: Path) -> None:
    """Killed by the system for want of memory, as it may be each time."""
    batch_id, path = upload(db, folder, MESSY + "0912345678\n" * 200_000)
    stop, killed = threading.Event(), []

    def kill() -> None:
        while not stop.wait(0.01):
            for number in readers():
                os.kill(number, signal.SIGKILL)
                killed.append(number)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        import_spooled(db, batch_id, path)
    finally:
        stop.set()
        killer.join()
    row = db.read(batch_row, batch_id)
    assert (row["state"], row["lines"]) == ("failed", 0)
    assert "The import was started 3 times but never finished, because the" in row["error"]
    assert len(set(killed)) == 3
    assert not path.exists()
