"""One report in several forms; every rendering prints the same figures."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from app.reports.figures import CampaignReport, CarrierReport
from app.reports.render import csv_file, forms, json_file, text, xlsx_file
from app.reports.render.form import Form


class Format(StrEnum):
    """What a report can be had as."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    TEXT = "text"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.TEXT: "text/plain; charset=utf-8",
}


class Rendered(NamedTuple):
    """A file: its bytes and its media type."""

    content: bytes
    media_type: str


def render(report: CarrierReport | CampaignReport, form: Format) -> Rendered:
    """The report as a file. A campaign's workbook and CSV hold form 5 and then every run's forms; its text
    is form 5 alone.
    """
    return Rendered(_content(report, form), MEDIA_TYPES[form])


def _content(report: CarrierReport | CampaignReport, form: Format) -> bytes:
    if form is Format.JSON:
        return json_file.render(_document(report))
    tables = _forms(report)
    if form is Format.XLSX:
        return xlsx_file.render(tables, report.cutoff_ms)
    if form is Format.CSV:
        return csv_file.render(tables)
    return text.render(tables[:1] if isinstance(report, CampaignReport) else tables).encode()


def _document(report: CarrierReport | CampaignReport) -> dict[str, Any]:
    if isinstance(report, CampaignReport):
        return json_file.of_campaign(report)
    return json_file.of_run(report)


def _forms(report: CarrierReport | CampaignReport) -> tuple[Form, ...]:
    return forms.of_campaign(report) if isinstance(report, CampaignReport) else forms.of_run(report)
