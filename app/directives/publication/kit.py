"""The kit of an approved campaign: one zip for every channel beside SMS, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from app.directives.publication import official_message, plain_texts, poster, web_page
from app.directives.publication.kit_source import KitSource
from app.reports.export.formats import PAPERS, Format
from carriers import text as sms

MANIFEST = "manifest.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def file_name(campaign_id: int) -> str:
    return f"loa-campaign-{campaign_id}-kit.zip"


def build(of: KitSource) -> bytes:
    """Return the zip: its files by name, then the manifest with the SHA-256 of each and the digest."""
    found = dict(sorted(_files(of)))
    found[MANIFEST] = json.dumps(_manifest(of, found), ensure_ascii=False, indent=2).encode() + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in found.items():
            packed.writestr(zipfile.ZipInfo(name, _LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _files(of: KitSource) -> Iterator[tuple[str, bytes]]:
    for form in plain_texts.sms_forms(of):
        yield form.file, form.text.encode()
    yield "sms.txt", plain_texts.sms_sheet(of).encode()
    yield "trang-web.html", web_page.page(of).encode()
    yield "ap-phich.pdf", poster.render(of)
    yield "cong-van.docx", PAPERS[Format.DOCX](official_message.compose(of))


def _manifest(of: KitSource, found: dict[str, bytes]) -> dict[str, Any]:
    return {
        "campaign_id": of.campaign_id,
        "digest": of.digest,
        "approved_at": of.approved_at.isoformat(timespec="seconds"),
        "sms": [
            {"file": form.file, "sent": form.sent, "segments": sms.segments(form.text)}
            for form in plain_texts.sms_forms(of)
        ],
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in found.items()
        ],
    }
