"""Fields of an outgoing paper for agencies' document systems, by Decree 30/2020/NĐ-CP, annex VI, as JSON."""

from __future__ import annotations

import json
import re

from app.reports.figures.numbers import iso
from app.reports.figures.version import Version
from app.reports.forms.letterhead import Letterhead
from app.reports.papers.final_paper import SIGNER_LENGTH, Issue
from app.reports.papers.model import PaperDocument

_PAGE = re.compile(rb"/Type\s*/Page\b")


def metadata(
    paper: PaperDocument, head: Letterhead, version: Version, pdf: bytes, issue: Issue | None = None
) -> bytes:
    """Render the decree's fields; what only the office knows stays empty until the paper is issued."""
    signer = issue.signer if issue else head.signer
    document = {
        "OrganId": head.organ_id[:13],
        "FileCatalog": "",
        "FileNotation": "",
        "DocOrdinal": "",
        "TypeName": "Báo cáo",
        "CodeNumber": issue.number if issue else "",
        "CodeNotation": _fitting(head.symbol, 30),
        "IssuedDate": f"{issue.dated_on:%d/%m/%Y}" if issue else "",
        "OrganName": _fitting(head.name, 200),
        "Subject": _fitting(paper.title, 500),
        "Language": "Tiếng Việt",
        "PageAmount": pages(pdf),
        "Description": f"{version.words(paper.cutoff_ms)}.{f' {paper.mark}.' if paper.mark else ''}",
        "InforSign": {
            "Position": _fitting(head.post, 100),
            "FullName": _fitting(signer, SIGNER_LENGTH),
        },
        "To": [{"OrganId": head.to_organ_id[:13], "OrganName": _fitting(head.to, 200)}],
        "Priority": "",
        "IssuedAmount": "",
        "DueDate": "",
        "Loa": {"version": version.number, "cut_off_at": iso(paper.cutoff_ms), "draft": bool(paper.mark)},
    }
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _fitting(text: str, most: int) -> str:
    """Return a text in the decree's length; what is cut is seen by its end."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pages(pdf: bytes) -> int:
    """Count the pages of a PDF made by Loa."""
    return len(_PAGE.findall(pdf))
