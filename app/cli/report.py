"""`loa report`: print a result report, or write it to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from app import clock
from app.cli.common import open_db
from app.reports.carrier_report import build, build_batch, build_campaign
from app.reports.figures import CampaignReport, CarrierReport
from app.reports.render import Format, render

app = typer.Typer(no_args_is_help=True, help="Result reports.")

Form = Annotated[Format, typer.Option("--format", help="text, json, csv or xlsx")]
Out = Annotated[Path | None, typer.Option(help="the file to write; the terminal, when not given")]
Builder = Callable[[Connection, int], CarrierReport | CampaignReport]


@app.command()
def run(run_id: int, form: Form = Format.TEXT, out: Out = None) -> None:
    """The report of one carrier's run: forms 1 to 4."""
    _give(lambda connection, now: build(connection, run_id, now), form, out)


@app.command()
def batch(campaign_id: int, batch_id: int, form: Form = Format.TEXT, out: Out = None) -> None:
    """The report of one batch in one campaign."""
    _give(lambda connection, now: build_batch(connection, campaign_id, batch_id, now), form, out)


@app.command()
def campaign(campaign_id: int, form: Form = Format.TEXT, out: Out = None) -> None:
    """The runs of a campaign side by side."""
    _give(lambda connection, now: build_campaign(connection, campaign_id, now), form, out)


def _give(build_at: Builder, form: Format, out: Path | None) -> None:
    if form is Format.XLSX and out is None:
        raise typer.BadParameter("a workbook needs a file: add --out FILE.xlsx", param_hint="--format")
    with open_db() as (db, _):
        report = db.read(build_at, clock.now_ms())
    content = render(report, form).content
    if out is None:
        typer.echo(content.decode("utf-8-sig"), nl=False)
    else:
        out.write_bytes(content)
        typer.echo(f"Wrote {out} ({len(content)} bytes).")
