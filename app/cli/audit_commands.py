"""`loa audit`: the hash-chained record of people's actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_json
from sqlalchemy import Connection

from app.cli import common
from app.cli.common import open_db
from app.cli.output import Json, counted, done, position, say, whoami
from app.cli.remote import client
from app.core import hashing, ids
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.security import audit
from app.security.audit import Act, Chain

if TYPE_CHECKING:
    from loa_client import LoaClient

app = typer.Typer(
    no_args_is_help=True,
    help="The record of what users did: append-only, each act chained to the previous one.",
)

_PIECE = 1000


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(help="ROWS:HASH of an earlier verification: its rows must still be there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute the chain; exit status 1 where a row was changed, removed or inserted.

    Compares the chain with the heads in audit_head_file and, with --head, with one that you have kept. They
    show that nothing was cut off the end.
    """
    earlier = None if head is None else _earlier(head)
    found = _verified(earlier)
    if as_json or found.fault is None:
        gone = f" (1 to {found.erased} erased by certificate {found.certificate})" if found.erased else ""
        said = counted(found.rows, f"act{gone}, unaltered", f"acts{gone}, all unaltered")
        said += f"{_proof(found)}."
        said += f" Head: {found.rows}:{found.head}"
        say(found, as_json) if as_json else typer.echo(said)
    if found.fault:
        raise Conflict("The audit log was altered. {fault}", fault=found.fault)


def _verified(earlier: tuple[int, str] | None) -> Chain:
    if common.server is not None:
        with client() as api:
            there = Chain(**asdict(api.verify_audit()))
            hashes = {each.id: each.hash for each in _first(api, earlier)}
            return there if there.fault or earlier is None else _against(there, *earlier, hashes.get)
    with open_db(looks=True) as (db, settings):
        found = db.read(audit.verify, audit.kept(settings))
        if found.fault or earlier is None:
            return found
        return _against(found, *earlier, lambda row: db.read(_hash_of, row))


def _first(api: LoaClient, earlier: tuple[int, str] | None) -> Iterable[Any]:
    """Return the act that an earlier head names."""
    rows = earlier[0] if earlier else 0
    return islice(api.list_acts(after=rows - 1, limit=1), 1) if rows else ()


def _proof(chain: Chain) -> str:
    seals = "each sealed by secret_key" if chain.sealed else ""
    kept = f"compared with {counted(chain.compared, 'head', 'heads')} kept outside" if chain.compared else ""
    return "".join(f", {each}" for each in (seals, kept) if each)


def _earlier(head: str) -> tuple[int, str]:
    """Parse ROWS:HASH. Raises Invalid: a typing error must not look like an altered audit."""
    said, _, digest = head.partition(":")
    rows = ids.read(said)
    if rows is None or (rows and not re.fullmatch(hashing.PATTERN, digest)):
        raise Invalid("--head must be ROWS:HASH, as printed by an earlier verification.")
    return rows, digest


def _against(chain: Chain, rows: int, digest: str, hash_of: Callable[[int], str | None]) -> Chain:
    fault = None
    if rows < chain.erased:
        fault = (
            f"Rows 1 to {chain.erased} have been erased (certificate {chain.certificate}), so a "
            f"head of row {rows} "
            "proves nothing. Use one that was printed later."
        )
    elif rows and hash_of(rows) != digest:
        fault = f"Row {rows} differs from the row that was there at that time."
    return replace(chain, fault=fault)


def _hash_of(connection: Connection, row: int) -> str | None:
    begin = audit.anchor(connection)
    if row == begin.row:
        return begin.hash
    then = audit.listed(connection, row - 1, 1).items
    return then[0].hash if then and then[0].id == row else None


@app.command()
def seal(
    head: Annotated[str, typer.Option(help=("ROWS:HASH of the current chain, which you have compared."))],
) -> None:
    """Seal acts written before secret_key was set, after you have compared the chain's head."""
    with open_db() as (db, _):
        count = db.write(audit.seal_all, whoami(), head)
    said = f"{counted(count, 'act is', 'acts are')} sealed." if count else "Every act is already sealed."
    done(said, sealed=count)


@app.command()
def export(
    after: Annotated[int, typer.Option(parser=position, help="Only acts after this number.")] = 0,
) -> None:
    """Print every act as a line of JSON, oldest first."""
    if common.server is not None:
        with client() as api:
            for each in api.list_acts(after=after, limit=_PIECE):
                typer.echo(to_json(each).decode())
        return
    with open_db(looks=True) as (db, _):
        for act in _all(db, after):
            typer.echo(to_json(act).decode())


def _all(db: Database, after: int) -> Iterator[Act]:
    while piece := db.read(audit.listed, after, _PIECE).items:
        yield from piece
        after = piece[-1].id
