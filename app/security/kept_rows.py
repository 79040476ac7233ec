"""Rows of which the audit has kept a hash, so that one that was changed outside Loa is seen.

Which columns: protection.py. Whoever writes such a row has its hash in the act, under `kept`; the newest hash
of a row counts, and `null` stands for a row that was deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, Text, cast, func, select

from app.core import hashing
from app.core.errors import Conflict
from app.database.models import audit, metadata
from app.security import audit_chain
from app.security.audit import note
from app.security.protection import DECLARED, Protection, columns
from app.security.row_stamps import canonical
from carriers.phrases import Phrase

# Kept in another form of before: statements by `altered` below, reports by reports/frozen/freeze_record.py.
_OTHERWISE = ("statements", "reports", "report_files")
TABLES = tuple(
    table
    for name, declared in DECLARED.items()
    if Protection.KEPT in declared and name not in _OTHERWISE
    for table in (metadata.tables[name],)
)
_AT_ONCE = 500  # hashes in one act
_SAYS_NOTHING = {"panel_answers": "answer"}  # rows that are written without an act while this is empty


def kept(connection: Connection, table: Table, *where: ColumnElement[bool]) -> dict[str, str | None]:
    """Return the hashes of these rows as they are now, for `kept=` of the act that wrote them."""
    return {_key(table, row): _digest(table, row) for row in connection.execute(select(table).where(*where))}


def deleted(table: Table, row_id: int) -> dict[str, str | None]:
    """Return what the act of a deletion has for `kept=`."""
    return {f"{table.name}/{row_id}": None}


def is_altered(connection: Connection, table: Table, row: Row[Any], subject: str) -> bool:
    """Return whether a row is not as the acts about its subject have it. False where the audit has none."""
    known = _of_subject(connection, table, subject)
    return known.get(_key(table, row), _digest(table, row)) != _digest(table, row)


def require_whole(connection: Connection, table: Table, rows: Iterable[Row[Any]], subject: str) -> None:
    """Raise Conflict unless these are the rows about a subject, as its acts have them."""
    there = {_key(table, row): _digest(table, row) for row in rows}
    known = _of_subject(connection, table, subject)
    added = there.keys() - known.keys() if _is_whole(connection) else ()
    if added or any(there.get(key) != digest for key, digest in known.items()):
        raise Conflict(
            "Rows of {table} about {subject} were changed outside Loa, so nothing is based on them. Run "
            "`loa verify`, and compare the database with a backup.",
            table=table.name,
            subject=subject,
        )


def differences(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each kept row that was changed, removed or added outside Loa."""
    known = _known(connection)
    whole = _is_whole(connection)
    for table in TABLES:
        seen = set()
        for row in connection.execution_options(yield_per=50).execute(select(table)):
            key = _key(table, row)
            seen.add(key)
            if key in known and known[key] != _digest(table, row):
                yield Phrase("Row {row} was changed outside Loa. Compare it with a backup.", row=key)
            elif key not in known and whole and not _says_nothing(table, row):
                yield Phrase("Row {row} was added outside Loa: the audit has no act of it.", row=key)
        own = f"{table.name}/"
        for key, digest in known.items():
            if key.startswith(own) and digest is not None and key not in seen:
                yield Phrase("Row {row} was removed outside Loa. Compare with a backup.", row=key)


def adopt(connection: Connection) -> None:
    """Keep the hashes of the rows that there are, in the migration that introduces them."""
    for table in TABLES:
        by_subject: dict[str, dict[str, str]] = {}
        for row in connection.execute(select(table)):
            if not _says_nothing(table, row):
                own = by_subject.setdefault(_subject(connection, table, row), {})
                own[_key(table, row)] = _digest(table, row)
        for subject, hashes in by_subject.items():
            entries = sorted(hashes.items())
            for at in range(0, len(entries), _AT_ONCE):
                note(connection, "loa", "rows.keep", subject, kept=dict(entries[at : at + _AT_ONCE]))


def _subject(connection: Connection, table: Table, row: Row[Any]) -> str:
    """Return of what the acts about a row are, for rows that are looked up by it."""
    if table.name == "signing_keys":
        return f"signing-key/{row.kid}"
    if table.name == "signed_results":
        statement = metadata.tables["statements"].c
        query = select(statement.run_id).where(statement.id == row.statement_id)
        return f"run/{connection.execute(query).scalar_one()}"
    return f"run/{row.run_id}" if "run_id" in table.c else f"rows/{table.name}"


def _is_whole(connection: Connection) -> bool:
    """Return whether no act was erased yet, so that each row has its own."""
    return connection.execute(select(func.min(audit.c.id))).scalar() in (None, 1)


def _says_nothing(table: Table, row: Row[Any]) -> bool:
    name = _SAYS_NOTHING.get(table.name)
    return name is not None and row._mapping[name] is None


def _known(connection: Connection, *where: ColumnElement[bool]) -> dict[str, str | None]:
    """Return the newest hash of each row that the sealed acts have."""
    said = cast(audit.c.detail, Text).contains('"kept"', autoescape=True)
    query = select(*audit_chain.ACT).where(said, *where).order_by(audit.c.id)
    found: dict[str, str | None] = {}
    for act in connection.execute(query).all():
        detail = json.loads(act.stored).get("kept")
        if isinstance(detail, dict) and audit_chain.is_sealed_for_its_time(connection, act):
            found |= detail
    return found


def _of_subject(connection: Connection, table: Table, subject: str) -> dict[str, str | None]:
    known = _known(connection, audit.c.subject == subject)
    return {key: digest for key, digest in known.items() if key.startswith(f"{table.name}/")}


def _key(table: Table, row: Row[Any]) -> str:
    return f"{table.name}/" + ".".join(str(row._mapping[column.name]) for column in table.primary_key)


def _digest(table: Table, row: Row[Any]) -> str:
    """Hash the columns that are kept; empty ones count for nothing, so that a new column changes no hash."""
    names = columns(table.name, Protection.KEPT, tuple(table.c.keys()))
    values = {name: row._mapping[name] for name in names}
    plain = {name: _plain(value) for name, value in values.items() if value is not None}
    return hashing.digest(canonical(plain))


def _plain(value: Any) -> Any:
    return hashing.digest(bytes(value)) if isinstance(value, bytes | memoryview) else value


# ---- Versions of statements


def sha256(connection: Connection, table: Table, row_id: int) -> str:
    """Hash a row as the database gives it back."""
    return _sha256(connection.execute(select(table).where(table.c.id == row_id)).one())


def _sha256(row: Row[Any]) -> str:
    """Hash all but when it was kept, which the act itself says."""
    return hashing.digest(canonical({name: value for name, value in row._asdict().items() if name != "at"}))


def altered(connection: Connection, action: str, subject: str, rows: Iterable[Row[Any]]) -> list[int]:
    """Return the versions that are not as the acts about the subject have kept them, or have no act.

    None where no act has a hash: they are of an earlier version of Loa, or erased.
    """
    a = audit.c
    query = select(a.detail).where(a.action == action, a.subject == subject)
    kept = {said["version"]: said.get("sha256") for said in connection.execute(query).scalars()}
    if not any(kept.values()):
        return []
    there = {
        row.version: _sha256(row) for row in rows if row.version >= min(kept)
    }  # acts are erased in order
    legacy = {version for version, digest in kept.items() if digest is None}
    return sorted(each for each in (kept.keys() | there) - legacy if kept.get(each) != there.get(each))
