"""A command that takes long says so on a terminal, and leaves nothing there; a pipe has its result alone."""

from __future__ import annotations

import os
import pty

import pytest

from app.cli import output


def said(monkeypatch: pytest.MonkeyPatch, terminal: bool, words: str = "Recounting every row") -> str:
    """What a terminal, or a pipe, gets of a work that outlasts everybody's patience."""
    monkeypatch.setattr(output, "_PATIENCE_S", 0.01)
    try:
        reader, writer = pty.openpty() if terminal else os.pipe()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal can be had here: {error}")
    with os.fdopen(reader, "rb", buffering=0) as source, os.fdopen(writer, "w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        with output.elapsed(words):
            found = source.read(1000) if terminal and words else b""
        stderr.write("end")
        stderr.flush()
        while not found.endswith(b"end"):
            found += source.read(1000)
    return found.decode()


def test_a_terminal_is_told_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(monkeypatch, terminal=True).split("\r")
    assert lines[1].startswith("Recounting every row: 0 s")
    assert lines[-1] == "\033[Kend"


def test_a_pipe_and_a_command_that_is_quick_by_nature_are_told_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert said(monkeypatch, terminal=False) == "end"
    assert said(monkeypatch, terminal=True, words="") == "end"
