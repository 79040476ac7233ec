"""Uploads on disk until they are imported, so that imports can continue after a restart."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Row

from app.core import clock
from app.core.errors import AppError, Conflict, DatabaseUnavailable, Invalid
from app.core.logger import get_logger
from app.core.states import BatchState
from app.file_import.isolated_reader import ReaderEnded
from app.file_import.leased_import import MOST_TRIES, came_at, is_waiting

_UNKNOWN_S = 86_400
# Parallel imports per process; each may use a CPU and some hundred megabytes.
_AT_ONCE = 2
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_at_work: set[asyncio.Task[None]] = set()

log = get_logger(__name__)


def folder_of(data: Path, name: str) -> Path:
    """Return the folder for uploads of one kind, created if missing and closed to other accounts."""
    folder = data / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def spool_path(folder: Path, carrier: str, sha256: str) -> Path:
    return folder / f"{carrier}-{sha256}"


def finish(path: Path, row_id: int, work: Callable[[], Mapping[str, Any]]) -> None:
    """Import by `work`, which returns what to log; log errors; delete the file unless it is needed again."""
    try:
        log.info("import finished", id=row_id, **_with_retries(work, row_id))
    except (DatabaseUnavailable, Conflict) as error:
        log.warning("import put off", id=row_id, reason=error.detail)
        return
    except AppError as error:
        log.warning("import failed", id=row_id, reason=error.detail)
    if not path.is_dir():
        path.unlink(missing_ok=True)


def in_turn(work: Callable[[], object]) -> None:
    """Run work in a thread when a slot is free; while waiting it holds no thread."""
    loop = asyncio.get_running_loop()
    turn = _turns.setdefault(loop, asyncio.Semaphore(_AT_ONCE))

    async def wait() -> None:
        async with turn:
            await asyncio.to_thread(work)

    task = loop.create_task(wait())
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)


def _with_retries(work: Callable[[], Mapping[str, Any]], row_id: int) -> Mapping[str, Any]:
    """Retry if the reading process was killed; the row counts tries and finally fails."""
    for _ in range(MOST_TRIES):
        try:
            return work()
        except ReaderEnded as error:
            log.warning("import retried", id=row_id, reason=error.detail)
    return work()


def leftovers(folder: Path, find: Callable[[str, str], Row[Any] | None]) -> Iterator[tuple[int, Path]]:
    """Yield id and path of imports that a stop or crash left unfinished; delete files nobody needs.

    What is not to be imported here stays for a day: another process may be receiving it, or another database
    have its files in the same folder. Whatever is failed or erased takes no file back that was left behind:
    an upload makes it importing first. find: returns the row of a carrier's file with that SHA-256.
    """
    for path in sorted(folder.glob("*")):
        age_s = _age_s(path)
        if age_s is None:
            continue
        carrier, _, sha256 = path.name.rpartition("-")
        row = find(carrier, sha256)
        if row is not None and row.state == BatchState.IMPORTING:
            if is_waiting(row):
                yield row.id, path
        elif age_s > _UNKNOWN_S:
            path.unlink(missing_ok=True)


def _age_s(path: Path) -> float | None:
    """Return how long ago the file was written; None if it is gone, or is no file, which the log says."""
    try:
        found = path.stat()
    except OSError:
        found = None
    if found is not None and stat.S_ISREG(found.st_mode):
        return clock.now().timestamp() - found.st_mtime
    if found is not None or path.is_symlink():
        log.warning("a file was left in the uploads folder", file=path.name, reason="It is not a file.")
    return None


def gone(folder: Path, rows: Iterable[Row[Any]]) -> Iterator[tuple[int, Path]]:
    """Yield id and path of imports whose file is not here and will not come.

    That is so after a day: until then another host may have the file.
    """
    before = clock.now_ms() - _UNKNOWN_S * 1000
    for row in rows:
        path = spool_path(folder, row.carrier, row.sha256)
        given_up = came_at(row) < before
        if is_waiting(row) and given_up and not path.is_file():
            yield row.id, path


def require_file(path: Path) -> None:
    """Raise Invalid where an upload is not in its folder any more."""
    if not path.is_file():
        raise Invalid("The uploaded file no longer exists on the server. Upload it again.")
