"""Operations on stated figures; the return of a workbook and the upload of a scan are routes (routes.py)."""

from __future__ import annotations

from sqlalchemy import Connection

from app.core.ids import Number
from app.operations import Download, Transaction, Work, operation
from app.reports.figures import carrier_statement
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import attachments, statement_service, views
from app.reports.intake.schemas import StatementBody
from app.reports.intake.statement_input import StatementInput
from app.reports.intake.views import StatementView
from app.security.principal import Caller
from app.security.roles import EVERYBODY, WORKERS

TAG = "stated figures"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@operation("GET /v1/attachments/{sha256}", roles=EVERYBODY, files={"content": {"*/*": {}}})
def get_attachment(tx: Transaction, sha256: str) -> Download:
    """An attachment as uploaded; an operator sees those of its carrier's accounts."""
    kept, content = attachments.fetch(tx.connection, sha256, tx.who.name, tx.who.carrier)
    return Download(content, attachments.saved_as(kept), kept.media_type)


@operation(
    "POST /v1/runs/{run_id}/statements",
    roles=WORKERS,
    status=201,
    action="run.stated",
    audit="entered figures of the carrier for {subject}",
)
def state_figures(tx: Transaction, run_id: Number, body: StatementBody) -> StatementView:
    """State a run's figures; a second statement needs a `reason` and becomes the next version."""
    source = EntrySource.COMMAND if tx.at_host else EntrySource.API
    return keep(tx.connection, run_id, body.claim(source), tx.who)


def keep(connection: Connection, run_id: int, claim: StatementInput, who: Caller) -> StatementView:
    """Keep a statement, and return it as the newest version."""
    statement_service.state(connection, run_id, claim, who.name, who.carrier)
    return views.statements(carrier_statement.versions(connection, run_id))[-1]


@operation("GET /v1/runs/{run_id}/statements", roles=EVERYBODY)
def list_statements(tx: Transaction, run_id: Number) -> list[StatementView]:
    """Every statement on the run, oldest first."""
    statement_service.open_run(tx.connection, run_id, tx.who.carrier)
    return views.statements(carrier_statement.versions(tx.connection, run_id))


@operation(
    "GET /v1/runs/{run_id}/statement-form",
    roles=EVERYBODY,
    command="statement form",
    files={"content": {XLSX: {}}},
)
def get_statement_form(work: Work, run_id: Number) -> Download:
    """The workbook in which a carrier states its figures: forms 1 to 4."""
    from app.reports.intake import statement_workbook  # slow to import

    content = statement_workbook.build(work.db.read(statement_workbook.head, run_id, work.who.carrier))
    return Download(content, f"loa-run-{run_id}-form.xlsx", XLSX)
