"""`loa verify`: recount everything, and fail loudly on any difference."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.common import open_db
from app.cli.talk import keep, whole
from app.ledger.choose import ledger_for
from app.reports.verify import Verdict, examine

# Enough to see what kind of trouble it is; --json has all.
_SHOWN = 50


def verify(
    campaign: Annotated[
        int | None, typer.Option(parser=whole, help="one campaign; all, when not given")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Count every figure anew from the rows; exit status 1 when anything differs."""
    with open_db() as (db, _):
        verdict = examine(db, ledger_for(db), campaign)
    figures = json.dumps(document(verdict), ensure_ascii=False)
    keep("verify", figures)
    typer.echo(figures if as_json else text(verdict))
    if verdict.differences:
        raise typer.Exit(1)


def document(verdict: Verdict) -> dict[str, object]:
    """The verdict for machines: `counted_rows` by table, and the differences."""
    return {
        "verified": not verdict.differences,
        "counted_rows": verdict.counted,
        "erased": list(verdict.erased),
        "differences": [asdict(difference) for difference in verdict.differences],
    }


def text(verdict: Verdict) -> str:
    """The verdict for people."""
    lines = [f"{table.replace('_', ' '):<14}{n:>14,}" for table, n in verdict.counted.items()]
    lines += verdict.erased
    lines += [f"DIFFERENCE: {difference.sentence}" for difference in verdict.differences[:_SHOWN]]
    if len(verdict.differences) > _SHOWN:
        lines.append(f"... and {len(verdict.differences) - _SHOWN} more; --json lists all.")
    end = (
        f"{len(verdict.differences)} differences."
        if verdict.differences
        else "Verified: every figure agrees."
    )
    return "\n".join([*lines, end])
