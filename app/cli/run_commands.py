"""`loa run`: runs, and orders on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from pydantic_core import to_json, to_jsonable_python

from app.api.bodies import filled
from app.campaigns import carrier_orders, queries, runs
from app.campaigns.forecast import forecast as forecast_run
from app.campaigns.schemas import PriorityBody, RateBody
from app.cli import common
from app.cli.common import open_db
from app.cli.files import replace_whole
from app.cli.output import Json, Number, done, instant, listing, say, shown, whoami, whole
from app.cli.remote import asked, at_server, client
from app.core import clock
from app.core.errors import Invalid
from app.core.states import RunState

app = typer.Typer(no_args_is_help=True, help="Runs: a campaign's share at one carrier.")


At = Annotated[
    str | None,
    typer.Option(help=("When the carrier started or ended, with a time zone; only if it sends itself.")),
]


@app.command()
def start(run_id: Number, at: At = None) -> None:
    """Start sending what was approved. For a carrier that sends itself, record that it started."""
    _order(runs.Verb.START, run_id, at)


@app.command()
def end(run_id: Number, at: At = None) -> None:
    """Record that a carrier that sends to its own subscribers has finished."""
    _order(runs.Verb.END, run_id, at)


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


@app.command()
def pause(run_id: Number) -> None:
    """Pause sending. Messages in flight still arrive."""
    _order(runs.Verb.PAUSE, run_id)


@app.command()
def resume(run_id: Number) -> None:
    """Continue with the next message."""
    _order(runs.Verb.RESUME, run_id)


@app.command()
def cancel(run_id: Number) -> None:
    """Stop sending permanently."""
    _order(runs.Verb.CANCEL, run_id)


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


def _order(verb: runs.Verb, run_id: int, at: str | None = None) -> None:
    moment = instant("at", at)
    state = asked(
        lambda api: getattr(api, f"{verb}_run")(run_id, **({"at": moment} if moment else {})).state,
        lambda db: runs.order(db, verb, run_id, whoami(), moment),
        looks=False,
    )
    done(f"Run {run_id} is {state}.", run=run_id, state=state)


@app.command()
def priority(run_id: Number, number: int) -> None:
    """Set the run's priority among the runs of its carrier; higher is sent first."""
    filled(PriorityBody, {"priority": number})
    asked(
        lambda api: api.set_priority(run_id, priority=number),
        lambda db: db.write(runs.set_priority, run_id, number, whoami()),
        looks=False,
    )
    done(f"Run {run_id} has priority {number}.", run=run_id, priority=number)


@app.command()
def rate(run_id: Number, number: Annotated[int | None, typer.Argument()] = None) -> None:
    """Limit the run to this many SMS parts per second; without a number, to the rate of the links."""
    filled(RateBody, {"segments_per_second": number})
    asked(
        lambda api: api.set_rate(run_id, segments_per_second=number),
        lambda db: db.write(runs.set_rate, run_id, number, whoami()),
        looks=False,
    )
    said = "the rate of the links" if number is None else f"a rate of {number} SMS parts per second"
    done(f"Run {run_id} has {said}.", run=run_id, segments_per_second=number)


@app.command("list")
def list_(
    campaign: Annotated[int | None, typer.Option(parser=whole, help="Only of this campaign.")] = None,
    state: Annotated[RunState | None, typer.Option(help="Only in this state.")] = None,
    carrier: Annotated[str | None, typer.Option(help="Only at this carrier.")] = None,
    as_json: Json = False,
) -> None:
    """Show the runs."""
    wanted = queries.RunFilter(campaign_id=campaign, state=state, carrier=carrier)
    found = asked(
        lambda api: list(
            api.list_runs(campaign_id=campaign, state=cast("Any", state), carrier=carrier, limit=1000)
        ),
        lambda db: list(db.read(queries.runs_page, 0, 1000, wanted)),
        listed=carrier,
    )
    listing(found, ("id", "campaign_id", "carrier", "state", "subscribers", "started_at"), as_json)


@app.command()
def show(run_id: Number, as_json: Json = False) -> None:
    """Show one run, its progress, and what blocks it, for example a disconnected link."""
    found, ahead = asked(
        lambda api: (api.get_run(run_id), api.get_forecast(run_id)),
        lambda db: (db.read(queries.run, run_id), db.read(forecast_run, run_id, clock.now())),
    )
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
    if common.server is not None:
        say(_ahead(at_server(lambda api: api.get_forecast(run_id)), as_json), as_json)
        return
    with open_db(looks=True) as (db, settings):
        say(_ahead(db.read(forecast_run, run_id, clock.now(), settings.rates), as_json), as_json)


def _ahead(found: Any, as_json: bool) -> Any:
    """Give times to the second to people: a forecast is no better than that."""
    if as_json:
        return found
    times = {name: getattr(found, name) for name in ("begins_at", "finishes_at")}
    local_times = {name: at and at.isoformat(sep=" ", timespec="seconds") for name, at in times.items()}
    return (
        asdict(found) | local_times | {"seconds": None if found.seconds is None else round(found.seconds, 1)}
    )
