"""Reports over HTTP: of a run, of a batch in a campaign, of a campaign; as JSON, CSV or XLSX."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from app import clock
from app.api import Db, Who
from app.auth import Caller
from app.errors import NotFound
from app.reports import carrier_report
from app.reports.figures import CampaignReport, CarrierReport
from app.reports.render import MEDIA_TYPES, Format, render

router = APIRouter(tags=["reports"])


class FileFormat(StrEnum):
    """The forms in which programs and spreadsheets take a report."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


Wanted = Annotated[FileFormat, Query(alias="format", description="json, csv or xlsx")]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report, counted at this moment; its cut-off time is in it.",
        "content": {MEDIA_TYPES[Format(form)]: {} for form in FileFormat},
    }
}
_OPTIONS: dict[str, Any] = {"response_class": Response, "responses": _FILES}


@router.get("/v1/runs/{run_id}/report", **_OPTIONS)
def run_report(db: Db, who: Who, run_id: int, form: Wanted = FileFormat.JSON) -> Response:
    """The result report of one carrier's run: forms 1 to 4, whose identities were checked."""
    report = db.read(_run, who, run_id)
    return _file(report, form, f"run-{run_id}")


@router.get("/v1/batches/{batch_id}/report", **_OPTIONS)
def batch_report(db: Db, who: Who, batch_id: int, campaign: int, form: Wanted = FileFormat.JSON) -> Response:
    """The same for one batch in one campaign."""
    report = db.read(_batch, who, campaign, batch_id)
    return _file(report, form, f"campaign-{campaign}-batch-{batch_id}")


@router.get("/v1/campaigns/{campaign_id}/report", **_OPTIONS)
def campaign_report(db: Db, who: Who, campaign_id: int, form: Wanted = FileFormat.JSON) -> Response:
    """The runs of a campaign side by side (form 5), then each; the operator of one carrier sees its own."""
    report = db.read(carrier_report.build_campaign, campaign_id, clock.now_ms(), who.carrier)
    return _file(report, form, f"campaign-{campaign_id}")


def _run(connection: Connection, who: Caller, run_id: int) -> CarrierReport:
    report = carrier_report.build(connection, run_id, clock.now_ms())
    return _visible(report, who, f"There is no run {run_id}.")


def _batch(connection: Connection, who: Caller, campaign_id: int, batch_id: int) -> CarrierReport:
    report = carrier_report.build_batch(connection, campaign_id, batch_id, clock.now_ms())
    return _visible(report, who, f"Batch {batch_id} is not part of campaign {campaign_id}.")


def _visible(report: CarrierReport, who: Caller, absent: str) -> CarrierReport:
    """The report, for those who may see its carrier's figures; to others it does not exist."""
    if who.carrier not in (None, report.header.carrier):
        raise NotFound(absent)
    return report


def _file(report: CarrierReport | CampaignReport, form: FileFormat, name: str) -> Response:
    rendered = render(report, Format(form))
    headers = {"Cache-Control": "no-store"}
    if form is not FileFormat.JSON:
        headers["Content-Disposition"] = f'attachment; filename="loa-{name}.{form}"'
    return Response(rendered.content, media_type=rendered.media_type, headers=headers)
