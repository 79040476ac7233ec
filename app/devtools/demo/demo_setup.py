"""Prepares the demo: its own settings, an empty database, imported files, an approved campaign."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from sqlalchemy import Connection, inspect, select

from app.batches.import_job import ImportCounts
from app.batches.importer import Progress, import_batch, register
from app.campaigns import approval, directives, lifecycle
from app.campaigns.directives import DirectiveFields
from app.campaigns.drafts import Draft
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.config import LinkSettings, Settings
from app.core.errors import SetupError
from app.database import schema
from app.database.connection import Database, connect_patiently
from app.database.models import metadata
from app.dispatch import link_store
from app.file_import.upload import UploadedFile
from app.runtime.worker import build, facts
from app.security import Caller

# The demo's folder

MARKER = "made-by-loa-demo.txt"
_WORDS = "Everything in this folder was created by `loa demo`; the next demo here deletes it.\n"
_BULKY = ("sample", "loa.sqlite3", "loa.sqlite3-wal", "loa.sqlite3-shm", "loa.lock")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Create or empty the folder and lock it; raises SetupError unless it is a demo's."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise SetupError(
            "{folder} contains files that are not from a demo, so the demo does not empty it. Name "
            "a new folder with --folder, or move those files away.",
            folder=folder,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            "Cannot create {folder} ({strerror}). Name another folder with --folder.",
            folder=folder,
            strerror=error.strerror,
        ) from None
    with (folder / MARKER).open("a", encoding="utf-8") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SetupError(
                "Another demo is running in {folder}. Wait until it ends, or name another folder "
                "with --folder.",
                folder=folder,
            ) from None
        _empty(folder)
        marker.truncate(0)
        marker.write(_WORDS)
        marker.flush()
        yield


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != MARKER:
            _remove(path)


def tidy(folder: Path) -> None:
    """Delete what grows with the number of subscribers: sample files and SQLite ledger."""
    for name in _BULKY:
        _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_AUTHOR, _APPROVER = "demo author", "demo approver"
_TEXT = "tin-nhan-gia-ten"
_SENDER = "CONG AN"
_WHOLE_DAY = DayHours("00:00", "24:00")  # the demo runs at night as well
_PATIENCE_S = 10.0


class DemoSettings(Settings):
    """Settings that ignore loa.toml and the environment: a real link must never get demo numbers."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """An approved campaign, and its runs by carrier."""

    campaign_id: int
    runs: dict[str, int]


def settings_for(folder: Path, links: dict[str, LinkSettings]) -> Settings:
    """Use SQLite in the folder, or the server of LOA_DATABASE_URL."""
    return DemoSettings(data=folder, database_url=os.environ.get("LOA_DATABASE_URL") or None, links=links)


@contextmanager
def fresh_db(settings: Settings) -> Iterator[Database]:
    """Open the settings' database, migrated; raises SetupError if it holds anything."""
    db = Database(settings.url)
    try:
        connect_patiently(db, _PATIENCE_S)
        if table := db.read(_filled_table):
            raise SetupError(
                "The database in LOA_DATABASE_URL already contains data (in {table}), but the demo "
                "needs an empty one. Create a new database and name it, or unset LOA_DATABASE_URL.",
                table=table,
            )
        schema.upgrade(db)
        yield db
    finally:
        db.close()


def _filled_table(connection: Connection) -> str | None:
    there = set(inspect(connection).get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there and connection.execute(select(1).select_from(table).limit(1)).first():
            return table.name
    return None


def import_file(db: Database, carrier: str, path: Path, progress: Progress) -> tuple[int, ImportCounts]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known = db.write(register, carrier, UploadedFile(path.name, digest, path.stat().st_size), _AUTHOR)
    return known.id, import_batch(db, known.id, path, progress)


def register_links(db: Database, settings: Settings) -> None:
    """Register the links' rates, which the forecast needs before a worker opens them."""
    for name, link in settings.links.items():
        db.write(link_store.register, facts(name, link, build(name, link)))


def approved_campaign(db: Database, batches: Mapping[str, int]) -> DemoPlan:
    """Create directive, campaign and a run per carrier, approved by another person than the author."""
    directive = db.write(directives.create, _letter(), _AUTHOR)
    draft = Draft(
        name="Cảnh báo tin nhắn giả tên cơ quan",
        purpose="canh_bao_khan",
        sender=_SENDER,
        text_key=_TEXT,
        directive_id=directive,
    )
    campaign = db.write(lifecycle.create, draft, _WHOLE_DAY, _AUTHOR)
    runs = {  # of a few lines one is bad, which is known: the sample has bad lines
        carrier: db.write(lifecycle.add_run, campaign, carrier, [batch], _AUTHOR, confirmed=[batch])
        for carrier, batch in batches.items()
    }
    db.write(lifecycle.submit, campaign, _AUTHOR)
    why = "Chạy thử, vào bất cứ giờ nào."
    db.write(approval.approve, campaign, Caller(_APPROVER, "approver"), reason=why)
    return DemoPlan(campaign, runs)


def _letter() -> DirectiveFields:
    """Like the letter of January 2024, but dated today, so that its deadline is ahead."""
    today = clock.local(clock.now())
    return DirectiveFields(
        number="303/CAT-PA05",
        issued_on=today.date(),
        issuer="Công an tỉnh",
        subject="V/v nhắn tin tuyên truyền, cảnh báo lừa đảo chiếm đoạt tài sản trên không gian mạng",
        report_deadline=today + timedelta(days=26),
        addressees=("Viettel", "VNPT", "MobiFone"),
    )
