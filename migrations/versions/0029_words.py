"""Tables and columns by the words of the trade: a lane is a link, and so on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TABLES = (
    "chunks",
    "deliveries",
    "submissions",
    "unknowns",
    "receipts",
    "quarantine",
    "questions",
    "polled_chunks",
    "errands",
    "inbound_messages",
    "link_health",
    "webhook_clocks",
)
_INDEXES = (("receipts", "received_at"), ("questions", "due_at"), ("inbound_messages", "id"))


_RENAMED = {
    "turns": "state_events",
    "questions": "status_queries",
    "errands": "link_jobs",
    "homes": "database_identity",
    "answers": "idempotency_keys",
}
_KEPT = (("status_queries", "questions", ["link_id", "due_at"]), ("idempotency_keys", "answers", ["at"]))


def upgrade() -> None:
    _rename("lane", "link")
    for before, after in _RENAMED.items():
        op.rename_table(before, after)
        _primary_key(after, before, after)
    for table, before, columns in _KEPT:
        _index(table, f"ix_{before}_{'_'.join(columns)}", f"ix_{table}_{'_'.join(columns)}", columns)


def downgrade() -> None:
    for table, before, columns in _KEPT:
        _index(table, f"ix_{table}_{'_'.join(columns)}", f"ix_{before}_{'_'.join(columns)}", columns)
    for before, after in _RENAMED.items():
        op.rename_table(after, before)
        _primary_key(before, after, before)
    _rename("link", "lane")


def _primary_key(table: str, before: str, after: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        _edit_schema(f"replace(sql, 'CONSTRAINT pk_{before} ', 'CONSTRAINT pk_{after} ')")
    else:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{before} TO pk_{after}")


def _edit_schema(edit: str) -> None:
    # SQLite has no statement for this; to edit a name in the schema's text is documented as safe.
    op.execute("PRAGMA writable_schema = ON")
    op.execute(f"UPDATE sqlite_schema SET sql = {edit} WHERE type = 'table'")
    op.execute("PRAGMA writable_schema = RESET")


def _index(table: str, before: str, after: str, columns: list[str]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index(before, table)
        op.create_index(after, table, columns)
    else:
        op.execute(f"ALTER INDEX {before} RENAME TO {after}")


def _rename(old: str, new: str) -> None:
    op.rename_table(f"{old}s", f"{new}s")
    for table in _TABLES:  # both engines know this form, and follow it in keys and partitions
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old}_id TO {new}_id")
    for table, last in _INDEXES:
        before, after = f"ix_{table}_{old}_id_{last}", f"ix_{table}_{new}_id_{last}"
        _index(table, before, after, [f"{new}_id", last])
    _constraints(old, new)


def _constraints(old: str, new: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        edit = f"replace(replace(sql, 'k_{old}s', 'k_{new}s'), 'q_{old}s_', 'q_{new}s_')"
        edit = f"replace({edit}, 'fk_link_health_{old}_id', 'fk_link_health_{new}_id')"
        edit = f"replace({edit}, 'fk_webhook_clocks_{old}_id', 'fk_webhook_clocks_{new}_id')"
        _edit_schema(edit)
        return
    names = [(f"{new}s", f"pk_{old}s", f"pk_{new}s"), (f"{new}s", f"uq_{old}s_name", f"uq_{new}s_name")]
    for table in ("link_health", "webhook_clocks"):
        found = sa.inspect(op.get_bind()).get_foreign_keys(table)
        (before,) = [str(each["name"]) for each in found if each["constrained_columns"] == [f"{new}_id"]]
        names.append((table, before, before.replace(f"_{old}_id", f"_{new}_id")))
    for table, before, after in names:
        if before != after:
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {before} TO {after}")
