"""Whole workbooks as they come back: each is taken as it was meant, or refused with sheet, cell and remedy.

With test_wrong_cells.py more than eighty named kinds: one spoilt cell there; spoilt files, sheets, rows and
columns, other programs and locales here. What is taken equals what was meant: none is changed in silence.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Invalid
from app.reports.figures.carrier_statement import FigureSource
from app.reports.intake.statement_workbook import Handed, read
from tests.long.app.reports.intake.forms import FILLED, HEAD, NOW, filled
from tests.long.app.reports.intake.spoilt import ANYWHERE, GENERAL, REFUSED, TAKEN
from tests.sampled import each_third

STATED = Handed(FigureSource.STATED)
SOFFICE = shutil.which("soffice")


@cache
def meant(changes: tuple[Any, ...]) -> Any:
    return read(filled(dict(changes)), HEAD, STATED, NOW)


@pytest.mark.parametrize("name", each_third(TAKEN))
def test_it_is_taken_as_it_was_meant(name: str) -> None:
    make, changes = TAKEN[name]
    assert read(make(), HEAD, STATED, NOW) == meant(tuple(changes.items()))


def is_refused(content: bytes, name: str) -> None:
    _, place, words = REFUSED[name]
    with pytest.raises(Invalid) as refused:
        read(content, HEAD, STATED, NOW)
    if place == ANYWHERE:
        assert words in refused.value.detail
        assert "ãy " in refused.value.detail  # a remedy: hãy ...
        return
    found = dict(refused.value.faults)
    assert "!".join(place) in found, found
    assert words in found["!".join(place)]
    assert found["!".join(place)].startswith(f"Trang “{place[0]}”, ô {place[1]}: ")


@pytest.mark.parametrize("name", each_third(REFUSED))
def test_it_is_refused_with_its_place_and_the_remedy(name: str) -> None:
    is_refused(REFUSED[name][0](), name)


AS_ODS = ("cells merged", "a number in per cent", "notes on a sheet of their own", "a column deleted")


@pytest.mark.prove
@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed")
def test_it_is_refused_alike_when_it_is_saved_as_ods(tmp_path: Path) -> None:
    files = [tmp_path / f"{nth}.xlsx" for nth in range(len(AS_ODS))]
    for file, name in zip(files, AS_ODS, strict=True):
        file.write_bytes(REFUSED[name][0]())
    office = [str(SOFFICE), f"-env:UserInstallation=file://{tmp_path}/office", "--headless"]
    command = [*office, "--convert-to", "ods", "--outdir", str(tmp_path), *map(str, files)]
    subprocess.run(command, check=True, capture_output=True)
    for file, name in zip(files, AS_ODS, strict=True):
        is_refused(file.with_suffix(".ods").read_bytes(), name)


CONVERTED = ("xlsx", "ods", "xls", "csv", "html", "fods")


@pytest.fixture(scope="module")
def saved_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The right form, opened and saved by LibreOffice in each of its formats."""
    if SOFFICE is None:
        pytest.skip("LibreOffice (soffice) is not installed")
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "form.xlsx").write_bytes(filled())
    office = [SOFFICE, f"-env:UserInstallation=file://{folder}/office", "--headless", "--convert-to"]
    for form in CONVERTED:
        command = [*office, form, "--outdir", str(folder / form), str(folder / "form.xlsx")]
        subprocess.run(command, check=True, capture_output=True)
    return {form: Path(folder / form / f"form.{form}").read_bytes() for form in CONVERTED}


@pytest.mark.prove
@pytest.mark.parametrize("form", ["xlsx", "ods"])
def test_what_libreoffice_saves_is_the_same(saved_elsewhere: dict[str, bytes], form: str) -> None:
    assert read(saved_elsewhere[form], HEAD, STATED, NOW) == meant(())


@pytest.mark.prove
@pytest.mark.parametrize("form", ["xls", "csv", "html", "fods"])
def test_what_libreoffice_saves_as_no_form_is_refused(saved_elsewhere: dict[str, bytes], form: str) -> None:
    with pytest.raises(Invalid, match=r"hãy lưu lại thành \.xlsx|[Hh]ãy điền vào biểu mẫu"):
        read(saved_elsewhere[form], HEAD, STATED, NOW)


def test_the_right_form_is_right() -> None:
    assert meant(()).figures.general.eligible == FILLED[(GENERAL, "D4")]
