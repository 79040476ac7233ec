"""What the demo prints can be typed and read: its commands, its paths, one message and several."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.devtools.demo import demo_output
from app.devtools.demo.progress_board import ProgressBoard


def ending(folder: Path) -> str:
    said = io.StringIO()
    board = ProgressBoard(Console(file=said))
    demo_output.tell_end(board, {"verified": False}, folder, folder.with_suffix(".json"))
    return said.getvalue()


@pytest.mark.parametrize("on_path", [False, True])
def test_the_last_line_is_a_command_that_this_shell_can_carry_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool
) -> None:
    folder, program = tmp_path / "the demo", tmp_path / "bin" / "loa"
    folder.mkdir()
    (folder / "loa.sqlite3").touch()
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", str(program.parent if on_path else tmp_path))
    command = shlex.split(ending(folder).splitlines()[-1].removeprefix("Look around: "))
    assert command == [f"LOA_DATA={folder}", "loa" if on_path else str(program), "campaign", "show", "1"]


def test_the_log_is_named_by_its_path(tmp_path: Path) -> None:
    assert f"Log: {tmp_path / 'loa.log'}" in ending(tmp_path)


def test_one_message_is_one_message() -> None:
    assert [demo_output.messages(n) for n in (0, 1, 2000)] == ["0 messages", "1 message", "2,000 messages"]
