"""The application over a real database, and clients with and without a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client

# Read once: to look through the environment for every setting takes 3 ms.
_AS_SHIPPED = Settings()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return _AS_SHIPPED.model_copy(update={"data": tmp_path})


@pytest.fixture
def application(settings: Settings, db: Database) -> FastAPI:
    return create_app(settings, db)


@pytest.fixture
def stranger(application: FastAPI) -> Iterator[Client]:
    """Has no key."""
    with Client(application) as client:
        yield client


@pytest.fixture
def client(application: FastAPI, db: Database) -> Iterator[Client]:
    """Holds a valid key."""
    with Client(application, db.write(create_key, "tester")) as client:
        yield client


@pytest.fixture
def chief(application: FastAPI, db: Database) -> Iterator[Client]:
    """Holds the key of an approver, who is somebody else than the client."""
    with Client(application, db.write(create_key, "chief", "approver")) as client:
        yield client
