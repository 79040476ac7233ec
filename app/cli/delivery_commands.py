"""`loa delivery`: what one person got of every campaign."""

from __future__ import annotations

import sys
from dataclasses import asdict
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from app.cli.operation_commands import carried_out
from app.cli.output import Json, listing, say
from app.dispatch import decisions as decisions  # its operations

app = typer.Typer(no_args_is_help=True, help="Deliveries: what one person received.")
_COLUMNS = (
    "campaign_id",
    "campaign",
    "carrier",
    "state",
    "reason",
    "link",
    "submitted_at",
    "done_at",
    "batch_id",
    "line",
)


@app.callback()
def delivery() -> None:
    """Deliveries: what one person received."""


@app.command()
def find(
    number: Annotated[
        str | None, typer.Argument(help="In any usual form; default: read from standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every campaign's delivery to this exact number, masked. The audit log records who looked."""
    wanted = number if number is not None else sys.stdin.readline()
    found = carried_out("find_person", {}, phone=wanted.strip())
    if as_json:
        say(found, as_json)
        return
    listing([_in_words(asdict(each)) for each in found.deliveries], _COLUMNS, as_json)
    for each in found.do_not_send:
        since = each.added_at.isoformat(sep=" ", timespec="minutes")
        typer.echo(f"{found.phone} is on the do-not-send list of {each.carrier} since {since}.")
    if not found.deliveries:
        typer.echo(
            f"None of {found.campaigns} campaigns has a delivery to {found.phone}. It was not in "
            "their files, was a duplicate in another list, is not queued yet, or its rows "
            "are erased."
        )


def _in_words(delivery: dict[str, Any]) -> SimpleNamespace:
    """Give state and reason as words with blanks."""
    for name in ("state", "reason"):
        delivery[name] = delivery[name] and delivery[name].replace("_", " ")
    return SimpleNamespace(**delivery)
