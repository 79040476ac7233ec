"""`loa report`: print reports, write documents, freeze versions, list and prove them, take signed ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import Connection, select

from app.cli import common, remote
from app.cli.common import ledger_for, open_db
from app.cli.files import readable, usable, write_whole
from app.cli.operation_commands import Act, carried_out
from app.cli.output import After, Json, Most, Number, instant, say, shown, tell, whoami, whole
from app.core import clock
from app.core.config import Settings
from app.core.errors import Invalid, no_such
from app.database.connection import Database, shared_ms
from app.database.models import campaigns, runs
from app.reports import archive_operations as archived
from app.reports import operations
from app.reports.counting import clock_check, scope, stated_report
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.export.formats import BINARY, Format, file_name, prepare
from app.reports.figures.version import PREVIEW
from app.reports.forms import letterhead
from app.reports.frozen import freeze_record
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.frozen.signed_papers import SignedPapers
from app.reports.papers.final_paper import REMARK_KEYS
from app.reports.release import freeze as freezing
from app.reports.release.freeze import Freezer, name_of

if TYPE_CHECKING:
    pass

app = typer.Typer(no_args_is_help=True, help="Result reports.")

_PAPERS = "Also write the final documents to this folder."
Form = Annotated[
    Format,
    typer.Option("--format", help="text, json, csv, xlsx, docx or pdf; summary: one page about a directive."),
]
Out = Annotated[Path | None, typer.Option(help="The file to write. Default: the terminal.")]
Run = Annotated[
    int | None, typer.Option("--run", parser=whole, help="A run: the report of one carrier (form A).")
]
Directive = Annotated[
    int | None,
    typer.Option("--directive", parser=whole, help="A directive: the consolidated report (form B)."),
]
Campaign = Annotated[
    int | None,
    typer.Option("--campaign", parser=whole, help="Every run of a campaign, and its directive."),
]
CutOff = Annotated[
    str | None, typer.Option(help="Time of a snapshot, such as 2024-02-09T00:00+07:00. Default: now.")
]
_COUNTING = {"working": "Counting the report"}
Folder = Annotated[Path, typer.Option(callback=usable, help="The folder for the files.")]


# Printing


@app.command()
def run(run_id: Number, form: Form = Format.TEXT, out: Out = None) -> None:
    """Print the report of one carrier's run: forms 1 to 4."""
    _give(operations.run_report, form, out, {"run_id": run_id})


@app.command()
def batch(campaign_id: Number, batch_id: Number, form: Form = Format.TEXT, out: Out = None) -> None:
    """Print the report of one batch in one campaign."""
    _give(operations.batch_report, form, out, {"batch_id": batch_id}, campaign=campaign_id)


@app.command()
def campaign(campaign_id: Number, form: Form = Format.TEXT, out: Out = None) -> None:
    """Print the runs of a campaign side by side."""
    _give(operations.campaign_report, form, out, {"campaign_id": campaign_id})


@app.command()
def directive(directive_id: Number, form: Form = Format.TEXT, out: Out = None) -> None:
    """Print the consolidated report under a directive (form B)."""
    _give(operations.directive_report, form, out, {"directive_id": directive_id})


def _give(act: Act, form: Format, out: Path | None, ids: dict[str, int], **query: int) -> None:
    if form in BINARY and out is None:
        raise typer.BadParameter(
            f"this format needs a file: add --out {file_name('FILE', form)}", param_hint="--format"
        )
    content: bytes = carried_out(act, ids, opens=_COUNTING, form=form, **query)
    if out is None:
        text = content.decode("utf-8-sig")
        typer.echo(shown(text) if form is Format.TEXT else text, nl=False)
    else:
        write_whole(out, content)


@app.command()
def doubts(run_id: Number, as_json: Json = False) -> None:
    """Show signs that the run's receipts were fabricated.

    Exit status 1 if there are any; none of them is proof.
    """
    found = carried_out(operations.list_doubts, {"run_id": run_id})
    if found or as_json:
        say(found, as_json)
    else:
        typer.echo("No signs of fabricated receipts.")
    if found:
        raise typer.Exit(1)


# Documents


@app.command()
def build(
    run_id: Run = None,
    directive_id: Directive = None,
    campaign_id: Campaign = None,
    cut_off: CutOff = None,
    folder: Folder = Path("reports"),
) -> None:
    """Write a preview in every format, with the directive's summary and metadata for the document
    system."""
    with open_db(working="Counting the report") as (db, settings):
        heads = letterhead.load(settings.letterheads)
        for subject in _subjects(db, run_id, directive_id, campaign_id):
            db.read(freezing.require_past, subject)
            report = db.read(freezing.as_of, subject, _cutoff(cut_off))
            for form, content in freezing.made(prepare(report), heads, PREVIEW):
                write_whole(folder / name_of(subject, 0, form), content)


@app.command()
def freeze(
    run_id: Run = None,
    directive_id: Directive = None,
    campaign_id: Campaign = None,
    cut_off: CutOff = None,
    folder: Annotated[
        Path | None, typer.Option(callback=usable, help="Also write the files to this folder.")
    ] = None,
) -> None:
    """Recount, then store a version that never changes. If the figures are the same, the last version
    is used."""
    if common.server is not None:
        if campaign_id is not None:
            raise Invalid("Over --server, one report is frozen at a time. Name --run or --directive.")
        _freeze_there(_subject(run_id, directive_id), instant("cut-off", cut_off), folder)
        return
    with _freezer() as (freezer, _):
        asked = _cutoff(cut_off)
        if campaign_id is not None:  # or a run that began in the future is taken for one not yet begun
            freezer.db.read(clock_check.require_past, [campaign_id])
        begun_by = freezer.db.read(shared_ms) if asked is None else asked
        subjects, taken = _subjects(freezer.db, run_id, directive_id, campaign_id, begun_by), None
        if asked is None and campaign_id is not None:  # one cut-off for all reports of a campaign
            taken = take(freezer.db, subjects, SnapshotCause.FREEZE)
        for subject in subjects:
            report, new = freezer.freeze(subject, asked, taken)
            _tell(report, "frozen" if new else "already frozen")
            if folder:
                save_here(freezer.db, report, folder)


@app.command()
def issue(
    report_id: Number,
    number: Annotated[str, typer.Option(help="The number before the slash, such as 125.")],
    on: Annotated[str, typer.Option(help="The date of the document, such as 2024-02-09.")],
    signer: Annotated[str, typer.Option(help="Rank and name of the signer.")],
    remark: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=TEXT for difficulties, proposals, strengths or shortcomings; may be repeated."
        ),
    ] = None,
    compare_with: Annotated[
        int | None, typer.Option(parser=whole, help="A frozen report of an earlier directive, for an annex.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(callback=usable, help=_PAPERS)] = None,
) -> None:
    """Write the final documents of a frozen report with its number, date and signer. The draft is kept."""
    remarks = dict(map(_remark, remark or ()))
    if strange := remarks.keys() - set(REMARK_KEYS):
        raise Invalid(
            "--remark has no section {strange}. Available sections: {places}.",
            strange=min(strange)[:40],
            places=", ".join(sorted(REMARK_KEYS)),
        )
    body = {"number": number, "dated_on": _day(on), "signer": signer, "compare_with": compare_with} | remarks
    report = carried_out(archived.issue_report, {"report_id": report_id}, opens=_COUNTING, **body)
    _tell(report, f"issued as number {number}")
    if folder:
        _save(report, folder)


@app.command()
def signed(
    report_id: Number,
    file: Annotated[
        Path | None, typer.Argument(callback=readable, help="The signed PDF. Default: list those stored.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a returned signed PDF and show what its signatures prove. Exit status 1 if any is in doubt."""
    ids = {"report_id": report_id}
    found = [_keep_signed(report_id, file)] if file else carried_out(archived.list_signed_papers, ids)
    if as_json:
        say(found, True)
    for each in [] if as_json else found:
        lines = (f"{each.name}, sha256 {each.sha256}, uploaded by {each.by}:", *each.sentences)
        typer.echo(shown("\n  ".join(lines)))
    if not all(each.good for each in found):
        raise typer.Exit(1)


def _keep_signed(report_id: int, file: Path) -> Any:
    if common.server is not None:
        return remote.at_server(lambda api: api.keep_signed_paper(report_id, file=file))
    with open_db(working="Checking the signatures") as (db, settings):
        papers = SignedPapers(db, settings.signature_roots, whoami(), None)
        return db.write(papers.keep, report_id, file, papers.check(report_id, file))


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Invalid("--on must be a date, for example 2024-02-09.") from None


def _remark(remark: str) -> tuple[str, str]:
    key, sign, text = remark.partition("=")
    if not sign:
        raise Invalid("--remark must be KEY=TEXT, for example proposals=...; {key} has no =.", key=key[:40])
    return key.strip(), text


def _freeze_there(subject: ReportSubject, at: datetime | None, folder: Path | None) -> None:
    with remote.client() as api:
        of: dict[str, Any] = {f"{subject.kind}_id": subject.id}
        report = api.freeze_report(**of, cut_off_at=at)
        _tell(report, "frozen")
        if folder:
            _save(report, folder)


@app.command("list")
def list_(
    run_id: Run = None,
    directive_id: Directive = None,
    after: After = 0,
    limit: Most = 100,
    as_json: Json = False,
) -> None:
    """Show frozen reports, oldest first."""
    if run_id is not None and directive_id is not None:
        raise Invalid("Name exactly one of --run, --directive and --campaign.")
    query = {"run_id": run_id, "directive_id": directive_id, "after": after, "limit": limit}
    found = carried_out(archived.list_reports, {}, **query)
    if as_json:
        say(found, True)
        return
    for report in found:
        _tell(report, _standing(report))
    if not found:
        typer.echo("No report has been frozen. Run `loa report freeze --run NUMBER` to freeze one.")


@app.command()
def save(report_id: Number, folder: Folder = Path("reports")) -> None:
    """Write the files of a frozen report, after checking their hashes."""
    _save(carried_out(archived.get_report, {"report_id": report_id}), folder)


@app.command()
def verify(
    report_id: Annotated[int | None, typer.Argument(parser=whole, help="The report. Default: all.")] = None,
) -> None:
    """Check that frozen reports' files are unchanged and match the ledger. Exit status 1 if not."""

    found = [] if report_id else carried_out(archived.list_reports, {}, limit=10**6)
    numbers = [report_id] if report_id else [each.id for each in found]
    opens = {"working": "Checking the reports"}
    proofs = [carried_out(archived.prove_report, {"report_id": each}, opens=opens) for each in numbers]
    notes = [proof.note for proof in proofs if proof.note]
    for note in notes:
        typer.echo(note)
    for sentence in (each for proof in proofs for each in proof.sentences):
        typer.echo(shown(f"DIFFERENCE: {sentence}"))
    if any(proof.sentences for proof in proofs):
        raise typer.Exit(1)
    but = ", except where only the file's bytes were compared (see above)" if notes else ""
    one = len(proofs) == 1
    said = "1 frozen report is unchanged" if one else f"{len(proofs)} frozen reports are unchanged"
    typer.echo(f"Verified: {said}, and the ledger gives {'its' if one else 'their'} figures{but}.")


@contextmanager
def _freezer() -> Iterator[tuple[Freezer, Settings]]:
    with open_db(working="Counting the report") as (db, settings):
        yield freezing.freezer_of(db, ledger_for(db, settings.chunk_size), settings, whoami()), settings


def _standing(report: Any) -> str:
    """Return the number and day under which a report was issued, and whether its figures are final."""
    if report.issued is None:
        return f"draft, {'interim' if report.interim else 'final'}"
    figures = " with interim figures" if report.interim else ""
    return f"issued as number {report.issued.number} on {report.issued.dated_on}{figures}"


def _tell(report: Any, words: str) -> None:
    at = report.cut_off_at.isoformat(timespec="milliseconds")
    tell(
        f"Report {report.id}: {report.subject} {report.subject_id}, version {report.version}, {words}, "
        f"cut-off {at}, {len(report.changes)} changes, sha256 {report.sha256}"
    )


def _cutoff(value: str | None) -> int | None:
    at = instant("cut-off", value)
    return None if at is None else clock.to_ms(at)


def _subject(run_id: int | None, directive_id: int | None) -> ReportSubject:
    if (run_id is None) == (directive_id is None):
        raise Invalid("Name exactly one of --run, --directive and --campaign.")
    if run_id is not None:
        return ReportSubject(SubjectKind.RUN, run_id)
    return ReportSubject(SubjectKind.DIRECTIVE, directive_id or 0)


def _subjects(
    db: Database,
    run_id: int | None,
    directive_id: int | None,
    campaign_id: int | None,
    begun_by: int | None = None,
) -> list[ReportSubject]:
    """Return the subjects; begun_by: of a campaign, only runs started by then (ms since 1970)."""
    if campaign_id is None:
        return [_subject(run_id, directive_id)]
    if run_id is not None or directive_id is not None:
        raise Invalid("Name exactly one of --run, --directive and --campaign.")
    return db.read(_of_campaign, campaign_id, begun_by)


def _of_campaign(
    connection: Connection, campaign_id: int, begun_by: int | None = None
) -> list[ReportSubject]:
    row = connection.execute(select(campaigns.c.directive_id).where(campaigns.c.id == campaign_id)).first()
    if row is None:
        raise no_such("campaign", campaign_id, field="campaign")
    query = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    query = query if begun_by is None else query.where(scope.begun(begun_by))
    silent = stated_report.silent(connection, campaign_id)
    ids = [run_id for run_id in connection.execute(query).scalars() if run_id not in silent]
    found = [ReportSubject(SubjectKind.RUN, each) for each in ids]
    return (
        found
        if row.directive_id is None
        else [*found, ReportSubject(SubjectKind.DIRECTIVE, row.directive_id)]
    )


def save_here(db: Database, report: Frozen, folder: Path) -> None:
    with _stored(report.id, folder):
        for file in report.files:
            write_whole(folder / file.name, db.read(freeze_record.content, report, file.format)[1])


def _save(report: Any, folder: Path) -> None:
    with _stored(report.id, folder):
        for file in report.files:
            ids = {"report_id": report.id, "form": file.format}
            write_whole(folder / file.name, carried_out(archived.get_report_file, ids))


@contextmanager
def _stored(report_id: int, folder: Path) -> Iterator[None]:
    """Say how to go on where the files of a report that is stored can't be written."""
    try:
        yield
    except OSError as error:
        raise Invalid(
            "Report {report_id} is stored, but {filename} cannot be written ({strerror}). Free "
            "some space or choose another folder, then write its files with `loa report save "
            "{report_id} --folder FOLDER`.",
            report_id=report_id,
            filename=error.filename or folder,
            strerror=error.strerror,
        ) from None
