"""Renders a report in any format; all formats print the same figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from app.core.errors import Invalid
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.counting.stated_report import StatedReport
from app.reports.export import json_file, plain_files
from app.reports.figures.figures import CampaignReport
from app.reports.figures.table_model import ReportTable, TableRow
from app.reports.figures.version import PREVIEW, Version
from app.reports.forms import (
    carrier_tables,
    comparison_tables,
    directive_areas,
    subscriber_tables,
)
from app.reports.forms.carrier_tables import OfRun
from app.reports.forms.letterhead import POLICE, Letterhead, Letterheads
from app.reports.papers import annexes, carrier_paper, consolidated_paper
from app.reports.papers.model import PaperDocument

Report = OfRun | CampaignReport | ConsolidatedReport
R = TypeVar("R", bound=Report)


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    TEXT = "text"
    DOCX = "docx"
    PDF = "pdf"
    SUMMARY = "summary"  # one page of PDF for the chairman, of a directive


_OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: f"{_OFFICE}.spreadsheetml.sheet",
    Format.TEXT: "text/plain; charset=utf-8",
    Format.DOCX: f"{_OFFICE}.wordprocessingml.document",
    Format.PDF: "application/pdf",
    Format.SUMMARY: "application/pdf",
}
BINARY = (Format.XLSX, Format.DOCX, Format.PDF, Format.SUMMARY)


# Imported on use: the document and workbook libraries are a fifth of what the API loads, and a process that
# starts or recovers must not wait for them.


def _docx(document: PaperDocument) -> bytes:
    from app.reports.export import docx_file

    return docx_file.render(document)


def _pdf(document: PaperDocument) -> bytes:
    from app.reports.export import pdf_file

    return pdf_file.render(document)


def _xlsx(tables: tuple[ReportTable, ...], cutoff_ms: int) -> bytes:
    from app.reports.export import xlsx_file

    return xlsx_file.render(tables, cutoff_ms)


PAPERS: dict[Format, Callable[[PaperDocument], bytes]] = {Format.DOCX: _docx, Format.PDF: _pdf}


def file_name(stem: str, form: Format) -> str:
    return f"{stem}-summary.pdf" if form is Format.SUMMARY else f"{stem}.{form}"


class Rendered(NamedTuple):
    content: bytes
    media_type: str


def render(
    report: Report, form: Format, letterheads: Letterheads | None = None, version: Version = PREVIEW
) -> Rendered:
    """Render the report. A campaign's XLSX and CSV hold form 7 and then every run's forms, its text only form
    7; it has no document of its own (raises Invalid).
    """
    if form is Format.SUMMARY:
        content = _pdf(_summary(report, letterheads or Letterheads(()), version))
    elif form in PAPERS:
        content = PAPERS[form](paper(report, letterheads or Letterheads(()), version))
    else:
        content = _content(report, form, version)
    return Rendered(content, MEDIA_TYPES[form])


def paper(report: Report, letterheads: Letterheads, version: Version = PREVIEW) -> PaperDocument:
    return annexes.with_code(_composed(report, letterheads, version), version.printed)


def _composed(report: Report, letterheads: Letterheads, version: Version) -> PaperDocument:
    if isinstance(report, OfRun):
        return carrier_paper.compose(report, head_of(report, letterheads), version)
    if isinstance(report, ConsolidatedReport):
        return consolidated_paper.compose(report, head_of(report, letterheads), version)
    raise Invalid(
        "Documents (docx, pdf) are only available for a run, a batch or a directive.", field="format"
    )


def _summary(report: Report, letterheads: Letterheads, version: Version) -> PaperDocument:
    if not isinstance(report, ConsolidatedReport):
        raise Invalid("A summary is only available for a directive.", field="format")
    return consolidated_paper.summary(report, head_of(report, letterheads), version)


def head_of(report: OfRun | ConsolidatedReport, letterheads: Letterheads) -> Letterhead:
    """Return the author's letterhead, by the first day of the campaign."""
    if isinstance(report, ConsolidatedReport):
        return letterheads.of(POLICE, consolidated_paper.first_day(report))
    return letterheads.of(report.header.carrier, carrier_tables.first_day(report.header))


@dataclass(frozen=True, slots=True)
class Prepared(Generic[R]):
    """A report with its JSON: parsed, comparable with a stored one, and its bytes with their SHA-256."""

    report: R
    document: dict[str, Any]
    content: bytes
    sha256: str


def prepare(report: R) -> Prepared[R]:
    content = json_file.render(_document(report))
    return Prepared(report, json.loads(content), content, hashlib.sha256(content).hexdigest())


def document(report: Report) -> dict[str, Any]:
    """Return the report as parsed JSON, comparable with a stored one."""
    return prepare(report).document


def _document(report: Report) -> dict[str, Any]:
    if isinstance(report, ConsolidatedReport):
        return json_file.of_directive(report)
    if isinstance(report, StatedReport):
        return json_file.of_stated(report)
    return json_file.of_campaign(report) if isinstance(report, CampaignReport) else json_file.of_run(report)


def _content(report: Report, form: Format, version: Version) -> bytes:
    if form is Format.JSON:
        return prepare(report).content
    if form is Format.XLSX:
        return _xlsx(tables_of(report, version), report.cutoff_ms)
    if form is Format.CSV:
        return plain_files.csv_file(tables_of(report, version))
    return plain_files.text(_for_reading(report, tables_of(report, version))).encode()


def tabular(report: Report, version: Version) -> Iterator[tuple[Format, bytes]]:
    """Yield workbook and CSV, of the same tables."""
    sheets = tables_of(report, version)
    yield Format.XLSX, _xlsx(sheets, report.cutoff_ms)
    yield Format.CSV, plain_files.csv_file(sheets)


def _for_reading(report: Report, tables: tuple[ReportTable, ...]) -> tuple[ReportTable, ...]:
    """Leave out the time steps: they serve the chart only."""
    if isinstance(report, CampaignReport):
        return tables[:1]
    return tuple(form for form in tables if form.name != carrier_tables.STEPS)


def tables_of(report: Report, version: Version = PREVIEW) -> tuple[ReportTable, ...]:
    """Return every form of the report, and the changes since the version before."""
    if isinstance(report, ConsolidatedReport):
        areas = directive_areas.of_directive(report)
        found = (comparison_tables.head(report), *comparison_tables.of_directive(report))
        found += (areas,) if areas.rows else ()
        found += (subscriber_tables.table(report), *comparison_tables.cost(report))
    elif isinstance(report, CampaignReport):
        found = carrier_tables.of_campaign(report)
    else:
        found = carrier_tables.of_run(report)
    if version.number:
        row = TableRow("version", ("Bản", str(version.number)))
        found = tuple(t._replace(rows=(row, *t.rows)) if t.name == "Thông tin" else t for t in found)
    return (*found, carrier_tables.changes(version)) if version.since else found
