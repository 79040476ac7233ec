"""The processes apart that read files: which there are, and work for them.

They import this module, so it imports little: pytest alone costs each of them a quarter of a second.
Which there are is found without a tool that a bare Debian has not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from app.core.errors import Invalid


def readers(module: str = "app.file_import.isolated_reader") -> list[int]:
    """The ids of those that are alive."""
    return [number for number in _children() if module.encode() in _command(number)]


def _children() -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                parent = (each / "stat").read_bytes().rpartition(b") ")[2].split()[1]
                if int(parent) == os.getpid():
                    found.append(int(each.name))
    return found


def _command(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


# ---- work in the process apart ----------------------------------------------------------------------------


def watched(path: Path) -> Iterator[tuple[str, float]]:
    """What reading a batch ends with, and the most memory in MB that it took."""
    from app.batches.row_parser import parsed_rows

    try:
        for _ in parsed_rows(path, 1, "vnpt", 10_000):
            pass
        said = ""
    except Invalid as error:
        said = str(error.detail)  # only plain values cross the pipe
    except MemoryError:
        said = "Too much memory."
    status = Path("/proc/self/status").read_text()
    yield said, int(status.partition("VmHWM:")[2].split()[0]) / 1024


def fills_memory() -> Iterator[int]:
    yield 1
    yield len(bytearray(2 * 1024**3))


def fills_memory_bit_by_bit() -> Iterator[int]:
    yield 1
    held = []
    while True:
        held.append([None])


def ends_itself(how: signal.Signals) -> Iterator[int]:
    yield 1
    signal.raise_signal(how)


def is_wrong() -> Iterator[int]:
    yield 1
    raise KeyError("a mistake")


def secrets_of(process: int | str) -> list[str]:
    """Which variables that may hold a password a process was given when it was started."""
    said = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    names = (each.partition("=")[0] for each in said)
    return [name for name in names if name.startswith(("LOA_", "PG")) or "PASSWORD" in name]


def our_secrets() -> Iterator[list[str]]:
    yield secrets_of("self")


class Planted:
    """What somebody who has taken over the process apart would have us make."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (os.environ["PLANTED"],))


def is_taken_over(what: str) -> Iterator[Any]:
    yield 1
    yield {"function": Planted(), "imported": Path, "own": partial, "ours": watched}[what]
