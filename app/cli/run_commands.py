"""`loa run`: runs, and orders on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json, to_jsonable_python

from app.campaigns import queries, runs
from app.cli import common
from app.cli.common import open_db
from app.cli.operation_commands import add_operations, carried_out, written
from app.cli.output import Json, Number, say, shown
from app.cli.remote import client
from app.core.errors import Invalid
from app.core.states import OVER, RunState
from app.directives import downloads

app = typer.Typer(no_args_is_help=True, help="Runs: a campaign's share at one carrier.")


@app.command()
def order(
    run_id: Number,
    out: Annotated[Path | None, typer.Option(help="The document to write: FILE.docx or FILE.pdf.")] = None,
    as_json: Json = False,
) -> None:
    """Print the order to a carrier that sends to its own subscribers, or write it as a document."""
    if out is not None:
        form = out.suffix.lower().removeprefix(".")
        if form not in ("docx", "pdf"):
            raise Invalid("--out must be a .docx or .pdf file.")
        written(out, carried_out(downloads.get_order_paper, {"run_id": run_id}, form=form))
        return
    found = carried_out(runs.get_order, {"run_id": run_id}, form="json" if as_json else "txt")
    if as_json:
        say(found, as_json)
    else:
        typer.echo(shown(found), nl=False)


@app.command()
def show(run_id: Number, as_json: Json = False) -> None:
    """Show one run, its progress, and what blocks it, for example a disconnected link."""
    found, ahead = (carried_out(act, {"run_id": run_id}) for act in (runs.get_run, runs.get_forecast))
    say({**to_jsonable_python(found), "warnings": ahead.warnings}, as_json)


# What a run that does not send waits for; `watch` repeats it after so many looks.
_WAITS = {
    RunState.PLANNED: "waiting to be started: `loa run start {}` once its campaign is approved",
    RunState.PAUSED: "paused: `loa run resume {}` continues it",
    RunState.SENT: "everything sent; waiting for receipts",
}
_LOOKS = 15


@app.command()
def watch(
    run_id: Number,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between checks.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Show a run's progress whenever it changes, until it ends. With --json, one line per change."""
    last = None
    for look, found in enumerate(_following(run_id, every)):
        if as_json:
            typer.echo(to_json(found).decode())
            continue
        counts = ", ".join(f"{count.messages:,} {state}" for state, count in sorted(found.progress.items()))
        line = f"run {found.id}: {found.state}; {found.not_queued:,} not queued; {counts}".rstrip("; ")
        if wait := _WAITS.get(found.state):
            line += f"; {wait.format(found.id)}"
        if line != last or (wait and look % _LOOKS == 0):
            typer.echo(line)
        last = line


def _following(run_id: int, every_s: float) -> Iterator[queries.RunSummary]:
    if common.server is not None:
        from loa_client.api.campaigns import RunSummary
        from loa_client.values import parse

        with client() as api:
            for each in api.watch_run(run_id):
                if each.event == "progress":
                    yield parse(RunSummary, each.data)
        return
    with open_db(looks=True) as (db, _):
        while (found := db.read(queries.run, run_id)).state not in OVER:
            yield found
            time.sleep(every_s)
        yield found


@app.command()
def forecast(run_id: Number, as_json: Json = False) -> None:
    """Show how long the run will take, when it will finish, and what is blocking it."""
    say(_ahead(carried_out(runs.get_forecast, {"run_id": run_id}), as_json), as_json)


def _ahead(forecast: Any, as_json: bool) -> Any:
    """Give times to the second to people: a forecast is no better than that."""
    if as_json:
        return forecast
    times = {name: getattr(forecast, name) for name in ("begins_at", "finishes_at")}
    local_times = {name: at and at.isoformat(sep=" ", timespec="seconds") for name, at in times.items()}
    return (
        asdict(forecast)
        | local_times
        | {"seconds": None if forecast.seconds is None else round(forecast.seconds, 1)}
    )


add_operations(app, "run", runs)
