"""`loa text`: the texts of messages/, and what a wording of your own costs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated

import typer

from app.campaigns import operations
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, listing, say, shown

app = typer.Typer(no_args_is_help=True, help="Prepared texts, and what a text costs.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the texts in messages/ with the SMS parts of each form."""
    found = carried_out(operations.list_texts, {})
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
def preview(
    wording: Annotated[str, typer.Argument(help="Your own text, in quotation marks.")],
    subscribers: Annotated[int, typer.Option(min=0, help="The number of people.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what a text costs in both forms, with advice. Nothing is stored."""
    found = carried_out(operations.preview_text, {}, text=wording, subscribers=subscribers)
    if as_json:
        say(found, as_json)
        return
    for name, form in (("unaccented", found.unaccented), ("accented", found.accented)):
        total = f", {form.total_segments:,} for {subscribers:,} subscribers" if subscribers else ""
        typer.echo(shown(f"{name}: {form.segments} SMS parts{total}\n  {form.wording}"))
    for position, severity, sentence in found.advice:
        typer.echo(f"{severity} at character {position + 1}: {sentence}")


add_operations(app, "text", operations)
