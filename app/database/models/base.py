"""Common parts of all tables: metadata, constraint names, and column types."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ONLY_ON = "only_on"
Ms = BigInteger  # milliseconds since 1970, UTC
Reference = Text().with_variant(Text(collation="C"), "postgresql")


def on_postgresql(**options: str) -> dict[str, object]:
    """Return `info` of a table or index with options that migrations apply on PostgreSQL only.

    SQLAlchemy's own `postgresql_...` arguments would load that dialect, 0.1 s, in every command on SQLite.
    """
    return {f"postgresql_{name}": said for name, said in options.items()}


def only_on(engine: str) -> dict[str, object]:
    """Return `info` of an index that migrations make on this engine alone."""
    return {ONLY_ON: engine}


def new_id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)
