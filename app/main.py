"""The web application: puts the parts together and decides nothing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from app import health, problems
from app.batches import routes as batches
from app.campaigns import routes as campaigns
from app.campaigns import run_routes as runs
from app.config import Settings
from app.db import Database
from app.dispatch import routes as dispatch
from app.ledger.choose import ledger_for
from app.metrics import Metrics
from app.middleware import BodyLimit, RequestContext
from app.reports import routes as reports

ROUTERS: list[APIRouter] = [
    health.router,
    problems.router,
    batches.router,
    campaigns.router,
    runs.router,
    dispatch.router,
    reports.router,
]

_DESCRIPTION = (
    "One approved text, every subscriber once, a report that adds up. Times are ISO 8601 with their zone; "
    "errors are problem+json (RFC 9457) in sentences; lists are paged by `after` and `next`."
)


class Application(FastAPI):
    """FastAPI, with Problem among the schemas of its description."""

    def openapi(self) -> dict[str, Any]:
        """The description, with the shape of errors in it."""
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs"), Problem=problem)
        return self.openapi_schema or {}


def create_app(settings: Settings, db: Database, metrics: Metrics | None = None) -> FastAPI:
    """The application over a database that is open and migrated; metrics may be shared with lanes."""
    app = Application(
        title="Loa",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's pages load their scripts from another host
        redoc_url=None,
        responses=problems.RESPONSES,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.db = db
    app.state.ledger = ledger_for(db, settings.chunk_size)
    app.state.metrics = metrics or Metrics(db)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext)
    return app
