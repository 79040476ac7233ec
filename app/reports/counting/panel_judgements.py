"""What test telephones say of carriers' claims: the figures claim, app/telephone_panel judges."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from app.core.ids import Number
from app.database.connection import shared_ms
from app.operations import Transaction, operation
from app.reports.counting import carrier_report, scope
from app.reports.figures import carrier_statement, tally
from app.reports.figures.carrier_statement import Statement
from app.security.roles import OFFICE
from app.telephone_panel import answers, register
from app.telephone_panel.judgement import Judgement, PanelRun, judge
from carriers.contract import ReceiptLevel

TAG = register.TAG


@operation(
    "GET /v1/campaigns/{campaign_id}/panel-judgements",
    roles=OFFICE,
    command="panel judge",
    columns=("run_id", "carrier", "verdict", "received", "not_received", "off", "silent", "claimed", "limit"),
)
def list_panel_judgements(tx: Transaction, campaign_id: Number) -> list[Judgement]:
    """Test the carriers' delivery claims against the test telephones: refuted or not, never confirmed."""
    return of_campaign(tx.connection, campaign_id)


def of_campaign(connection: Connection, campaign_id: int) -> list[Judgement]:
    """Return the judgements of now; runs in which no telephone has answered have none."""
    now, runs = shared_ms(connection), answers.answered_runs(connection, campaign_id)
    held = carrier_statement.held_runs(connection, campaign_id)
    claims = {
        run.id: _stated_now(connection, run.id) if run.id in held else _measured_now(connection, run.id, now)
        for run in runs
    }
    return of_claims(connection, campaign_id, claims)


def of_claims(
    connection: Connection,
    campaign_id: int,
    claims: Mapping[int, float | None],
    until_ms: int | None = None,
) -> list[Judgement]:
    """Judge a campaign's runs together. claims: by run, see `claimed`; until_ms: without later answers."""
    runs = [run for run in answers.answered_runs(connection, campaign_id) if run.id in claims]
    return judge(
        [
            PanelRun(run.id, run.carrier, claims[run.id], answers.count(connection, run, until_ms))
            for run in runs
        ]
    )


def claimed(level: int | None, received: int | None, sent: int) -> float | None:
    """Return the share of the messages sent that is claimed to be on the handset; None if nothing is.

    What a centre has accepted is no such claim.
    """
    if level != ReceiptLevel.HANDSET or received is None or not sent:
        return None
    return received / sent


def stated(statement: Statement | None) -> float | None:
    """Return what a carrier's statement claims."""
    if statement is None:
        return None
    general = statement.figures.general
    return claimed(statement.level, general.received, general.sent)


def _stated_now(connection: Connection, run_id: int) -> float | None:
    return stated(carrier_statement.latest(connection, run_id))


def _measured_now(connection: Connection, run_id: int, now_ms: int) -> float | None:
    figures = carrier_report.figures_of(tally.of_run(connection, run_id))
    run = scope.of_run(connection, run_id).run
    return claimed(scope.proved(connection, run, now_ms), figures.delivered, figures.sent)
