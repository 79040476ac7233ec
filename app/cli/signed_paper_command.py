"""`loa report signed`: hand in a signed PDF that came back, and read what its signatures prove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import common, remote
from app.cli.common import open_db
from app.cli.files import readable
from app.cli.output import Json, Number, say, shown, whoami
from app.reports.frozen import archive, signed_papers
from app.reports.frozen.signed_papers import SignedPaper, SignedPapers

if TYPE_CHECKING:
    from loa_client import LoaClient


def signed(
    report_id: Number,
    file: Annotated[
        Path | None, typer.Argument(callback=readable, help="the signed PDF; without one, those are listed")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep a signed PDF that came back and say what its signatures prove. Status 1 if any is in doubt."""
    found: list[Any] = (
        remote.at_server(lambda api: _signed_there(api, report_id, file))
        if common.server
        else _signed_here(report_id, file)
    )
    if as_json:
        say(found, True)
    for each in [] if as_json else found:
        lines = (f"{each.name}, sha256 {each.sha256}, handed in by {each.by}:", *each.sentences)
        typer.echo(shown("\n  ".join(lines)))
    if not all(each.good for each in found):
        raise typer.Exit(1)


def _signed_there(api: LoaClient, report_id: int, file: Path | None) -> list[Any]:
    return [api.keep_signed_paper(report_id, file=file)] if file else api.list_signed_papers(report_id)


def _signed_here(report_id: int, file: Path | None) -> list[SignedPaper]:
    with open_db(looks=file is None, working="Checking the signatures") as (db, settings):
        papers = SignedPapers(db, settings.signature_roots, whoami(), None)
        if file:
            return [db.write(papers.keep, report_id, file, papers.check(report_id, file))]
        db.read(archive.get, report_id)
        return db.read(signed_papers.of_report, report_id)
