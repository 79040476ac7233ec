"""`loa text`: the texts of messages/, and what a wording of your own costs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated

import typer

from app.api.bodies import filled
from app.campaigns import text_cost, texts
from app.campaigns.schemas import WordingBody
from app.cli import common
from app.cli.output import Json, listing, say, shown
from app.cli.remote import at_server

app = typer.Typer(no_args_is_help=True, help="Prepared texts, and what a text costs.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the texts in messages/ with the SMS parts of each form."""
    if common.server is not None:
        _list_of_server(as_json)
        return
    found = texts.all_texts()
    if as_json:
        say(found, as_json)
        return
    rows = [
        SimpleNamespace(
            key=each.key,
            purpose=each.purpose,
            unaccented=text_cost.preview(each.unaccented).segments,
            accented=text_cost.preview(each.accented).segments,
            title=each.title,
        )
        for each in found
    ]
    listing(rows, ("key", "purpose", "unaccented", "accented", "title"), as_json)


def _list_of_server(as_json: bool) -> None:
    found = at_server(lambda api: api.list_texts())
    rows = [
        SimpleNamespace(
            key=each.key,
            purpose=each.purpose,
            unaccented=each.unaccented.segments,
            accented=each.accented.segments,
            title=each.title,
        )
        for each in found
    ]
    columns = ("key", "purpose", "unaccented", "accented", "title")
    listing(found if as_json else rows, columns, as_json)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="The key in `loa text list`.")], as_json: Json = False
) -> None:
    """Show one text from messages/ in its forms."""
    found = at_server(lambda api: api.get_text(key)) if common.server else texts.find(key)
    say(found, as_json)


@app.command()
def preview(
    wording: Annotated[str, typer.Argument(help="Your own text, in quotation marks.")],
    subscribers: Annotated[int, typer.Option(min=0, help="The number of people.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what a text costs in both forms, with advice. Nothing is stored."""
    filled(WordingBody, {"text": wording})
    found = (
        at_server(lambda api: api.preview_text(text=wording, subscribers=subscribers))
        if common.server
        else text_cost.previews(wording, subscribers)
    )
    if as_json:
        say(found, as_json)
        return
    for name, form in (("unaccented", found.unaccented), ("accented", found.accented)):
        total = f", {form.total_segments:,} for {subscribers:,} subscribers" if subscribers else ""
        typer.echo(shown(f"{name}: {form.segments} SMS parts{total}\n  {form.wording}"))
    for position, severity, sentence in found.advice:
        typer.echo(f"{severity} at character {position + 1}: {sentence}")
