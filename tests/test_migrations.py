"""The schema goes up and down on both engines, and a wrong one is refused with its remedy."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Connection, inspect

from app import schema
from app.db import Database
from app.errors import SetupError
from app.models import metadata


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def test_down_leaves_nothing_and_up_brings_all_back(db: Database) -> None:
    config = schema._config
    db.write(lambda c: command.downgrade(config(c), "base"))
    assert db.read(tables) == set()
    with pytest.raises(SetupError, match=r"has schema none.*loa migrate"):
        schema.require(db)
    schema.upgrade(db)
    schema.require(db)
    assert db.read(tables) == set(metadata.tables)
    assert schema.differences(db) == []


def test_upgrading_twice_changes_nothing(db: Database) -> None:
    schema.upgrade(db)
    schema.upgrade(db)
    assert db.read(schema.current) == schema.newest()


def test_a_partition_is_no_difference(db: Database) -> None:
    from app.ledger.choose import ledger_for

    for _ in range(2):
        db.write(ledger_for(db).open_campaign, 7)
    assert schema.differences(db) == []
