"""`loa verify`: recount everything, and exit with status 1 on any difference."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.common import open_db
from app.cli.output import keep, whoami, whole
from app.core import clock
from app.ledger.ledger import ledger_for
from app.reports.verification.snapshot_recount import Contradiction
from app.reports.verification.tally_repair import Repair, repair, set_aside, settle
from app.reports.verification.verify import Verification, examine
from app.signed_orders import kept_documents

# Enough to recognise the problem; --json has all.
_SHOWN = 50


def verify(
    campaign: Annotated[
        int | None, typer.Option(parser=whole, help="Only this campaign. Default: all.")
    ] = None,
    mend: Annotated[
        bool, typer.Option("--repair", help="First correct tallies and journal from the rows.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Recount every figure from the rows. Exit status 1 if anything differs.

    With --repair, tallies that differ are corrected from the rows while sending continues. Messages that a
    receipt has settled are recorded as accepted where that was missing. Snapshots taken while the clock was
    ahead are set aside. Each batch and each snapshot gets an audit entry.
    Before a repair, keep a backup and the output of `loa verify`.
    """
    with open_db(looks=True, working="Recounting every row") as (db, _):
        ledger = ledger_for(db)
        repaired = repair(db, ledger, whoami(), campaign, _say) if mend else []
        settled = settle(db, whoami(), campaign, _say_settled) if mend else 0
        aside = set_aside(db, whoami(), campaign, _say_set_aside) if mend else 0
        verdict = examine(db, ledger, campaign, checks=(kept_documents.differences,))
    said = document(verdict) | (
        {"repaired": [asdict(each) for each in repaired], "recorded": settled, "set_aside": aside}
        if mend
        else {}
    )
    figures = json.dumps(said, ensure_ascii=False)
    keep("verify", figures)
    typer.echo(figures if as_json else text(verdict))
    if verdict.differences:
        raise typer.Exit(1)


def _say(done: Repair) -> None:
    where = f"campaign {done.campaign_id}, batch {done.batch_id}"
    typer.echo(f"REPAIRED: {where}: {len(done.counts)} tallies.", err=True)


def _say_settled(campaign_id: int, batch_id: int, n: int) -> None:
    where = f"campaign {campaign_id}, batch {batch_id}"
    typer.echo(
        f"REPAIRED: {where}: {n} messages recorded as accepted, according to their receipts.", err=True
    )


def _say_set_aside(found: Contradiction) -> None:
    at = f"{clock.moment(found.taken_ms):%d/%m/%Y %H:%M:%S}"
    typer.echo(f"REPAIRED: run {found.run_id}: the snapshot of {at} was set aside.", err=True)


def document(verdict: Verification) -> dict[str, object]:
    return {
        "verified": not verdict.differences,
        "counted_rows": verdict.counted,
        "erased": list(verdict.erased),
        "differences": [asdict(difference) for difference in verdict.differences],
    }


def text(verdict: Verification) -> str:
    lines = [f"{table.replace('_', ' '):<14}{n:>14,}" for table, n in verdict.counted.items()]
    lines += verdict.erased
    lines += [f"DIFFERENCE: {difference.sentence}" for difference in verdict.differences[:_SHOWN]]
    if len(verdict.differences) > _SHOWN:
        lines.append(f"... and {len(verdict.differences) - _SHOWN} more; --json lists all.")
    end = (
        f"{len(verdict.differences)} differences." if verdict.differences else "Verified: all figures match."
    )
    return "\n".join([*lines, end])
