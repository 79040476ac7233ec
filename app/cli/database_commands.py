"""`loa database`: back up a SQLite ledger, move it to PostgreSQL, and continue after a restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url

from app.cli.common import ledger_for, open_db
from app.cli.output import counted, done, whoami
from app.core import config
from app.core.config import Settings, normal_url
from app.core.errors import Invalid
from app.core.setting_values import database_url, ledger_name
from app.database import audit_heads
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch import restore_recovery as dispatch
from app.ledger import restore_acknowledgement
from app.ledger.transfer import back_up, copy_ledger
from app.security import audit

app = typer.Typer(no_args_is_help=True, help="The database: backup, restore, move.")


@app.callback()
def database() -> None:
    """The database itself."""


@app.command()
def copy(
    to: Annotated[
        str,
        typer.Option(
            envvar="LOA_COPY_TO", help="Address of a migrated, empty database: postgresql://user@host/name."
        ),
    ],
) -> None:
    """Copy everything from the SQLite file to an empty PostgreSQL database, and verify the copy.

    The SQLite file is left as it is. Give a URL with a password in LOA_COPY_TO rather than on the command
    line, where other users of the host can read it.
    """
    try:
        database_url(to)
    except ValueError as error:
        raise Invalid("--to {error}.", error=error) from None
    with open_db(alone=True, working="Copying the ledger") as (source, settings):
        target = Database(normal_url(to))
        try:
            rows = copy_ledger(source, target, _say)
            if not source.read(link_store.moved, ledger_for(source)):
                target.write(link_store.record_identity, ledger_for(target), whoami())
            head, name = target.read(audit.head), ledger_name(normal_url(to))
            audit_heads.keep(
                settings.audit_heads, head, name
            )  # the first comparison needs a head of the new ledger
        finally:
            target.close()
    done(
        f"Copied and verified {sum(rows.values()):,} rows of {len(rows)} tables.\n"
        "Set LOA_DATABASE_URL to that server from now on. The SQLite file is unchanged.",
        rows=sum(rows.values()),
        tables=len(rows),
    )


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="The copy; must be a new file.")]) -> None:
    """Copy the SQLite ledger as of one moment, even while Loa is running.

    The copy is marked as a backup: once restored, it sends nothing until you run `loa database restored`.
    """
    url = make_url(config.load().url)
    if url.get_backend_name() != "sqlite":
        raise Invalid(
            "Back up PostgreSQL with its own tools: a base backup and its write-ahead log "
            "(docs/operations.md)."
        )
    size = back_up(Path(url.database or ""), file, whoami())
    done(f"{file} is a copy of the ledger, {size:,} bytes.", file=file, bytes=size)


@app.command()
def restored(
    nothing_lost: Annotated[
        bool, typer.Option("--nothing-lost", help="The database contains everything that was sent.")
    ] = False,
) -> None:
    """Continue after the database was restored to an earlier state or a replica took over.

    After a failover to a synchronous replica that was up to date, use --nothing-lost: everything continues
    where it was. After a restore from a backup, or a failover to a replica that was behind, stop every worker
    and omit the option. Messages that runs had yet to send may have been sent since, so they become unknown,
    and only a person can send them again (`loa unknown`). The command is refused while a worker has its links
    open.
    """
    with open_db(alone=True, working="Checking what was lost") as (db, settings):
        ledger = ledger_for(db, settings.chunk_size)
        if nothing_lost:
            _branch(db, settings)
            db.write(dispatch.trust, ledger, whoami())
            typer.echo("The links continue where they stopped.")
            return
        _branch(db, settings)
        for each in dispatch.mark_live_runs_unknown(db, ledger, whoami()):
            unknown = counted(each.unknown, "delivery is", "deliveries are")
            typer.echo(f"Run {each.run_id} ({each.carrier}): {unknown} unknown now.")
        planned, refused = db.read(dispatch.planned), db.read(dispatch.refused, ledger)
    for run in planned:
        typer.echo(
            f"Run {run} is planned here. If it was started since then, do not start it again; cancel it."
        )
    for run, carrier, n in refused:
        typer.echo(
            f"Run {run} ({carrier}): no follow-up includes its {n:,} rejected messages, because "
            "one that is lost may already have written to these people."
        )
    typer.echo("Nothing is resent automatically. Import the carriers' result files, then decide.")
    typer.echo(restore_acknowledgement.AWAITED)


@app.command("entered-again")
def confirm_entered() -> None:
    """Confirm that do-not-send entries and people's requests since the backup were entered again.

    After `loa database restored`, no run can be started or resumed and no unknown message sent again until
    this is confirmed. The backup lacks the erasures and objections that came after it.
    """
    with open_db() as (db, _):
        awaited = db.write(restore_acknowledgement.enter, whoami())
    done(
        "Runs can be started and resumed." if awaited else "Nothing was waiting for this.",
        awaited=awaited,
    )


def _branch(db: Database, settings: Settings) -> None:
    """Stop comparing with heads of acts that the restored database lacks."""
    known = audit.kept(settings).heads
    if known:
        audit_heads.branch(settings.audit_heads, db.read(audit.agreed, known), settings.ledger_name)


def _say(table: str, rows: int) -> None:
    typer.echo(f"{table}: {rows:,} rows", err=True)
