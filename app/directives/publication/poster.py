"""The kit's poster: one A4 page as PDF/A, with a QR code of the page where a message is checked."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from app.core import clock
from app.directives.publication import form_words as words
from app.directives.publication.kit_source import KitSource
from app.directives.publication.plain_texts import day, title
from app.reports.export.pdf_text import flowing


def render(of: KitSource) -> bytes:
    """Render to bytes, deterministically: the file's time is that of the approval."""
    import typst  # where a paper is written, not when a process starts

    with tempfile.TemporaryDirectory(prefix="loa-poster-") as name, as_file(files("app") / "data") as data:
        folder = Path(name)
        (folder / "poster.json").write_text(json.dumps(_said(of)), "utf-8")
        if of.verify:
            (folder / "qr.png").write_bytes(_qr(of.verify))
        return typst.compile(
            Path(shutil.copy(data / "poster.typ", folder)),
            font_paths=[data / "fonts"],
            ignore_system_fonts=True,
            pdf_standards=["a-2a", "ua-1"],
            timestamp=clock.to_ms(of.approved_at) // 1000,
        )


def _said(of: KitSource) -> dict[str, object]:
    about = (f"{words.SOURCE} {of.head.name}", f"{words.APPROVED} {day(of.approved_at)}")
    texts = [of.original, *(text for code, text in of.sent.items() if code)]
    return {
        "title": flowing(title(of)),
        "agency": flowing(of.head.name),
        "texts": [flowing(text) for text in texts],
        "scan": words.SCAN,
        "address": flowing(of.verify),
        "alt": f"{words.SCAN}: {of.verify}",
        "about": [flowing(each) for each in (*about, f"{words.DIGEST} {of.digest}")],
    }


def _qr(address: str) -> bytes:
    import segno

    file = io.BytesIO()
    segno.make_qr(address, error="m", boost_error=False).save(file, kind="png", scale=12, border=4)
    return file.getvalue()
