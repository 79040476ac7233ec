"""Commands start quickly: each imports what it needs itself, and nothing for the others."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app import cli
from app.cli import serve_command
from app.cli.command_list import _help
from app.core.config import Settings
from app.core.errors import SetupError
from app.database.connection import Database
from tests.operations import OPERATIONS
from tests.ports import refusing

ROOT = Path(__file__).parents[4]
_HEAVY = ("alembic", "docx", "fastapi", "httpx", "openpyxl", "typst", "xlsxwriter")
# Reports as files: nothing can be done with them without their forms.
_OF_PAPERS = {"app.reports.operations", "app.reports.archive_operations"}
_PAPERS = ("PIL", "app.reports.papers", "app.reports.export", "app.web", "cryptography")


def test_every_noun_and_verb_is_found_and_says_what_it_is() -> None:
    commands = typer.main.get_command(cli.app).commands
    assert {name: bool(command.help) for name, command in commands.items()} == dict.fromkeys(commands, True)
    assert len(commands) == len(list(commands)) > 20
    with pytest.raises(KeyError):
        commands["common"]


def test_the_list_of_commands_says_of_each_what_the_command_says_itself() -> None:
    for name, command in typer.main.get_command(cli.app).commands.items():
        assert _help(name) == inspect.cleandoc(command.help).splitlines()[0], name


def test_every_file_that_has_commands_is_one_of_them() -> None:
    having = {
        file.stem.removesuffix("_commands").removesuffix("_command").replace("_", "-")
        for file in Path(cli.__file__).parent.glob("*.py")
        if "typer.Typer(" in file.read_text("utf-8")
    }
    assert having - {"--init--", "command-list"} <= set(typer.main.get_command(cli.app).commands)
    assert len(having) > 15


def _loaded(*arguments: str, cwd: Path) -> set[str]:
    """What a process of its own has imported when `loa ARGUMENTS` is done."""
    look = (
        "import atexit, sys; from app import cli; sys.argv[0] = 'loa'\n"
        "atexit.register(lambda: print(*sys.modules)); cli.main()"
    )
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOA_DATA": str(cwd)}
    done = subprocess.run(
        [sys.executable, "-c", look, *arguments], capture_output=True, text=True, check=True, cwd=cwd, env=own
    )
    return set(done.stdout.splitlines()[-1].split())


_ASKING = (*_HEAVY, *_PAPERS, "psycopg", "rich", "sqlalchemy.dialects.postgresql", "starlette", "structlog")


@pytest.mark.parametrize(
    ("command", "absent", "modules"),
    [
        ("--help", (*_HEAVY, *_PAPERS, "psycopg", "pydantic", "sqlalchemy", "structlog"), 350),
        ("run list", _ASKING, 600),
        pytest.param("campaign list", _ASKING, 600, marks=pytest.mark.prove),
        pytest.param("directive list", _ASKING, 600, marks=pytest.mark.prove),
        pytest.param("batch list", _ASKING, 600, marks=pytest.mark.prove),
        pytest.param("link list", _ASKING, 600, marks=pytest.mark.prove),
        pytest.param("do-not-send list --carrier viettel", _ASKING, 600, marks=pytest.mark.prove),
        ("audit verify", _ASKING, 600),
        pytest.param("receipts list", _ASKING, 600, marks=pytest.mark.prove),
    ],
)
def test_a_command_that_asks_the_database_imports_no_more_than_that_needs(
    command: str, absent: tuple[str, ...], modules: int, sqlite_url: str, tmp_path: Path
) -> None:
    loaded = _loaded(*command.split(), cwd=tmp_path)
    assert loaded & set(absent) == set()
    assert len(loaded) < modules


def test_operations_are_declared_without_what_only_a_server_or_a_paper_needs() -> None:
    modules = ", ".join(sorted({each.function.__module__ for each in OPERATIONS.values()} - _OF_PAPERS))
    absent = (*_HEAVY, *_PAPERS, "psycopg", "starlette")
    _imports_none(modules, absent)
    _imports_none(", ".join(sorted(_OF_PAPERS)), (*_HEAVY, "psycopg", "starlette"))


def _imports_none(modules: str, absent: tuple[str, ...]) -> None:
    look = f"import sys, {modules}; print(*[each for each in {absent!r} if each in sys.modules])"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert said.split() == []


@pytest.mark.prove
@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app.cli", _HEAVY),
        ("app.cli.simulate_commands", ("alembic", "docx", "openpyxl", "typst", "sqlalchemy")),
        (
            "app.cli.verify_command",
            ("alembic", "docx", "fastapi", "httpx", "openpyxl", "typst", "xlsxwriter"),
        ),
        (
            "app.runtime.api_app",
            (
                "PIL",
                "aiohttp",
                "docx",
                "lxml",
                "openpyxl",
                "pyhanko",
                "pyhanko_certvalidator",
                "segno",
                "typst",
            ),
        ),
        ("app.cli.report_commands", ("aiohttp", "docx", "pyhanko", "pyhanko_certvalidator", "typst")),
        (
            "app.cli.serve_command",
            ("alembic", "app.runtime.api_app", "docx", "fastapi", "openpyxl", "typst", "xlsxwriter"),
        ),
    ],
)
def test_a_command_does_not_wait_for_what_it_has_no_use_for(module: str, absent: tuple[str, ...]) -> None:
    look = f"import sys, {module}; print(*[each for each in {absent!r} if each in sys.modules])"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert said.split() == []


@pytest.mark.prove
@pytest.mark.parametrize(
    ("words", "more", "status", "sentence"),
    [
        (("run", "list"), {"LOA_RETENTON_DAYS": "3"}, 1, "Did you mean LOA_RETENTION_DAYS?"),
        (("run", "show", "x"), {}, 2, "Use only the digits 0 to 9"),
        (("batch", "import", "none.csv", "--carrier", "vnpt", "--json"), {}, 1, "Cannot read none.csv"),
    ],
)
def test_a_mistake_ends_a_process_in_a_sentence_and_makes_nothing(
    tmp_path: Path, words: tuple[str, ...], more: dict[str, str], status: int, sentence: str
) -> None:
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more
    ran = [sys.executable, "-m", "app.cli", *words]
    done = subprocess.run(ran, capture_output=True, text=True, check=False, cwd=tmp_path, env=own)
    assert (done.returncode, done.stdout, sentence in done.stderr) == (status, "", True), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


async def test_a_second_worker_of_a_host_is_told_that_its_metrics_port_is_taken(
    db: Database, tmp_path: Path
) -> None:
    with refusing() as port:
        said = rf"Cannot serve metrics at 127\.0\.0\.1:{port} \(Address already in use\)"
        with pytest.raises(SetupError, match=said):
            await serve_command._links(Settings(data=tmp_path, metrics_port=port), db, None)
