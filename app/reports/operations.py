"""Operations on reports as they stand now: run, batch, campaign or directive, as data or document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from app.core.config import Settings
from app.core.ids import LARGEST, Exact, Number
from app.database.connection import shared_ms
from app.operations import Download, Transaction, Work, operation
from app.reports.counting import carrier_report, clock_check, consolidated, scope, unique_reach
from app.reports.counting.fraud_signals import FraudSignal, doubts
from app.reports.counting.unique_reach import UniqueReach
from app.reports.export.formats import MEDIA_TYPES, Format, Report, file_name, render
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release import freeze
from app.security.roles import EVERYBODY, OFFICE

TAG = "reports"

Wanted = Annotated[
    Format,
    Field(
        alias="format",
        description="json, csv, xlsx, text; docx or pdf: the paper's preview; summary: a directive's page",
    ),
]
InCampaign = Annotated[int, Field(ge=1, le=LARGEST, description="in which campaign", examples=[1]), Exact]
FILES: dict[str, Any] = {
    "description": "The report, counted at this moment; its cut-off time is in it.",
    "content": {MEDIA_TYPES[form]: {} for form in Format},
}


@operation("GET /v1/runs/{run_id}/report", roles=EVERYBODY, files=FILES)
def run_report(work: Work, run_id: Number, form: Wanted = Format.JSON) -> Download:
    """The result report of one carrier's run, forms 1 to 4: measured, or stated by the carrier."""
    work.db.read(freeze.require_past, ReportSubject(SubjectKind.RUN, run_id))
    report = work.db.read(lambda c: freeze.of_run(c, run_id, shared_ms(c)))
    return _file(report, form, f"run-{run_id}", work.settings)


@operation("GET /v1/runs/{run_id}/doubts", roles=OFFICE)
def list_doubts(tx: Transaction, run_id: Number) -> list[FraudSignal]:
    """Signs that the run's receipts were fabricated, such as identical delays; none is proof."""
    return doubts(tx.connection, run_id, tx.settings.switched_off)


@operation("GET /v1/batches/{batch_id}/report", roles=EVERYBODY, files=FILES)
def batch_report(work: Work, batch_id: Number, campaign: InCampaign, form: Wanted = Format.JSON) -> Download:
    """The result report of one batch in one campaign."""
    work.db.read(clock_check.require_past, [campaign])
    report = work.db.read(lambda c: carrier_report.build_batch(c, campaign, batch_id, shared_ms(c)))
    if work.who.carrier not in (None, report.header.carrier):
        raise scope.not_part(campaign, batch_id)
    return _file(report, form, f"campaign-{campaign}-batch-{batch_id}", work.settings)


@operation("GET /v1/campaigns/{campaign_id}/report", roles=EVERYBODY, files=FILES)
def campaign_report(work: Work, campaign_id: Number, form: Wanted = Format.JSON) -> Download:
    """The runs of a campaign side by side (form 7), then each; a carrier's operator sees its own."""
    carrier = work.who.carrier
    work.db.read(clock_check.require_past, [campaign_id])
    report = work.db.read(lambda c: carrier_report.build_campaign(c, campaign_id, shared_ms(c), carrier))
    return _file(report, form, f"campaign-{campaign_id}", work.settings)


@operation("GET /v1/directives/{directive_id}/report", roles=OFFICE, files=FILES)
def directive_report(work: Work, directive_id: Number, form: Wanted = Format.JSON) -> Download:
    """The consolidated report: every carrier's run under the directive, and what other addressees did."""
    terms = consolidated.BRIEF if form is Format.SUMMARY else consolidated.PRESENT
    work.db.read(freeze.require_past, ReportSubject(SubjectKind.DIRECTIVE, directive_id))
    report = work.db.read(lambda c: consolidated.build(c, directive_id, shared_ms(c), terms))
    return _file(report, form, f"directive-{directive_id}", work.settings)


@operation("GET /v1/directives/{directive_id}/reach", roles=OFFICE)
def get_reach(tx: Transaction, directive_id: Number) -> UniqueReach:
    """Persons whom the campaigns under the directive reached at least once, each counted once."""
    return unique_reach.present(tx.connection, directive_id)


def _file(report: Report, form: Format, name: str, settings: Settings) -> Download:
    rendered = render(report, form, letterhead.load(settings.letterheads))
    name = "" if form is Format.JSON else file_name(f"loa-{name}", form)
    return Download(rendered.content, name, rendered.media_type)
