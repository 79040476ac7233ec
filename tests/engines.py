"""Which databases tests run on: a folder or a module takes one of these as its `database_url`."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def each_engine(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database of its own; each test that asks runs once per engine."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("new_postgresql_url"))


@pytest.fixture
def sqlite_alone(request: pytest.FixtureRequest) -> str:
    """SQLite, where what is shown lies above the database, unless a test names the other engine."""
    if getattr(request, "param", "sqlite") == "postgresql":
        return str(request.getfixturevalue("new_postgresql_url"))
    return str(request.getfixturevalue("sqlite_url"))


# What a test gets that says nothing: SQLite, and in `make prove` each engine.
by_default = each_engine if "LOA_TEST_EACH_ENGINE" in os.environ else sqlite_alone

# For a test in a module that says `each_engine`, where the engine can change nothing.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# For a test of seconds whose other half `make prove` runs, as `.ci/run` has a drill on each engine.
other_by_hand = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.prove)], indirect=True
)
