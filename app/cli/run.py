"""`loa run`: a campaign's share at one carrier, and an operator's orders."""

from __future__ import annotations

import typer

from app import clock
from app.campaigns import queries, runs
from app.campaigns.forecast import forecast as forecast_run
from app.cli.common import open_db
from app.cli.talk import Json, listing, say, whoami

app = typer.Typer(no_args_is_help=True, help="Runs: a campaign's share at one carrier.")


@app.command()
def start(run_id: int) -> None:
    """Begin to send what was approved."""
    _order(runs.Verb.START, run_id)


@app.command()
def pause(run_id: int) -> None:
    """Stop sending, after what is in flight."""
    _order(runs.Verb.PAUSE, run_id)


@app.command()
def resume(run_id: int) -> None:
    """Go on at the next message."""
    _order(runs.Verb.RESUME, run_id)


@app.command()
def cancel(run_id: int) -> None:
    """Send no more, for good."""
    _order(runs.Verb.CANCEL, run_id)


def _order(verb: runs.Verb, run_id: int) -> None:
    with open_db() as (db, _):
        state = runs.order(db, verb, run_id, whoami())
    typer.echo(f"Run {run_id} is {state}.")


@app.command()
def priority(run_id: int, number: int) -> None:
    """Give the run its turn among others at its carrier; higher is sent first."""
    with open_db() as (db, _):
        db.write(runs.set_priority, run_id, number, whoami())
    typer.echo(f"Run {run_id} has priority {number}.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the runs."""
    with open_db() as (db, _):
        found = db.read(queries.runs_page, 0, 1000)
    listing(found, ("id", "campaign_id", "carrier", "state", "subscribers", "started_at"), as_json)


@app.command()
def show(run_id: int, as_json: Json = False) -> None:
    """Show one run and its progress."""
    with open_db() as (db, _):
        say(db.read(queries.run, run_id), as_json)


@app.command()
def forecast(run_id: int, as_json: Json = False) -> None:
    """Say how long the run takes, when it is done, and what stands in the way."""
    with open_db() as (db, _):
        say(db.read(forecast_run, run_id, clock.now()), as_json)
