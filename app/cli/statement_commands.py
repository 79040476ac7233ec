"""`loa statement`: figures stated by a carrier or entered from its document."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from pydantic import ValidationError
from sqlalchemy import Connection

from app.api.bodies import refuse_repeated
from app.cli import common
from app.cli.common import open_db
from app.cli.files import readable, replace_whole
from app.cli.output import Json, Number, done, listing, say, whoami
from app.cli.remote import asked, at_server
from app.core.errors import Invalid
from app.database.connection import Database
from app.file_import.upload import UploadedFile, shown_name
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import attachments, statement_service, views
from app.reports.intake.schemas import StatementBody
from app.reports.intake.statement_input import StatementInput

if TYPE_CHECKING:
    from loa_client import LoaClient


@dataclass(frozen=True, slots=True)
class _Row:
    version: int
    kind: str
    level: str
    sent: int
    received: int | None
    by: str


app = typer.Typer(no_args_is_help=True, help="Figures stated by carriers or entered by hand.")


@app.command("form")
def form_(run_id: Number, out: Annotated[Path, typer.Option(help="The workbook to write.")]) -> None:
    """Write the workbook in which a carrier states its figures."""

    def here(db: Database) -> bytes:
        from app.reports.intake import statement_workbook  # slow to import

        return statement_workbook.build(db.read(statement_workbook.head, run_id))

    content = asked(lambda api: api.get_statement_form(run_id), here)
    replace_whole(out, content)
    done(f"Wrote {out} ({len(content)} bytes).", file=out, bytes=len(content))


@app.command()
def add(
    run_id: Number,
    file: Annotated[
        Path,
        typer.Argument(
            callback=readable, help="The completed workbook (.xlsx, .ods), or JSON as in the API."
        ),
    ],
    manual: Annotated[bool, typer.Option(help="Copied by hand from a document; needs --scan.")] = False,
    scan: Annotated[
        Path | None, typer.Option(callback=readable, help="A scan of the document: PDF, PNG or JPEG.")
    ] = None,
) -> None:
    """State the figures of a run. A further statement is a correction and needs a reason."""
    kind = FigureSource.MANUAL if manual else FigureSource.STATED
    if common.server is not None:
        kept = at_server(lambda api: _stated(api, run_id, file, kind, scan))
    else:
        with open_db() as (db, settings):
            sha256 = attach(db, scan, settings.attachment_limit_mb) if scan else None
            claim = _claim(db, run_id, file, kind, sha256)
            number = db.write(statement_service.state, run_id, claim, whoami()).paper.version
            kept = db.read(_versions, run_id)[number - 1]
    version, warnings = kept.paper.version, kept.warnings
    said = " ".join((f"Run {run_id}: the figures are stored as version {version} ({kept.kind}).", *warnings))
    done(said, run=run_id, version=version, kind=kept.kind, warnings=warnings)


@app.command("list")
def list_(run_id: Number, as_json: Json = False) -> None:
    """Show every version of a run's statement."""
    found = asked(lambda api: api.list_statements(run_id), lambda db: db.read(_versions, run_id))
    if as_json:
        say(found, as_json)
        return
    rows = [
        _Row(v.paper.version, v.kind, v.level, v.figures.general.sent, v.figures.general.received, v.paper.by)
        for v in found
    ]
    listing(rows, ("version", "kind", "level", "sent", "received", "by"), as_json)


_WORKBOOKS = (".xlsx", ".ods")
_OTHER_FILES = (".xls", ".xlsm", ".xlsb", ".csv", ".docx", ".pdf")


def attach(db: Database, path: Path, limit_mb: int) -> str:
    if path.stat().st_size > limit_mb * 1_048_576:
        raise Invalid(
            "{name} is larger than {limit_mb} MB, the limit set by attachment_limit_mb.",
            name=path.name,
            limit_mb=limit_mb,
        )
    content = path.read_bytes()
    file = UploadedFile(shown_name(path.name), hashlib.sha256(content).hexdigest(), len(content))
    return db.write(attachments.keep, path, file, whoami()).sha256


def _stated(api: LoaClient, run_id: int, file: Path, kind: FigureSource, scan: Path | None) -> Any:
    sha256 = api.keep_attachment(file=scan).sha256 if scan else None
    if file.suffix.lower() in _WORKBOOKS:
        return api.return_statement_form(run_id, file=file, kind=cast("Any", kind), attachment=sha256)
    body = _body(_json(file)).model_dump(mode="json", exclude_unset=True)
    handed = {} if kind is FigureSource.STATED and sha256 is None else {"kind": kind, "attachment": sha256}
    return api.state_figures(run_id, **body | handed)


def _json(file: Path) -> Path:
    """Return the file if it may be JSON; raise Invalid for one of an office."""
    if file.suffix.lower() in _OTHER_FILES:
        raise Invalid(
            "{name} is neither the form (.xlsx or .ods) nor JSON. Save it as .xlsx (Excel "
            "workbook) and upload it again.",
            name=file.name,
            field="file",
        )
    return file


def _claim(db: Database, run_id: int, file: Path, kind: FigureSource, sha256: str | None) -> StatementInput:
    if file.suffix.lower() in _WORKBOOKS:
        from app.reports.intake import statement_workbook

        head, around = (
            db.read(statement_workbook.head, run_id),
            db.read(statement_service.circumstances, run_id),
        )
        return statement_workbook.read(
            file.read_bytes(), head, statement_workbook.Handed(kind, sha256), around
        )
    claim = _body(_json(file)).claim(EntrySource.COMMAND)
    if kind is FigureSource.STATED and sha256 is None:
        return claim
    return replace(claim, kind=kind, paper=replace(claim.paper, attachment=sha256))


def _body(file: Path) -> StatementBody:
    content = file.read_bytes()
    refuse_repeated(content)
    try:
        return StatementBody.model_validate_json(content)
    except ValidationError as error:
        from app.api.problems import field_error  # imports the API's libraries

        if any(item["type"] == "json_invalid" for item in error.errors()):
            raise Invalid(
                "{file} is not valid JSON. Provide the completed form as .xlsx or .ods (`loa "
                "statement form` writes an empty one), or JSON as in the API.",
                file=file,
                field="file",
            ) from None
        sentences = [field_error(dict(item)).detail for item in error.errors()]
        raise Invalid("{name}: {sentences}", name=file.name, sentences=" ".join(sentences[:10])) from None


def _versions(connection: Connection, run_id: int) -> list[views.StatementView]:
    statement_service.open_run(connection, run_id)
    return views.statements(carrier_statement.versions(connection, run_id))
