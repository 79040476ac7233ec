"""`loa statement`: figures stated by a carrier or entered from its document."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from pydantic import ValidationError

from app.api.bodies import refuse_repeated
from app.cli import common
from app.cli.common import open_db
from app.cli.files import readable
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, done, listing, say, whoami
from app.cli.remote import at_server
from app.core.errors import Invalid
from app.file_import.upload import UploadedFile, shown_name
from app.reports.figures.carrier_statement import FigureSource
from app.reports.intake import attachments, statement_operations, statement_service
from app.reports.intake.schemas import StatementBody
from app.security.principal import Caller
from app.security.roles import Role


@dataclass(frozen=True, slots=True)
class _Row:
    version: int
    kind: str
    level: str
    sent: int
    received: int | None
    by: str


app = typer.Typer(no_args_is_help=True, help="Figures stated by carriers or entered by hand.")


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
    sha256 = attached(scan) if scan else None
    if file.suffix.lower() in _WORKBOOKS:
        kept = _returned(run_id, file, kind, sha256)
    else:
        body = _body(_json(file)).model_dump(mode="json", exclude_unset=True)
        body |= {"kind": kind, "attachment": sha256} if manual or sha256 else {}
        kept = carried_out(statement_operations.state_figures, {"run_id": run_id}, **body)
    version, warnings = kept.paper.version, kept.warnings
    said = " ".join((f"Run {run_id}: the figures are stored as version {version} ({kept.kind}).", *warnings))
    done(said, run=run_id, version=version, kind=kept.kind, warnings=warnings)


@app.command("list")
def list_(run_id: Number, as_json: Json = False) -> None:
    """Show every version of a run's statement."""
    found = carried_out(statement_operations.list_statements, {"run_id": run_id})
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


def attached(path: Path) -> str:
    """Upload a scan, and return the sha256 by which it is named."""
    if common.server is not None:
        return str(at_server(lambda api: api.keep_attachment(file=path)).sha256)
    with open_db() as (db, settings):
        if path.stat().st_size > (limit_mb := settings.attachment_limit_mb) * 1_048_576:
            raise Invalid(
                "{name} is larger than {limit_mb} MB, the limit set by attachment_limit_mb.",
                name=path.name,
                limit_mb=limit_mb,
            )
        content = path.read_bytes()
        file = UploadedFile(shown_name(path.name), hashlib.sha256(content).hexdigest(), len(content))
        return db.write(attachments.keep, path, file, whoami()).sha256


def _returned(run_id: int, file: Path, kind: FigureSource, sha256: str | None) -> Any:
    if common.server is not None:
        return at_server(
            lambda api: api.return_statement_form(
                run_id, file=file, kind=cast("Any", kind), attachment=sha256
            )
        )
    from app.reports.intake import statement_workbook

    with open_db() as (db, _):
        head = db.read(statement_workbook.head, run_id)
        around = db.read(statement_service.circumstances, run_id)
        handed = statement_workbook.Handed(kind, sha256)
        claim = statement_workbook.read(file.read_bytes(), head, handed, around)
        return db.write(statement_operations.keep, run_id, claim, Caller(whoami(), Role.ADMIN, person=True))


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


add_operations(app, "statement", statement_operations)
