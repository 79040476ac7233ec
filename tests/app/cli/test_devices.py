"""A device, which need not have an end, and for a list a pipe are refused before anything is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app, common
from app.core.errors import Invalid


@pytest.mark.parametrize(
    "words",
    [
        "statement add 1 /dev/zero",
        "statement add 1 a.json --manual --scan /dev/zero",
        "addressee import 1 /dev/zero",
        "addressee report 1 A --channel website --pieces 1 --scan /dev/zero",
        "batch import /dev/zero --carrier viettel",
        "do-not-send import /dev/zero --carrier viettel",
        "receipts import /dev/zero --carrier viettel",
        "report signed 1 /dev/zero",
    ],
)
def test_a_device_is_no_file(words: str) -> None:
    refused = CliRunner().invoke(app, words.split())
    assert isinstance(refused.exception, Invalid), refused.output
    assert "/dev/zero is a device" in str(refused.exception)


@pytest.mark.longer
@pytest.mark.parametrize("said", ["write_whole(file, b'x')", "done('Done.')"])
def test_a_reader_that_has_left_stops_no_work(said: str, tmp_path: Path) -> None:
    """As `loa report freeze --folder reports | head -1` leaves once it has its line."""
    left, pipe = os.pipe()
    os.close(left)
    lines = ("from pathlib import Path", "from app.cli.files import write_whole")
    lines += ("from app.cli.output import done", f"file = Path({str(tmp_path / 'a')!r})", said, said)
    lines += (f"Path({str(tmp_path / 'end')!r}).touch()",)
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], stdout=pipe, stderr=subprocess.PIPE, check=False
    )
    os.close(pipe)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (tmp_path / "end").exists()


@pytest.mark.parametrize("command", ["batch", "do-not-send", "receipts"])
@pytest.mark.parametrize("server", [[], ["--server", "http://127.0.0.1:9"]])
def test_a_list_comes_through_no_pipe_as_it_is_read_twice(
    command: str, server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "server", None)  # and again when this test ends
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)  # as the shell's <(...), and /dev/stdin behind another program, are
    words = [*server, command, "import", str(pipe), "--carrier", "viettel"]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, Invalid), refused.output
    assert str(refused.exception) == (
        f"{pipe} is a pipe, but the file must be read twice. Save it to a file first."
    )
