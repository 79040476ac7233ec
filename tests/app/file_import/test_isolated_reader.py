"""The process that reads a file may end at any moment, also before it has heard what to read."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.file_import.isolated_reader import ReaderEnded, read_isolated
from tests.app.readers import readers
from tests.exact import exactly

LARGER_THAN_A_PIPE = b"x" * 4_000_000


def nothing(_: bytes) -> Iterator[int]:
    return iter(())


def test_a_reader_that_is_killed_before_it_is_asked_puts_the_import_off(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"0912345678\n" * 200_000)

    def kill() -> None:
        while not (found := readers()):
            time.sleep(0.001)
        os.kill(found[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        ReaderEnded,
        match=exactly("The process that reads the file was ended (signal 9). The import was postponed."),
    ):
        list(read_isolated(path, partial(nothing, LARGER_THAN_A_PIPE)))
    killer.join()
