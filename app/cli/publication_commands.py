"""`loa publication`: where the text of a campaign was published."""

from __future__ import annotations

from typing import Annotated

import typer

from app.api.bodies import filled
from app.cli import common
from app.cli.common import open_db
from app.cli.output import Json, Number, done, listing, whoami, whole
from app.cli.remote import asked, at_server
from app.directives.publication import published
from app.directives.publication.schemas import PublicationBody
from app.reports.figures import publications

app = typer.Typer(
    no_args_is_help=True, help="Where the text was published, and whether it still stands there."
)

Of = Annotated[int, typer.Option("--campaign", parser=whole, help="Whose text it is.")]


@app.command("list")
def list_(directive_id: Number, as_json: Json = False) -> None:
    """Show the addresses, and what was found there when they were read last."""
    found = asked(
        lambda api: api.list_publications(directive_id),
        lambda db: db.read(publications.of_directive, directive_id),
    )
    shown = ("id", "addressee", "campaign_id", "url", "state", "since", "read_at", "failing_since", "failure")
    listing(found, (*shown, "differences"), as_json)


@app.command()
def report(directive_id: Number, addressee: str, url: str, campaign: Of) -> None:
    """Report where an addressee has published the text; it is read now and at intervals."""
    body = filled(PublicationBody, {"addressee": addressee, "campaign_id": campaign, "url": url})
    if common.server is not None:
        at_server(lambda api: api.report_publication(directive_id, **body.model_dump()))
    else:
        with open_db() as (db, settings):
            db.write(published.report, directive_id, body.claim(), settings, whoami())
    done("The address is kept.", directive=directive_id, url=body.url)


@app.command()
def withdraw(directive_id: Number, addressee: str, url: str, campaign: Of) -> None:
    """Take back an address that was reported by mistake."""
    body = filled(PublicationBody, {"addressee": addressee, "campaign_id": campaign, "url": url})
    asked(
        lambda api: api.withdraw_publication(directive_id, **body.model_dump()),
        lambda db: db.write(published.withdraw, directive_id, body.claim(), whoami()),
        looks=False,
    )
    done("The address is taken back.", directive=directive_id, url=body.url)
