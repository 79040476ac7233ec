"""`loa run`: runs, and orders on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from pydantic_core import to_json, to_jsonable_python

from app.campaigns import carrier_orders, queries
from app.campaigns import runs as runs  # its operations
from app.cli import common
from app.cli.common import open_db
from app.cli.files import replace_whole
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, say, shown
from app.cli.remote import asked, at_server, client
from app.core.errors import Invalid
from app.core.states import RunState

app = typer.Typer(no_args_is_help=True, help="Runs: a campaign's share at one carrier.")


@app.command()
def order(
    run_id: Number,
    out: Annotated[Path | None, typer.Option(help="The document to write: FILE.docx or FILE.pdf.")] = None,
    as_json: Json = False,
) -> None:
    """Print the order to a carrier that sends to its own subscribers, or write it as a document."""
    if out is not None:
        replace_whole(out, _paper(run_id, out))
        typer.echo(f"Wrote {out}.")
        return
    form: Literal["json", "txt"] = "json" if as_json else "txt"
    found = asked(
        lambda api: api.get_order(run_id, format=form), lambda db: db.read(carrier_orders.order, run_id)
    )
    if as_json:
        say(found, as_json)
    else:
        typer.echo(shown(found if isinstance(found, str) else carrier_orders.as_text(found)), nl=False)


def _paper(run_id: int, out: Path) -> bytes:
    from app.directives import order_document  # slow to import
    from app.reports.export.formats import PAPERS, Format
    from app.reports.forms import letterhead

    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in ("docx", "pdf"):
        raise Invalid("--out must be a .docx or .pdf file.")
    if common.server is not None:
        content: bytes = at_server(lambda api: api.get_order_paper(run_id, format=cast("Any", suffix)))
        return content
    with open_db(looks=True) as (db, settings):
        found = db.read(carrier_orders.order, run_id)
    return PAPERS[Format(suffix)](order_document.compose(found, letterhead.load(settings.letterheads)))


@app.command()
def show(run_id: Number, as_json: Json = False) -> None:
    """Show one run, its progress, and what blocks it, for example a disconnected link."""
    found, ahead = (carried_out(name, {"run_id": run_id}) for name in ("get_run", "get_forecast"))
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
    """Show a run's progress whenever it changes, until it ends. With --json, one line each."""
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
    over = (RunState.FINISHED, RunState.CANCELLED)
    with open_db(looks=True) as (db, _):
        while (found := db.read(queries.run, run_id)).state not in over:
            yield found
            time.sleep(every_s)
        yield found


@app.command()
def forecast(run_id: Number, as_json: Json = False) -> None:
    """Show how long the run takes, when it will finish, and what prevents that."""
    say(_ahead(carried_out("get_forecast", {"run_id": run_id}), as_json), as_json)


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


add_operations(app, "run")
