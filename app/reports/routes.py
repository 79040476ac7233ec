"""Routes of reports as they stand now: run, batch, campaign or directive, as data or document."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from sqlalchemy import Connection

from app.api.dependencies import Config, Db, Id, Routes, Who
from app.core.config import Settings
from app.core.errors import NotFound, no_such
from app.core.ids import LARGEST, Exact
from app.database.connection import shared_ms
from app.reports.counting import carrier_report, clock_check, consolidated, scope, unique_reach
from app.reports.counting.fraud_signals import FraudSignal, doubts
from app.reports.counting.unique_reach import UniqueReach
from app.reports.export.formats import MEDIA_TYPES, Format, Report, file_name, render
from app.reports.figures.figures import CarrierReport
from app.reports.forms import letterhead
from app.reports.forms.carrier_tables import OfRun
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release import freeze
from app.security import Caller

router = Routes(tags=["reports"])


Wanted = Annotated[
    Format,
    Query(
        alias="format",
        description="json, csv, xlsx, text; docx or pdf: the paper's preview; summary: a directive's page",
    ),
]
InCampaign = Annotated[int, Query(ge=1, le=LARGEST, description="in which campaign", examples=[1]), Exact]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report, counted at this moment; its cut-off time is in it.",
        "content": {MEDIA_TYPES[form]: {} for form in Format},
    }
}
_OPTIONS: dict[str, Any] = {"response_class": Response, "responses": _FILES}


@router.get("/v1/runs/{run_id}/report", **_OPTIONS)
def run_report(db: Db, settings: Config, who: Who, run_id: Id, form: Wanted = Format.JSON) -> Response:
    """The result report of one carrier's run, forms 1 to 4: measured, or stated by the carrier."""
    report = db.read(_run, who, run_id)
    return _file(report, form, f"run-{run_id}", settings)


@router.get("/v1/runs/{run_id}/doubts")
def list_doubts(db: Db, settings: Config, who: Who, run_id: Id) -> list[FraudSignal]:
    """Signs that the run's receipts were fabricated, such as identical delays; none is proof."""
    return db.read(doubts, run_id, settings.switched_off)


@router.get("/v1/batches/{batch_id}/report", **_OPTIONS)
def batch_report(
    db: Db, settings: Config, who: Who, batch_id: Id, campaign: InCampaign, form: Wanted = Format.JSON
) -> Response:
    """The result report of one batch in one campaign."""
    report = db.read(_batch, who, campaign, batch_id)
    return _file(report, form, f"campaign-{campaign}-batch-{batch_id}", settings)


@router.get("/v1/campaigns/{campaign_id}/report", **_OPTIONS)
def campaign_report(
    db: Db, settings: Config, who: Who, campaign_id: Id, form: Wanted = Format.JSON
) -> Response:
    """The runs of a campaign side by side (form 5), then each; a carrier's operator sees its own."""
    db.read(clock_check.require_past, [campaign_id])
    report = db.read(carrier_report.build_campaign, campaign_id, db.read(shared_ms), who.carrier)
    return _file(report, form, f"campaign-{campaign_id}", settings)


@router.get("/v1/directives/{directive_id}/report", **_OPTIONS)
def directive_report(
    db: Db, settings: Config, who: Who, directive_id: Id, form: Wanted = Format.JSON
) -> Response:
    """The consolidated report: every carrier's run under the directive, and what other addressees did."""
    terms = consolidated.BRIEF if form is Format.SUMMARY else consolidated.PRESENT
    db.read(freeze.require_past, ReportSubject(SubjectKind.DIRECTIVE, directive_id))
    report = db.read(consolidated.build, directive_id, db.read(shared_ms), terms)
    return _file(report, form, f"directive-{directive_id}", settings)


@router.get("/v1/directives/{directive_id}/reach")
def get_reach(db: Db, who: Who, directive_id: Id) -> UniqueReach:
    """Persons whom the campaigns under the directive reached at least once, each counted once."""
    return db.read(unique_reach.present, directive_id)


def _run(connection: Connection, who: Caller, run_id: int) -> OfRun:
    if who.carrier not in (None, scope.of_run(connection, run_id).run.carrier):
        raise no_such("run", run_id)
    freeze.require_past(connection, ReportSubject(SubjectKind.RUN, run_id))
    return freeze.of_run(connection, run_id, shared_ms(connection))


def _batch(connection: Connection, who: Caller, campaign_id: int, batch_id: int) -> CarrierReport:
    clock_check.require_past(connection, [campaign_id])
    report = carrier_report.build_batch(connection, campaign_id, batch_id, shared_ms(connection))
    return _visible(report, who, scope.not_part(campaign_id, batch_id))


def _visible(report: CarrierReport, who: Caller, absent: NotFound) -> CarrierReport:
    """Return the report; raises `absent` for a caller of another carrier."""
    if who.carrier not in (None, report.header.carrier):
        raise absent
    return report


def _file(report: Report, form: Format, name: str, settings: Settings) -> Response:
    rendered = render(report, form, letterhead.load(settings.letterheads))
    headers = {"Cache-Control": "no-store"}
    if form is not Format.JSON:
        headers["Content-Disposition"] = f'attachment; filename="{file_name(f"loa-{name}", form)}"'
    return Response(rendered.content, media_type=rendered.media_type, headers=headers)
