"""Files that commands read and write: no device, no half of a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from app.api.bodies import Line, checked
from app.cli.output import tell
from app.core import clock
from app.core.errors import Invalid
from app.file_import.upload import UploadedFile, shown_name

_LEFT_MS = 3_600_000  # since the last byte: nothing is still being written there
_PART = ".loa-"  # and the process: short, so that a name may have every letter that the system allows


def as_file(path: Path, name: str | None) -> UploadedFile:
    """Describe the file like an upload; raises Invalid if unreadable. `name`: its display name."""
    own = shown_name(path.name) if name is None else checked(Line, "name", name)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Invalid(
            "Cannot read {path} ({strerror}).", path=path, strerror=error.strerror, field="file"
        ) from None
    return UploadedFile(own, digest, path.stat().st_size)


def readable(path: Path | None) -> Path | None:
    """Return the file of an argument; raises Invalid for a device, which need not have an end."""
    if path is not None and (path.is_char_device() or path.is_block_device()):
        raise Invalid("{path} is a device. Name a file.", path=path, field="file")
    return path


def table_of(path: Path) -> str:
    """Return the text of a CSV file; raises Invalid if it is not UTF-8."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("{file} is not UTF-8. Save it as “CSV UTF-8”.", file=path.name) from None


def read_twice(path: Path) -> Path:
    """Return the file of an argument; raises Invalid for a pipe: its hash and its rows are read apart."""
    if path.is_fifo() or path.is_socket():
        raise Invalid(
            "{path} is a pipe, but the file must be read twice. Save it to a file first.",
            path=path,
            field="file",
        )
    readable(path)
    return path


def usable(folder: Path | None) -> Path | None:
    """Return the folder of an option, ~ read as home; raises OSError if no file can be written there.

    Called before the work whose files go there is stored. Leaves nothing: a folder is made for files alone.
    """
    if folder is not None:
        folder = folder.expanduser()
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".loa-{os.getpid()}"
            probe.touch()
            probe.unlink()
        finally:
            for each in made:
                with contextlib.suppress(OSError):  # one that could not be made
                    each.rmdir()
    return folder


def write_whole(file: Path, content: bytes) -> None:
    """Write the file, or nothing: under its own name no part of it is ever seen. Tells the name and size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(file, content)
    tell(f"Wrote {file} ({len(content)} bytes).")


def replace_whole(file: Path, content: bytes) -> None:
    """Write the file, or leave the one that is there; a device or pipe such as /dev/stdout is written to."""
    with _replacing(file) as target:
        target.write(content)


def replace_lines(file: Path, lines: Iterable[str]) -> None:
    """Write the file line by line as `replace_whole` does; lines have their ends."""
    with _replacing(file) as target:
        target.writelines(line.encode() for line in lines)


@contextmanager
def _replacing(file: Path) -> Iterator[BinaryIO]:
    """Open what takes the file's name, mode and owner once all is written; an OSError tells that name."""
    try:
        if file.exists() and not file.is_file():
            with file.open("wb") as special:
                yield special
        else:
            with _part_of(_resolved(file)) as part:
                yield part
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def _resolved(file: Path) -> Path:
    """Return where the file is, or will be; raises OSError for a link that leads to itself."""
    with contextlib.suppress(FileNotFoundError):
        os.stat(file)  # Path.resolve() answers such a link differently from one Python to the next
    return file.resolve()


@contextmanager
def _part_of(target: Path) -> Iterator[BinaryIO]:
    """Open a file beside the target, which replaces it at the end, or is gone."""
    _forget_dead(target.parent)
    part = target.with_name(f"{_PART}{os.getpid()}.part")
    try:
        with _ending_in_order(), part.open("wb") as opened:
            yield opened
            opened.flush()
            if target.exists():
                shutil.copymode(target, part)
                with contextlib.suppress(PermissionError):  # only root gives files away
                    os.chown(part, target.stat().st_uid, target.stat().st_gid)
            part.replace(target)
    finally:
        with contextlib.suppress(OSError):  # replaced, or never made
            part.unlink()


def _forget_dead(folder: Path) -> None:
    """Remove what killed commands have left there for an hour: it may hold numbers."""
    for part in folder.glob(f"{_PART}*.part"):
        with contextlib.suppress(OSError):
            if clock.now_ms() - part.stat().st_mtime * 1000 > _LEFT_MS:
                part.unlink()


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let an order to end, and the end of the terminal, leave the block like any error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    for each, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(each, _end)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
