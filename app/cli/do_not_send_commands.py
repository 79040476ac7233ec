"""`loa do-not-send`: numbers that a carrier's runs leave out, from arguments, a file or stdin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from app.batches.row_parser import open_rows
from app.cli.common import decider, open_db
from app.cli.files import as_file, read_twice
from app.cli.operation_commands import Act, add_operations, carried_out
from app.cli.output import Json, done, say
from app.cli.remote import RequestRefused
from app.core.carrier_check import check_own
from app.core.errors import Forbidden, Invalid
from app.file_import.row_blocks import UnreadableLine
from app.ledger import opt_out_seal
from app.privacy import operations
from app.privacy.do_not_send import MOST, Changed, RefusedEntry

app = typer.Typer(no_args_is_help=True, help="Numbers that a carrier's runs exclude.")

Carrier = Annotated[str, typer.Option(help="viettel, vnpt, mobifone ...")]
Numbers = Annotated[
    list[str] | None, typer.Argument(help="In any usual form; default: read from standard input.")
]


@app.command()
def add(carrier: Carrier, numbers: Numbers = None, as_json: Json = False) -> None:
    """Add numbers to the list. Runs exclude them from now on."""
    _carry_out(operations.add_do_not_send, carrier, iter(numbers or _typed()), as_json)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(callback=read_twice, help="CSV (also .gz) or XLSX with a column of numbers.")
    ],
    carrier: Carrier,
    as_json: Json = False,
) -> None:
    """Add the numbers of a file to the list; `refused` lists the lines that were not accepted."""
    as_file(file, None)  # names the file if it can't be read
    places: list[int] = []

    def cells() -> Iterator[str]:
        for row in open_rows(file):
            bad = isinstance(row, UnreadableLine)
            places.append(row[0])
            yield "?" if bad else row[1]

    _carry_out(operations.add_do_not_send, carrier, cells(), as_json, places)


@app.command()
def remove(carrier: Carrier, numbers: Numbers = None, as_json: Json = False) -> None:
    """Remove numbers from the list."""
    _carry_out(operations.remove_do_not_send, carrier, iter(numbers or _typed()), as_json)


@app.command()
def seal(carrier: Carrier) -> None:
    """Seal the list as it is after a restore or a change outside Loa. Compare it first."""
    with open_db() as (db, _):
        who = db.read(decider, "add_do_not_send")
        if who.carrier is not None:
            raise Forbidden("Operators cannot seal a list. Ask an administrator.", field="carrier")
        count = db.write(opt_out_seal.seal, carrier, who.name)
    done(f"The list of {carrier} was sealed with {count} numbers.", carrier=carrier, numbers=count)


def _typed() -> list[str]:
    """Read one number per line: command lines are visible to other users of the host."""
    return [line for line in sys.stdin.read().splitlines() if line.strip()]


def _carry_out(
    act: Act, carrier: str, numbers: Iterator[str], as_json: bool, places: Sequence[int] = ()
) -> None:
    opens = {"check": partial(check_own, carrier=carrier)}
    try:
        done = _in_parts(
            lambda part: carried_out(act, {}, opens=opens, carrier=carrier, numbers=part), numbers
        )
    except RequestRefused as error:
        if error.maybe_done:
            shown = f"`loa do-not-send list --carrier {carrier}` shows the list"
            raise Invalid(
                "{detail} {shown}. Repeating the command changes nothing.", detail=error.detail, shown=shown
            ) from None
        raise
    if places:
        refused = [RefusedEntry(places[each.place - 1], each.why) for each in done.refused]
        done = Changed(done.changed, done.unchanged, refused)
    say(done, as_json)
    if not (done.changed or done.unchanged):
        raise typer.Exit(1)


def _in_parts(change: Callable[[list[str]], Changed], numbers: Iterator[str]) -> Changed:
    """Apply in parts, so that other writers never wait long; each part has its own audit entry."""
    total, before = Changed(0, 0, []), 0
    while part := list(islice(numbers, MOST)):
        done = change(part)
        refused = [RefusedEntry(before + each.place, each.why) for each in done.refused]
        total = Changed(
            total.changed + done.changed, total.unchanged + done.unchanged, total.refused + refused
        )
        before += len(part)
    return total


add_operations(app, "do-not-send", operations)
