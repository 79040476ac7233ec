"""Commands start quickly: each imports what it needs itself, and nothing for the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app import cli

_HEAVY = ("alembic", "docx", "fastapi", "httpx", "openpyxl", "reportlab", "xlsxwriter")


def test_every_noun_and_verb_is_found_and_says_what_it_is() -> None:
    commands = typer.main.get_command(cli.app).commands
    assert {name: bool(command.help) for name, command in commands.items()} == dict.fromkeys(commands, True)
    assert len(commands) == len(list(commands)) > 20
    with pytest.raises(KeyError):
        commands["common"]


def test_every_file_that_has_commands_is_one_of_them() -> None:
    having = {
        file.stem.replace("_", "-")
        for file in Path(cli.__file__).parent.glob("*.py")
        if "typer.Typer(" in file.read_text("utf-8")
    }
    assert having - {"--init--", "lazy"} <= set(typer.main.get_command(cli.app).commands)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app.cli", _HEAVY),
        ("app.cli.simulate", ("alembic", "docx", "openpyxl", "reportlab", "sqlalchemy")),
        ("app.cli.verify", ("alembic", "docx", "fastapi", "httpx", "openpyxl", "reportlab", "xlsxwriter")),
        ("app.cli.serve", ("alembic", "app.main", "docx", "fastapi", "openpyxl", "reportlab", "xlsxwriter")),
    ],
)
def test_a_command_does_not_wait_for_what_it_has_no_use_for(module: str, absent: tuple[str, ...]) -> None:
    look = f"import sys, {module}; print(*[each for each in {absent!r} if each in sys.modules])"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert said.split() == []
