"""What a program needs of the command line: answers and errors as JSON, the version, help by -h."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from app import cli
from app.cli import common, output
from tests.app.cli.test_wrong import folder

__all__ = ["folder"]

# Those that answer with files, stay, or talk in turns with a person.
WITHOUT = {
    *("up", "serve", "worker", "try"),
    *("audit export", "batch bad-lines", "database restored", "user totp"),
}


def commands() -> dict[str, Any]:
    """Every command by what is typed."""
    found = {}
    for noun, command in typer.main.get_command(cli.app).commands.items():
        verbs = getattr(command, "commands", None)
        found |= {f"{noun} {verb}": each for verb, each in verbs.items()} if verbs else {noun: command}
    return found


def ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    """Run `loa WORDS`: exit status, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["loa", *words])
    monkeypatch.setattr(common, "server", None)
    monkeypatch.setattr(output, "_json", False)  # a process runs one command
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


@pytest.mark.longer
def test_every_command_that_makes_or_changes_something_answers_with_json_if_asked() -> None:
    found = commands()
    without = {name for name, each in found.items() if not any("--json" in one.opts for one in each.params)}
    assert {name for name in without if name.split()[0] not in ("report", "simulate")} == WITHOUT
    assert len(found) > 80


@pytest.mark.prove
@pytest.mark.longer
def test_what_is_made_is_told_as_facts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "vnpt.csv").write_text("phone\n0912345678\n")
    steps = [
        (("key", "add", "lan", "--role", "auditor"), {"name": "lan", "role": "auditor"}),
        (("batch", "import", "vnpt.csv", "--carrier", "vnpt"), {"id": 1, "accepted": 1}),
        (("campaign", "create", "Tet", "--sender", "CA SON LA", "--text", "Canh giac."), {"id": 1}),
        (("campaign", "add-run", "1", "--carrier", "vnpt", "--batch", "1"), {"id": 1, "campaign": 1}),
        (("campaign", "submit", "1"), {"campaign": 1, "state": "submitted"}),
        (("run", "priority", "1", "5"), {"run": 1, "priority": 5}),
        (("run", "cancel", "1"), {"run": 1, "state": "cancelling"}),
        (("key", "revoke", "lan"), {"name": "lan", "revoked": True}),
    ]
    for words, facts in steps:
        status, out, err = ran(monkeypatch, capsys, *words, "--json")
        assert status == 0, err
        assert facts.items() <= json.loads(out).items()


@pytest.mark.parametrize(
    ("words", "status", "detail"),
    [
        (("run", "list"), 1, "There is no ledger in the folder data"),
        (("run", "show", "x"), 2, "Use only the digits 0 to 9"),
        (("campaign", "approve", "1"), 2, "Missing option '--digest'"),
        (("rum", "list"), 2, "Did you mean 'run'?"),
        (("key", "add", "lan", "--role", "operator", "--carrier", "viettle"), 1, "Did you mean viettel?"),
    ],
)
def test_an_error_is_json_as_well_with_the_same_status(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    status: int,
    detail: str,
) -> None:
    found, out, err = ran(monkeypatch, capsys, *words, "--json")
    problem = json.loads(err)
    assert (found, out, detail in problem["detail"]) == (status, "", True)
    assert set(problem) == {"type", "title", "detail", "errors"}
    assert list(folder.iterdir()) == []


@pytest.mark.longer
def test_it_says_its_version_and_helps_by_a_letter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, capsys, "--version")[:2] == (0, "Loa 0.2.0\n")
    for words in ((), ("run",), ("run", "start"), ("migrate",)):
        status, out, _ = ran(monkeypatch, capsys, *words, "-h")
        assert (status, "Usage: loa" in out) == (0, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    monkeypatch.setenv("_LOA_COMPLETE", f"source_{shell}")
    status, out, _ = ran(monkeypatch, capsys)
    assert (status, "_LOA_COMPLETE" in out) == (0, True)
