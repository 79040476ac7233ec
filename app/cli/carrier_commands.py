"""`loa carrier`: list and check links, send a test message, compare figures, read failures.

The state and health of links: `loa link`, operations of app/dispatch/links.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

import typer
from pydantic_core import to_json

from app.campaigns.drafts import TextForm
from app.cli.common import ledger_for, open_db
from app.cli.output import Json, listing, shown, whoami
from app.core import config
from app.core.config import LinkSettings, Settings
from app.core.errors import Invalid
from app.core.phone import mask
from app.diagnostics import carrier_totals, link_checks, message
from app.diagnostics import carrier_totals as own
from app.diagnostics.message import wording
from app.observability import logs
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from carriers.contract import OutboundSms, Receipt

app = typer.Typer(no_args_is_help=True, help="Links to carriers: check and test them.")

Name = Annotated[str, typer.Argument(help="The link's name.")]
Day = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="A day in Vietnam time, for example 2026-02-09.")
]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the links of the settings and what each can do; `loa link list` shows their state and health."""
    found = link_checks.listed(config.load())
    columns = ("link", "carrier", "kind", "segments_per_second", "receipts", "poll", "test_numbers", "can")
    listing(found, columns, as_json)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A link, or a carrier to check all its links.")],
    as_json: Json = False,
) -> None:
    """Check that a link works and its account is in order. Exit status 1 if not. Sends nothing."""
    found = asyncio.run(link_checks.check(link_checks.chosen(_settings(), name)))
    if as_json:
        typer.echo(to_json(found, indent=2).decode())
    for finding in () if as_json else found:
        typer.echo(shown(f"{finding.link}: {'good' if finding.good else 'BAD '}  {finding.what}"))
    if not all(finding.good for finding in found):
        raise typer.Exit(1)


@app.command("test-send")
def try_out(
    link: Name,
    number: Annotated[str, typer.Argument(help="One of the link's test_numbers.")],
    sender: Annotated[str, typer.Option(help="The registered sender ID.")],
    text_key: Annotated[str | None, typer.Option(help="A text from messages/.")] = None,
    text: Annotated[str | None, typer.Option(help="Your own text, instead of --text-key.")] = None,
    form: Annotated[TextForm, typer.Option(help="The form of the text to send.")] = TextForm.UNACCENTED,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for the outcome.")] = 30,
    as_json: Json = False,
) -> None:
    """Send one message to a test number, outside any campaign, and show the carrier's answer.

    Exit status 1 when it was not accepted, or failed.
    """
    said = wording(text_key, text, form, sender)
    with open_db() as (db, settings):
        logs.configure(_quiet(settings))
        own_link = _link(settings, link)
        phone = message.may_be_written_to(link, own_link, number)
        ledger = ledger_for(db, settings.chunk_size)
        context = message.MessageContext(db, ledger, whoami(), (lambda _: None) if as_json else typer.echo)
        sent = asyncio.run(message.send(context, link, own_link, OutboundSms(phone, said, sender), wait))
    if as_json:
        typer.echo(to_json(sent.record(link, number), indent=2).decode())
    if not sent.good:
        raise typer.Exit(1)


@app.command()
def figures(
    link: Name,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day.")],
    as_json: Json = False,
) -> None:
    """Show the carrier's own figures beside the ledger's. Neither corrects the other."""
    with open_db() as (db, settings):
        logs.configure(_quiet(settings))
        days = (first.date(), last.date())
        if days[0] > days[1]:
            raise Invalid("--from must be before --to.")
        stated = asyncio.run(own.stated(link, _link(settings, link), *days))
        ours = db.read(own.ours, link, *days)
    if as_json:
        typer.echo(to_json({"the_carriers_own": stated, "our_ledger": ours}, indent=2).decode())
        return
    typer.echo(f"The carrier's own figures ({link}):")
    listing(stated, ("period", "name", "count"), as_json)
    typer.echo("\nThe ledger, for what was handed to the link on these days:")
    listing(ours, ("state", "messages", "segments"), as_json)


@app.command()
def failures(
    link: Name,
    day: Day,
    sender: Annotated[str, typer.Option(help="The registered sender ID.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Record each entry in the ledger as a receipt.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the numbers that the carrier could not reach on a day. Numbers not listed are not
    necessarily delivered."""
    settings = _settings()
    found = asyncio.run(carrier_totals.read(link, _link(settings, link), day.date(), sender))
    listing([_entry(receipt) for receipt in found], ("number", "code", "said"), as_json)
    if apply:
        _apply(link, (sender, day.date()), found)


@dataclass(frozen=True, slots=True)
class _Entry:
    number: str
    code: str
    said: str


def _entry(receipt: Receipt) -> _Entry:
    return _Entry(mask(receipt.phone or "-"), receipt.code, mask(receipt.raw[:80]))


def _apply(link: str, what: tuple[str, date], receipts: Sequence[Receipt]) -> None:
    with open_db() as (db, settings):
        inbox = Inbox(db, ledger_for(db, settings.chunk_size), Metrics())
        applied = asyncio.run(
            carrier_totals.take_in(inbox, whoami(), link, _link(settings, link), what, receipts)
        )
    typer.echo(
        f"{applied.entries} entries: {applied.new} new to the ledger, {applied.known} already known, "
        f"{applied.foreign} not from Loa, {applied.unclear} that could refer to several messages.",
        err=True,
    )


def _settings() -> Settings:
    settings = config.load()
    logs.configure(_quiet(settings))
    return settings


def _quiet(settings: Settings) -> Settings:
    """Raise the log level, so that a working link logs nothing into the command's output."""
    return settings.model_copy(update={"log_level": "error", "log_format": "text"})


def _link(settings: Settings, name: str) -> LinkSettings:
    if name not in settings.links:
        raise Invalid("Link {name} does not exist. Run `loa carrier list` to see the links.", name=name)
    return settings.links[name]
