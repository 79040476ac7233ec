"""Forms and their cells are no work of the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from app.database.connection import Database
from app.security import create_key
from tests.app.client import Client
from tests.engines import sqlite_alone

database_url = sqlite_alone


@pytest.fixture
def operator(application: FastAPI, db: Database) -> Iterator[Client]:
    with Client(application, db.write(create_key, "viettel desk", "operator", "viettel")) as client:
        yield client
