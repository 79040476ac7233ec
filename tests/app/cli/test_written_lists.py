"""A list in a file is whole or not there, and a disk that is full is said with its place and the remedy."""

from __future__ import annotations

import ast
import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.files import replace_lines
from tests.app.cli.test_wrong import folder as folder
from tests.app.cli.test_wrong import refused

COMMANDS = Path(__file__).parents[3] / "app" / "cli"
# Figures of a machine's own run, which nobody waits for.
FIGURES = {"output.py", "files.py"}


def test_lists_that_break_off_leave_what_was_there(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "a\r\n" * 100_000
        raise OSError(28, "No space left on device")

    (tmp_path / "list.csv").write_text("whole")
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{tmp_path / 'list.csv'}'")):
        replace_lines(tmp_path / "list.csv", lines())
    assert [each.name for each in tmp_path.iterdir()] == ["list.csv"]
    assert (tmp_path / "list.csv").read_text() == "whole"


def test_lists_keep_their_line_ends_and_go_to_devices(tmp_path: Path) -> None:
    replace_lines(tmp_path / "list.csv", ["\ufeffsố\r\n", "1\r\n"])
    assert (tmp_path / "list.csv").read_bytes() == "\ufeffsố\r\n1\r\n".encode()
    replace_lines(Path("/dev/null"), ["x\r\n"])
    assert Path("/dev/null").is_char_device()


def test_a_file_keeps_its_mode_and_what_killed_commands_left_is_gone(tmp_path: Path) -> None:
    file, left, under_way = (tmp_path / name for name in ("list.csv", ".loa-1.part", ".loa-2.part"))
    for each in (file, left, under_way):
        each.write_text("0912000001")
    file.chmod(0o640)
    os.utime(left, (0, 0))
    replace_lines(file, ["new"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"list.csv", ".loa-2.part"}
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    replace_lines(link, ["newer"])
    assert link.is_symlink()
    assert file.read_text() == "newer"


@pytest.fixture
def _as_in_a_shell() -> Iterator[None]:
    """What asks a program to end does so here, though these tests may run under nohup."""
    before = {order: signal.signal(order, signal.SIG_DFL) for order in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for order, handler in before.items():
        signal.signal(order, handler)


@pytest.mark.usefixtures("_as_in_a_shell")
def test_a_command_under_nohup_goes_on(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "a"
        os.kill(os.getpid(), signal.SIGHUP)
        yield "b"

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    replace_lines(tmp_path / "list.csv", lines())
    assert (tmp_path / "list.csv").read_text() == "ab"
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.usefixtures("_as_in_a_shell")
@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_no_part(tmp_path: Path, order: signal.Signals) -> None:
    def lines() -> Iterator[str]:
        yield "a" * 10_000
        os.kill(os.getpid(), order)
        yield "b"

    (tmp_path / "list.csv").write_text("whole")
    with pytest.raises(SystemExit) as ended:
        replace_lines(tmp_path / "list.csv", lines())
    assert ended.value.code == 128 + order
    assert signal.getsignal(order) is signal.SIG_DFL
    assert [each.name for each in tmp_path.iterdir()] == ["list.csv"]
    assert (tmp_path / "list.csv").read_text() == "whole"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a" * 255, ""),  # as long as the system takes
        ("a" * 256, "(File name too long); choose a shorter name."),
        ("loop", "(Too many levels of symbolic links); the link points to itself; name a file."),
        ("folder", "(Is a directory); name a file in this folder."),
        ("nowhere/list.csv", "(No such file or directory); name a file or folder that this account can use."),
    ],
)
def test_a_place_that_takes_no_list_is_named_as_it_was_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (folder / "numbers.csv").write_text("phone\n0912000001\n1\n")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "folder").mkdir()
    assert refused(monkeypatch, capsys, "migrate")[0] == 0
    assert refused(monkeypatch, capsys, "batch", "import", "numbers.csv", "--carrier", "vnpt")[0] == 0
    status, words = refused(monkeypatch, capsys, "batch", "bad-lines", "1", "--out", name)
    assert status == (1 if said else 0), words
    assert words.strip() == (f"loa: {name} cannot be read or written {said}" if said else "")
    assert [*folder.glob(".loa-*")] == []


def test_a_full_disk_is_said_with_its_place_and_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "numbers.csv").write_text("phone\n0912000001\n1\n")
    assert refused(monkeypatch, capsys, "migrate")[0] == 0
    assert refused(monkeypatch, capsys, "batch", "import", "numbers.csv", "--carrier", "vnpt")[0] == 0
    status, said = refused(monkeypatch, capsys, "batch", "bad-lines", "1", "--out", "/dev/full")
    assert status == 1
    assert said.strip() == (
        "loa: /dev/full cannot be read or written (No space left on device); free some space on "
        "that disk, or name "
        "a file on another one."
    )


def test_no_command_writes_a_file_bit_by_bit() -> None:
    found = [
        f"{file.name}:{node.lineno}"
        for file in sorted(COMMANDS.glob("*.py"))
        if file.name not in FIGURES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes", "writelines")
    ]
    assert found == []
