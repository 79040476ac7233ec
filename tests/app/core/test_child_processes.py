"""Processes that read hostile papers know no secret of ours and dump no memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.reports.frozen import signature_check
from tests.app.readers import readers, secrets_of

SECRETS = ("LOA_SECRET_KEY", "LOA_LINKS__VIETTEL-1__PASSWORD", "PGPASSWORD", "SMTP_PASSWORD")


def checked(folder: Path) -> object:
    (folder / "a.pdf").write_bytes(b"%PDF-1.7\n" + b"<<" * 50_000)
    return signature_check.check(folder / "a.pdf", None, {})


@pytest.mark.longer
@pytest.mark.parametrize(
    ("work", "module"),
    [(checked, "app.reports.frozen.signature_check")],
)
def test_who_reads_hostile_bytes_is_given_no_secret_and_leaves_no_memory_dump(
    work: Callable[[Path], Any], module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "hunter2")
    thread = threading.Thread(target=work, args=(tmp_path,))
    thread.start()
    given, dumps = None, []
    while thread.is_alive():
        for each in readers(module):
            with suppress(OSError):  # it has just ended, or has not begun
                given = secrets_of(each)
                lines = Path(f"/proc/{each}/limits").read_text().splitlines()
                dumps += [line.split()[4] for line in lines if line.startswith("Max core file size")]
        time.sleep(0.01)
    thread.join()
    assert given == []
    assert dumps[-1] == "0"
