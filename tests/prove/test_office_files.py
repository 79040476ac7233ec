"""Loa's .docx and .xlsx against a port of the checks of Microsoft's Open XML SDK, which others wrote.

`make prove PART=foreign`. The program has an environment of its own in build/office; the tests are skipped
with a sentence where it can't be fetched.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.reports.intake import external_activity_workbook, statement_workbook
from tests.long.app.reports.intake.test_workbook import HEAD
from tests.long.app.reports.test_five_carriers import Kept, kept

PROGRAM = "openxml-audit==0.8.*"
_ENVIRONMENT = Path(__file__).parents[2] / "build" / "office"

__all__ = ["kept"]


@pytest.fixture(scope="session")
def checker() -> Path:
    found = _ENVIRONMENT / "bin" / "openxml-audit"
    if not found.exists():
        subprocess.run([sys.executable, "-m", "venv", _ENVIRONMENT], check=True)
        install = [_ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", PROGRAM]
        if subprocess.run(install, check=False).returncode:
            pytest.skip(f"{PROGRAM} can't be fetched, so no program of others looks at the files")
    return found


def _findings(checker: Path, file: Path) -> list[str]:
    """What the program calls an error in the file.

    Fonts of a workbook are left out: ISO/IEC 29500-1 lets their elements stand in any order (CT_Font), and
    openpyxl writes them in another one than the SDK wants. Warnings are advice on what Excel would rewrite.
    """
    command = [checker, "--output", "json", "--max-errors", "0", file]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    (report,) = json.loads(done.stdout)
    assert report["valid"] == (not any(each["severity"] == "error" for each in report["errors"])), report
    return [
        json.dumps(each, ensure_ascii=False)
        for each in report["errors"]
        if each["severity"] == "error" and not each["path"].startswith("/styleSheet[1]/fonts[1]/font[")
    ]


@pytest.mark.parametrize("form", ["docx", "xlsx"])
def test_reports_are_valid_by_the_schema(checker: Path, kept: Kept, tmp_path: Path, form: str) -> None:
    for number, frozen in enumerate([*kept.directive, *kept.runs.values()]):
        file = tmp_path / f"{number}.{form}"
        file.write_bytes(kept.file(frozen, form))
        assert _findings(checker, file) == []


def test_forms_to_fill_in_are_valid_by_the_schema(checker: Path, tmp_path: Path) -> None:
    forms = {"figures": statement_workbook.build(HEAD), "others": external_activity_workbook.build(1, [])}
    for name, content in forms.items():
        file = tmp_path / f"{name}.xlsx"
        file.write_bytes(content)
        assert _findings(checker, file) == []
