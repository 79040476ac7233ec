"""A form that was filled in and saved by LibreOffice as .ods says what the same form says as .xlsx."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile

import pytest

from app.core.errors import Invalid
from app.file_import.ods_cells import MEDIA_TYPE
from app.reports.figures.carrier_statement import FigureSource
from app.reports.intake.statement_workbook import Handed, read
from tests.long.app.reports.intake.forms import HEAD, NOW, filled

SOFFICE = shutil.which("soffice")
_ENTITIES = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
STATED = Handed(FigureSource.STATED)
# A cell, what was typed into it.
WRONG = (
    (("Biểu 1", "D4"), "=500+500"),
    (("Biểu 1", "D4"), -3),
    (("Biểu 1", "D4"), 0.5),
    (("Biểu 1", "D4"), "1 nghìn"),
    (("Biểu 2", "H4"), 971),
    (("Biểu 3", "B4"), "hôm qua"),
    (("Biểu 3", "E90"), 5),
)


@pytest.fixture(scope="module")
def as_ods(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The right form and the wrong ones, saved by one start of LibreOffice: that takes most of the time."""
    if SOFFICE is None:
        pytest.skip("LibreOffice (soffice) is not installed, so no .ods is written by it")
    folder = tmp_path_factory.mktemp("ods")
    forms = [filled(), *(filled({cell: typed}) for cell, typed in WRONG)]
    files = [folder / f"{n}.xlsx" for n in range(len(forms))]
    for file, form in zip(files, forms, strict=True):
        file.write_bytes(form)
    command = [SOFFICE, f"-env:UserInstallation=file://{folder}/office", "--headless", "--convert-to", "ods"]
    subprocess.run([*command, "--outdir", str(folder), *map(str, files)], check=True, capture_output=True)
    return [file.with_suffix(".ods").read_bytes() for file in files]


@pytest.mark.prove  # LibreOffice takes seconds
def test_a_form_saved_as_ods_says_the_same(as_ods: list[bytes]) -> None:
    assert read(as_ods[0], HEAD, STATED, NOW) == read(filled(), HEAD, STATED, NOW)


@pytest.mark.prove
@pytest.mark.parametrize("nth", range(len(WRONG)))
def test_a_wrong_cell_is_named_as_in_excel(as_ods: list[bytes], nth: int) -> None:
    cell, typed = WRONG[nth]
    said = []
    for content in (as_ods[nth + 1], filled({cell: typed})):
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
