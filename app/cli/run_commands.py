"""`loa run`: runs, and orders on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.campaigns import carrier_orders, queries, runs
from app.campaigns.forecast import forecast as forecast_run
from app.cli.common import open_db
from app.cli.output import Json, Number, instant, listing, say, whoami
from app.cli.remote import asked
from app.core import clock
from app.core.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Runs: a campaign's share at one carrier.")


At = Annotated[
    str | None, typer.Option(help="When the carrier began or ended, with a zone; only where it sends itself.")
]


@app.command()
def start(run_id: Number, at: At = None) -> None:
    """Start sending what was approved; for a carrier that sends itself, record that it began."""
    _order(runs.Verb.START, run_id, at)


@app.command()
def end(run_id: Number, at: At = None) -> None:
    """Record that a carrier that sends to its own subscribers has finished."""
    _order(runs.Verb.END, run_id, at)


@app.command()
def order(
    run_id: Number,
    out: Annotated[Path | None, typer.Option(help="A paper to write: FILE.docx or FILE.pdf.")] = None,
    as_json: Json = False,
) -> None:
    """Print the order to a carrier that sends to its own subscribers, or write it as a document."""
    with open_db() as (db, settings):
        found = db.read(carrier_orders.order, run_id)
    if out is not None:
        out.write_bytes(_paper(found, settings.letterheads, out))
        typer.echo(f"Wrote {out}.")
    elif as_json:
        say(found, as_json)
    else:
        typer.echo(carrier_orders.as_text(found), nl=False)


@app.command()
def pause(run_id: Number) -> None:
    """Stop sending, after what is in flight."""
    _order(runs.Verb.PAUSE, run_id)


@app.command()
def resume(run_id: Number) -> None:
    """Continue at the next message."""
    _order(runs.Verb.RESUME, run_id)


@app.command()
def cancel(run_id: Number) -> None:
    """Stop sending for good."""
    _order(runs.Verb.CANCEL, run_id)


def _paper(found: carrier_orders.CarrierOrder, letterheads: Path | None, out: Path) -> bytes:
    from app.deadline import order_document  # slow to import
    from app.reports.document import letterhead
    from app.reports.formats import PAPERS, Format

    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in ("docx", "pdf"):
        raise Invalid("--out names a .docx or a .pdf file.")
    return PAPERS[Format(suffix)](order_document.compose(found, letterhead.load(letterheads)))


def _order(verb: runs.Verb, run_id: int, at: str | None = None) -> None:
    moment = instant("at", at)
    state = asked(
        lambda api: api.order(verb, run_id, moment).state,
        lambda db: runs.order(db, verb, run_id, whoami(), moment),
        looks=False,
    )
    typer.echo(f"Run {run_id} is {state}.")


@app.command()
def priority(run_id: Number, number: int) -> None:
    """Set the run's priority among the runs of its carrier; higher is sent first."""
    with open_db() as (db, _):
        db.write(runs.set_priority, run_id, number, whoami())
    typer.echo(f"Run {run_id} has priority {number}.")


@app.command()
def rate(run_id: Number, number: Annotated[int | None, typer.Argument()] = None) -> None:
    """Limit the run to so many SMS parts a second; without a number to the rate of the links."""
    with open_db() as (db, _):
        db.write(runs.set_rate, run_id, number, whoami())
    said = "the rate of the links" if number is None else f"a rate of {number} SMS parts a second"
    typer.echo(f"Run {run_id} has {said}.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the runs."""
    found = asked(lambda api: list(api.runs()), lambda db: list(db.read(queries.runs_page, 0, 1000)))
    listing(found, ("id", "campaign_id", "carrier", "state", "subscribers", "started_at"), as_json)


@app.command()
def show(run_id: Number, as_json: Json = False) -> None:
    """Show one run and its progress."""
    say(asked(lambda api: api.run(run_id), lambda db: db.read(queries.run, run_id)), as_json)


@app.command()
def forecast(run_id: Number, as_json: Json = False) -> None:
    """Show how long the run takes, when it is done, and what prevents that."""
    with open_db(looks=True) as (db, _):
        say(db.read(forecast_run, run_id, clock.now()), as_json)
