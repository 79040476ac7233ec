"""Health checks for load balancers and metrics for Prometheus."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from fastapi import Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.api.client_address import among, peer_of
from app.api.dependencies import Config, Db, Routes
from app.core import clock
from app.core.errors import AppError, DatabaseUnavailable, NotFound
from app.database import clock_leaps, schema, server_waits
from app.database.connection import Database
from app.observability import faults
from app.observability.metrics import KEPT_S

router = Routes(tags=["health"])


class SchemaAway(DatabaseUnavailable):
    """The database schema differs from what the program needs, for example during an upgrade.

    Run `loa migrate`.
    """

    slug, title = "schema-behind", "The database has another schema"


class NoWrites(DatabaseUnavailable):
    """Of `/readyz` alone: the database can be read but takes no changes. `loa doctor` names the cause.

    Nothing is sent and no receipt is answered until it does, and Loa then goes on by itself.
    """

    slug, title = "no-writes", "The database takes no changes"


class Faulty(AppError):
    """Of `/readyz` alone.

    A part of Loa has met a fault that nobody foresaw; the answer names it. It is begun again by itself,
    after pauses of up to a minute, or the row that it met is set aside, and everything else goes on. The
    overview shows what it met, the log has the whole of it; five minutes after the last fault (two hours
    for a receipt that was set aside) `/readyz` is good again.
    """

    status, slug, title = 503, "faulty", "A part of Loa fails"


@router.get("/healthz", summary="The process is alive")
def healthz() -> dict[str, str]:
    """Report that the process runs. Touches nothing: an unreachable database is no reason to restart."""
    return {"status": "alive"}


@dataclass(slots=True)
class Ready:
    """Readiness, checked once a second however many ask."""

    until: float = 0.0
    schema: str = ""
    clock: str = ""  # what waits after a leap of the clock
    refused: AppError | None = None
    asking: threading.Lock = field(default_factory=threading.Lock)

    def look(self, db: Database) -> str:
        """Return the database's schema; a 503 if it is unreachable, differs, or a part of Loa fails."""
        with self.asking:
            if clock.monotonic() >= self.until:
                self._ask(db)
                self.until = clock.monotonic() + KEPT_S
            if self.refused is not None:
                raise self.refused
            return self.schema

    def _ask(self, db: Database) -> None:
        try:
            self.schema, self.refused = _require(db), None
            leap = db.read(clock_leaps.leap)
            self.clock = str(leap.sentence) if leap else ""
        except AppError as error:
            self.refused = error


def _require(db: Database) -> str:
    found = db.read(schema.current)
    if wrong := schema.fault(found):
        raise SchemaAway(wrong)
    if not db.read(server_waits.takes_changes):
        raise NoWrites(
            "The database is not accepting changes. Loa keeps trying. Run `loa doctor` for details."
        )
    parts = ", ".join(sorted({fault.source for fault in db.read(faults.present)}))
    if parts:
        raise Faulty("These parts of Loa failed recently: {parts}. See the overview page.", parts=parts)
    return schema.newest()


async def _monitor(request: Request, settings: Config) -> None:
    """Raise NotFound for callers outside `monitor_networks`, if that is set."""
    own = settings.monitor_networks
    forwarded = ", ".join(request.headers.getlist("x-forwarded-for"))
    connected = request.client.host if request.client else ""
    if own and not among(peer_of(connected, forwarded, settings.trusted_proxies), own):
        raise NotFound("Address not found. See /docs for the available addresses.")


@router.get("/readyz", summary="The process can serve", dependencies=[Depends(_monitor)])
def readyz(request: Request, db: Db) -> dict[str, str]:
    """Ask the database for its schema; 503 when it is away, takes no changes, has another schema, or a part
    of Loa fails. `clock` is there after a leap of the clock and says what waits until its time is trusted.
    """
    ready = cast(Ready, request.app.state.ready)
    found = {"status": "ready", "schema": ready.look(db)}
    return found | ({"clock": ready.clock} if ready.clock else {})


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}},
    dependencies=[Depends(_monitor)],
)
def metrics(request: Request) -> Response:
    """Return counters of this process, and gauges read from the database at most a second ago."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)
