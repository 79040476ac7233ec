"""What every table is made of: one metadata, names for constraints, times and ids."""

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

Ms = BigInteger  # milliseconds since 1970, UTC
Reference = Text().with_variant(Text(collation="C"), "postgresql")


def new_id() -> Column[int]:
    """The column `id` that counts itself."""
    return Column("id", Integer, primary_key=True, autoincrement=True)
