"""`loa compare`: repeated campaigns, carriers against the norm, campaigns area by area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from app.cli.output import Json, Number, listing, say, whole
from app.cli.remote import asked
from app.core.masking import escaped
from app.reports.build import comparison
from app.reports.build.comparison import RunShare
from app.reports.figures.by_area import Mixed
from app.reports.figures.numbers import percent

app = typer.Typer(no_args_is_help=True, help="Rounds, carriers and areas side by side.")

_SHARE = ("carrier", "kind", "level", "sent", "received", "failed", "open", "ratio", "verdict")


@dataclass(frozen=True, slots=True)
class _Area:
    code: str
    name: str
    measured: str
    stated: str
    beside_measured: str = ""
    beside_stated: str = ""


@dataclass(frozen=True, slots=True)
class _Share:
    carrier: str
    kind: str | None
    level: str | None
    sent: int
    received: int | None
    failed: int | None
    open: int | None
    ratio: str
    verdict: str


def _row(of: RunShare) -> _Share:
    """The ratio in per cent, as reports print it."""
    counts = (of.sent, of.received, of.failed, of.open)
    return _Share(of.carrier, of.kind, of.level, *counts, percent(of.ratio), of.verdict)


@app.command()
def rounds(campaign_id: Number, as_json: Json = False) -> None:
    """Show the campaigns with the same text under the same directive, in order."""
    found = asked(lambda api: api.get_rounds(campaign_id), lambda db: db.read(comparison.rounds, campaign_id))
    if as_json:
        say(found, as_json)
        return
    for each in found:
        typer.echo(f"{each.nth}. {escaped(each.name)} (campaign {each.campaign_id})")
        listing([_row(share) for share in each.shares], _SHARE, as_json)


@app.command()
def carriers(campaign_id: Number, as_json: Json = False) -> None:
    """Show the carriers of a campaign against each other and the norm."""
    found = asked(
        lambda api: api.compare_carriers(campaign_id), lambda db: db.read(comparison.carriers, campaign_id)
    )
    if as_json:
        say(found, as_json)
        return
    typer.echo(found.norm)
    listing([_row(share) for share in found.shares], _SHARE, as_json)


@app.command()
def areas(
    campaign_id: Number,
    beside: Annotated[
        int | None, typer.Option(parser=whole, help="Another campaign, on common ground.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show sent and received by area: measured, and stated or entered by hand."""
    if beside is None:
        own = asked(
            lambda api: api.get_areas(campaign_id), lambda db: db.read(comparison.areas_of, campaign_id)
        )
        rows = [_Area(row.code or "", row.name, *_shares(row.figures)) for row in own]
        listing(own if as_json else rows, ("code", "name", "measured", "stated"), as_json)
        return
    other = beside
    found = asked(
        lambda api: api.compare_areas(campaign_id, other),
        lambda db: db.read(comparison.compare_areas, campaign_id, other),
    )
    if as_json:
        say(found, as_json)
        return
    pairs = [_Area(row.code or "", row.name, *_shares(row.first), *_shares(row.second)) for row in found.rows]
    listing(pairs, ("code", "name", "measured", "stated", "beside_measured", "beside_stated"), as_json)
    for note in found.footnotes:
        typer.echo(note)


def _shares(of: Mixed) -> tuple[str, str]:
    """Format received/sent: measured with handset receipts, and stated or else entered by hand.

    Messages of other links follow as -/sent: nobody can tell how many were received.
    """
    stated = of.stated or of.manual
    return _measured(
        of
    ), "" if stated is None else f"{'-' if stated.received is None else stated.received}/{stated.sent}"


def _measured(of: Mixed) -> str:
    if of.measured is None:
        return ""
    proved = f"{of.handset.delivered}/{of.handset.sent}" if of.handset else ""
    rest = of.measured.sent - (of.handset.sent if of.handset else 0)
    return " + ".join(filter(None, (proved, f"-/{rest}" if rest or not proved else "")))
