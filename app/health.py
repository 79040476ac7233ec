"""Is the process alive, can it work, and what does it count: for load balancers and Prometheus."""

from __future__ import annotations

from functools import cache

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app import faults, schema
from app.api import Db, Routes
from app.errors import AppError, Away

router = Routes(tags=["health"])


class SchemaAway(Away):
    """The database answers, but has not the schema that this program needs: run `loa migrate`."""

    slug, title = "schema-behind", "The database has another schema"


class Faulty(AppError):
    """A part of Loa has failed lately and is tried again: see the overview and the log."""

    status, slug, title = 503, "faulty", "A part of Loa fails"


@router.get("/healthz", summary="The process is alive")
def healthz() -> dict[str, str]:
    """Say so, and touch nothing: a database that is away is no reason to restart the process."""
    return {"status": "alive"}


@router.get("/readyz", summary="The process can serve")
def readyz(db: Db) -> dict[str, str]:
    """Ask the database for its schema; 503 when it is away, has another one, or a part of Loa fails."""
    found = db.read(schema.current)
    if found != _needed():
        raise SchemaAway(
            f"The database has schema {found or 'none'}, this program needs {_needed()}: run `loa migrate`."
        )
    parts = ", ".join(sorted({fault.source for fault in db.read(faults.present)}))
    if parts:
        raise Faulty(f"These parts of Loa have failed lately: {parts}. See the overview.")
    return {"status": "ready", "schema": found}


@cache
def _needed() -> str:
    return schema.newest()


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Counters of this process, and gauges read from the database now."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)
