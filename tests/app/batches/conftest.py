"""The application with stage 1 alone, so that its tests stand or fall by themselves."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from app.api import problems
from app.batches import operations
from app.batches.routes import router
from app.core.config import Settings
from app.database.connection import Database
from app.observability.metrics import Metrics
from app.operations.routes import routes
from tests.engines import each_engine

database_url = each_engine


@pytest.fixture
def application(settings: Settings, db: Database) -> FastAPI:
    app = FastAPI()
    app.state.settings, app.state.db, app.state.metrics = settings, db, Metrics(db)
    problems.install(app)
    app.include_router(routes(operations))
    app.include_router(router)
    return app
