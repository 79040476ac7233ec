"""A form that was filled in and saved by LibreOffice as .ods says what the same form says as .xlsx."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Invalid
from app.file_import.ods_cells import MEDIA_TYPE
from app.reports.carrier_statement import FigureSource
from app.reports.intake.workbook_reader import Handed, read
from tests.long.app.reports.intake.forms import HEAD, NOW, filled

SOFFICE = shutil.which("soffice")
_ENTITIES = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
STATED = Handed(FigureSource.STATED)
Ods = Callable[..., bytes]


@pytest.fixture
def as_ods(tmp_path: Path) -> Ods:
    if SOFFICE is None:
        pytest.skip("LibreOffice (soffice) is not installed, so no .ods is written by it")

    def convert(*changes: Any, **kept: Any) -> bytes:
        (tmp_path / "form.xlsx").write_bytes(filled(*changes, **kept))
        home = f"-env:UserInstallation=file://{tmp_path}/office"
        command = [SOFFICE, home, "--headless", "--convert-to", "ods", "--outdir", str(tmp_path)]
        subprocess.run([*command, str(tmp_path / "form.xlsx")], check=True, capture_output=True)
        return (tmp_path / "form.ods").read_bytes()

    return convert


def test_a_form_saved_as_ods_says_the_same(as_ods: Ods) -> None:
    assert read(as_ods(), HEAD, STATED, NOW) == read(filled(), HEAD, STATED, NOW)


@pytest.mark.parametrize(
    ("cell", "typed"),
    [
        (("Biểu 1", "D4"), "=500+500"),
        (("Biểu 1", "D4"), -3),
        (("Biểu 1", "D4"), 0.5),
        (("Biểu 1", "D4"), "1 nghìn"),
        (("Biểu 2", "H4"), 971),
        (("Biểu 3", "B4"), "hôm qua"),
        (("Biểu 3", "E90"), 5),
    ],
)
def test_a_wrong_cell_is_named_as_in_excel(as_ods: Ods, cell: tuple[str, str], typed: object) -> None:
    said = []
    for content in (as_ods({cell: typed}), filled({cell: typed})):
        with pytest.raises(Invalid) as refused:
            read(content, HEAD, STATED, NOW)
        said.append(refused.value.detail)
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"<a",
        _ENTITIES.encode(),
        _ENTITIES.encode("utf-16"),
        _ENTITIES.encode("utf-16-le"),
        b" " * 9_000_000,
    ],
    ids=["empty", "cut off", "entities", "UTF-16", "UTF-16 without its mark", "large"],
)
def test_what_is_no_spreadsheet_inside_is_refused_in_words(inside: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MEDIA_TYPE)
        archive.writestr("content.xml", inside)
    with pytest.raises(Invalid) as refused:
        read(file.getvalue(), HEAD, STATED, NOW)
    assert "thiếu trang" not in refused.value.detail  # which would say that it was read
