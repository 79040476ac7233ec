"""The codes that Loa prints are read by a decoder that others wrote (Debian: zbar-tools, poppler-utils)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.reports.frozen import archive
from app.reports.release.issue import issue
from tests.long.app.reports.conftest import Two, frozen, frozen_twice
from tests.long.app.reports.kept import issue_today
from tests.long.app.reports.test_printed_code import PLACE

__all__ = ["frozen", "frozen_twice"]
_DOTS = 150  # per inch: what a telephone's camera sees of a page at arm's length


def read_codes(pdf: Path, folder: Path) -> list[str]:
    """What a decoder reads on the pages of a PDF file, in their order."""
    for program in ("zbarimg", "pdftoppm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    subprocess.run(["pdftoppm", "-r", str(_DOTS), "-png", pdf, folder / "page"], check=True)
    pages = sorted(folder.glob("page*.png"))
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", *pages], check=False, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def test_the_code_of_a_report_leads_to_its_figures(frozen: Two, tmp_path: Path) -> None:
    freezer, (first, _) = frozen
    freezer = replace(freezer, place=PLACE)
    issued = issue(freezer, first.id, None, issue_today())
    file = tmp_path / "issued.pdf"
    file.write_bytes(freezer.db.read(archive.content, issued, "issued-pdf")[1])
    assert read_codes(file, tmp_path) == [f"{PLACE}?code={first.code}"]
