"""First pages of three directives as pictures in docs/guide: all measured, several sources, a carrier silent.

`make guide` takes them anew, by pdftoppm. Who looks at one has to know in ten seconds how many were reached,
who says so, where nobody was, and what comes next.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from app.database import schema
from app.database.connection import Database
from app.reports.counting import consolidated
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.export.formats import Format, file_name, render
from app.reports.forms import letterhead
from tests.long.app.reports import five_carriers
from tests.long.app.reports.five_carriers import CARRIERS, FIRST

SCENES = {
    "do-duoc": ((CARRIERS[0], *CARRIERS[2:4]), ""),
    "nhieu-nguon": (CARRIERS, ""),
    "chua-bao-cao": (CARRIERS, CARRIERS[1]),
}
FOLDER = Path(__file__).parents[4] / "docs" / "guide"
_DPI, _COLOURS = 65, 16


def scenes() -> Iterator[tuple[str, ConsolidatedReport]]:
    """Yield each directive's report by the name of its picture."""
    for name, (carriers, silent) in SCENES.items():
        with (
            TemporaryDirectory() as folder,
            closing(Database(f"sqlite:///{folder}/loa.sqlite3")) as db,
        ):
            schema.upgrade(db)
            five_carriers.directive(db, Path(folder), carriers, silent)
            yield name, db.read(consolidated.build, 1, FIRST)


def picture(pdf: bytes) -> Image.Image:
    """The first page as people see it, in few colours."""
    command = ["pdftoppm", "-r", str(_DPI), "-f", "1", "-l", "1", "-png", "-"]
    made = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout
    return Image.open(io.BytesIO(made)).convert("L").quantize(_COLOURS)


def main(folder: Path) -> None:
    heads = letterhead.load(None)
    for name, report in scenes():
        for form in (Format.SUMMARY, Format.PDF, Format.DOCX):
            content = render(report, form, heads).content
            if form is Format.SUMMARY:
                picture(content).save(folder / f"tom-tat-{name}.png", optimize=True)
            if folder != FOLDER:  # to look at all pages of each
                (folder / file_name(name, form)).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
