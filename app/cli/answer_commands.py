"""`loa answer`: what citizens get back when they write to us."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from app.api.bodies import filled
from app.campaigns import answer_texts
from app.campaigns.answer_routes import AnswerBody
from app.campaigns.drafts import TextForm
from app.campaigns.quiet_hours import DayHours
from app.cli import common
from app.cli.common import open_db
from app.cli.output import Json, done, listing, whoami, whole
from app.cli.remote import asked, at_server
from app.core.answer_kinds import AnswerKind

app = typer.Typer(no_args_is_help=True, help="Answer texts: what citizens get back when they write to us.")

_COLUMNS = ("id", "answers_to", "state", "in_use", "answered", "unanswered", "sender", "text")


@app.command()
def create(
    answers_to: Annotated[AnswerKind, typer.Argument(help="The kind of message, or the verdict on a text.")],
    sender: Annotated[str, typer.Option(help="The registered sender name.")],
    text: Annotated[str | None, typer.Option(help="The wording.")] = None,
    text_key: Annotated[str | None, typer.Option(help="Or a text of messages/.")] = None,
    form: Annotated[TextForm, typer.Option(help="Which form goes out.")] = TextForm.UNACCENTED,
    day_starts: Annotated[str | None, typer.Option(help="Sending begins each day, HH:MM.")] = None,
    day_ends: Annotated[str | None, typer.Option(help="Sending ends each day, HH:MM.")] = None,
    budget: Annotated[int | None, typer.Option(parser=whole, help="The most SMS parts.")] = None,
) -> None:
    """Enter an answer text; `loa campaign submit`, `approve` and `withdraw` take its number."""
    said: dict[str, Any] = {"answers_to": answers_to, "sender": sender, "text": text, "text_key": text_key}
    said |= {"form": form, "day_starts": day_starts, "day_ends": day_ends, "budget_segments": budget}
    body = filled(AnswerBody, said)
    if common.server is not None:
        made = at_server(lambda api: api.create_answer(**cast("Any", body.model_dump(mode="json")))).id
    else:
        with open_db(founds=True) as (db, settings):
            default = DayHours(settings.day_starts, settings.day_ends)
            made = db.write(answer_texts.create, body.request(), default, whoami())
    done(f"Campaign {made}", campaign=made)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the answer texts, which are in use, and what became of the messages of their kind."""
    found = asked(lambda api: list(api.list_answers()), lambda db: db.read(answer_texts.page))
    listing(found, _COLUMNS, as_json)
