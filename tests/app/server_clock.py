"""A database server whose clock is apart from this host's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from app.database.connection import Database


@pytest.fixture(params=[1, -1])
def apart(request: pytest.FixtureRequest, new_postgresql_url: str) -> Iterator[tuple[Database, int]]:
    """A database whose server's clock is so many hours ahead of this host's."""
    ahead = f"SELECT pg_catalog.clock_timestamp() + interval '{request.param} hours'"
    make = f"CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $${ahead}$$"
    with closing(Database(new_postgresql_url)) as db:
        own = f'ALTER DATABASE "{db.url.database}"'
        for statement in (make, f"{own} SET search_path = public, pg_catalog"):
            db.write(lambda c, statement=statement: c.exec_driver_sql(statement))
    with closing(Database(new_postgresql_url)) as db:
        yield db, request.param
        for statement in (f"{own} RESET search_path", "DROP FUNCTION public.clock_timestamp()"):
            db.write(lambda c, statement=statement: c.exec_driver_sql(statement))
