"""Two persons of one host share a SQLite ledger by a group, and nobody else may open it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import pytest
from sqlalchemy import insert, select

from app.core.errors import SetupError
from app.database import schema
from app.database.connection import Database
from app.database.models import do_not_send
from tests.engines import sqlite_alone

database_url = sqlite_alone

LAN, MAI, EVE, OFFICE = 64_001, 64_002, 64_003, 64_000  # accounts and a group that need not exist

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two other accounts")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a ledger of Lan's, shared as docs/access.md says; others may come as far as it."""
    outer = Path(tempfile.mkdtemp())
    outer.chmod(0o755)
    data = outer / "data"
    db = Database(url(data))
    schema.upgrade(db)
    db.close()
    for each in (data, *data.iterdir()):
        each.chmod(0o700 if each is data else 0o600)
        os.chown(each, LAN, OFFICE)
    data.chmod(0o2770)
    yield data
    rmtree(outer)


def url(data: Path) -> str:
    return f"sqlite:///{data / 'loa.sqlite3'}"


def as_account(uid: int, gid: int, act: Callable[[], None]) -> int:
    """Run it as this account with a command's umask, in a process of its own; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 9
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            os.umask(0o077)
            act()
            status = 0
        except SetupError as error:
            status = 1 if "docs/access.md" in error.detail else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def noting(data: Path, phone: int) -> Callable[[], None]:
    """Write one row, and read all."""

    def act() -> None:
        db = Database(url(data))
        row = {"carrier": "vnpt", "phone": phone, "added_at": 0, "added_by": "x"}
        db.write(lambda c: c.execute(insert(do_not_send).values(row)))
        assert phone in db.read(lambda c: c.execute(select(do_not_send.c.phone)).scalars().all())
        db.close()

    return act


@pytest.mark.prove
@pytest.mark.longer
def test_both_work_with_it_in_turns_and_a_third_may_not_open_it(folder: Path) -> None:
    turns = [
        as_account(who, OFFICE, noting(folder, 84_912_000_000 + n)) for n, who in enumerate((LAN, MAI, LAN))
    ]
    assert turns == [0, 0, 0]
    assert as_account(EVE, EVE, noting(folder, 84_912_000_001)) == 1
    assert {each.stat().st_mode & 0o777 for each in folder.glob("loa.*")} == {0o660}


@pytest.mark.longer
def test_a_folder_that_is_not_shared_stays_its_owner_s(folder: Path) -> None:
    folder.chmod(0o700)
    assert as_account(LAN, OFFICE, noting(folder, 84_912_000_002)) == 0
    assert as_account(MAI, OFFICE, noting(folder, 84_912_000_003)) == 1
    assert {each.stat().st_mode & 0o077 for each in folder.glob("loa.*")} == {0}
