"""Assemble the web application."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig

from app.accounts import audit_routes, keys, people, session_routes
from app.api import api_docs, health, problems, security_headers
from app.api.client_address import peer_of
from app.api.dependencies import Routes, query_names
from app.api.event_streams import Hub
from app.api.middleware import BodyLimit, Hosts, RequestContext, Tags
from app.api.openapi import describe
from app.api.rate_limit import Limits, Rates
from app.batches import operations as batch_operations
from app.batches import routes as batches
from app.campaigns import operations as campaign_operations
from app.campaigns import run_routes, runs
from app.core.config import Settings
from app.database.connection import Database
from app.directives import downloads, notices, status
from app.dispatch import decisions, links
from app.dispatch import routes as dispatch
from app.inbound import operations as inbound_operations
from app.inbound import routes as inbound
from app.ledger.ledger import ledger_for
from app.observability.metrics import Metrics
from app.operations import routes as operation_routes
from app.privacy import clock_confirmation
from app.privacy import operations as privacy_operations
from app.receipts import result_file_operations
from app.receipts import result_file_routes as receipt_files
from app.receipts import routes as receipts
from app.receipts.plain_route import PlainRoute
from app.receipts.webhook_handler import WebhookHandler
from app.reports import archive_operations
from app.reports import operations as reports
from app.reports import routes as frozen
from app.reports.counting import panel_judgements
from app.reports.intake import addressee_operations, statement_operations
from app.reports.intake import routes as intake
from app.security.authorization import cookie_name
from app.security.roles import OPEN, Role, may
from app.security.tenant_scope import require_walled
from app.sender_names import checks, refusals, register
from app.signed_orders import keys as signing_keys
from app.signed_orders import orders, received, results
from app.telephone_panel import answers as panel_answers
from app.telephone_panel import gateway_route
from app.telephone_panel import register as panel_register
from app.text_verification import routes as genuine
from app.text_verification.sent_texts import VerificationService
from app.web import routers

# Each request is matched against one route after the other, so the busiest come first.
ROUTERS: list[Routes] = [
    receipts.router,
    health.router,
    problems.router,
    api_docs.router,
    audit_routes.audit_router,
    operation_routes.routes(batch_operations),
    batches.router,
    operation_routes.routes(campaign_operations),
    operation_routes.routes(runs),
    run_routes.events,
    dispatch.router,
    operation_routes.routes(decisions, links),
    operation_routes.routes(reports, archive_operations, statement_operations, addressee_operations),
    frozen.router,
    frozen.public,
    intake.router,
    intake.addressees,
    operation_routes.routes(status, notices, downloads),
    operation_routes.routes(privacy_operations, clock_confirmation),
    genuine.router,
    operation_routes.routes(result_file_operations),
    receipt_files.router,
    operation_routes.routes(inbound_operations),
    inbound.router,
    session_routes.router,
    operation_routes.routes(people, keys),
    operation_routes.routes(refusals, register, checks),
    operation_routes.routes(signing_keys, orders, results, received),
    operation_routes.routes(panel_register, panel_answers, panel_judgements),
    gateway_route.router,
    *routers.ROUTERS,
]


def require_distinct(routers: Iterable[Routes]) -> None:
    """Raise TypeError for a method and address that two routes claim: the second would never be asked."""
    claimed: set[tuple[str, str]] = set()
    for route in (route for router in routers for route in router.routes if isinstance(route, APIRoute)):
        for method in route.methods or ():
            if (method, route.path) in claimed:
                raise TypeError(f"{route.name}: {method} {route.path} is claimed by another route")
            claimed.add((method, route.path))


require_distinct(ROUTERS)
for _route in (route for each in ROUTERS for route in each.routes if isinstance(route, APIRoute)):
    if _route.name not in OPEN and may(Role.OPERATOR, _route.name):  # KeyError: it has no roles
        require_walled(_route.name, _route.path, query_names(_route))

_DESCRIPTION = (
    "One approved text, every subscriber once, a report that adds up. Times are ISO 8601 with their zone; "
    "errors are problem+json (RFC 9457) in sentences; lists are paged by `after` and `next`."
)

# Else each request asks the libraries of OpenTelemetry whether somebody has configured them.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


class Application(FastAPI):
    """FastAPI with an OpenAPI description that has every status, examples, and the shape of errors."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            for model in (problems.Problem, *gateway_route.CALLS.values()):  # of no route's signature
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs"), **{model.__name__: schema})
            describe(self.openapi_schema or {}, {kind.slug: kind.title for kind in problems.kinds()})
        return self.openapi_schema or {}


def create_app(
    settings: Settings,
    db: Database,
    metrics: Metrics | None = None,
    webhook_handler: WebhookHandler | None = None,
) -> FastAPI:
    """Create the application over an open and migrated database; metrics may be shared with links.

    webhook_handler: the links' webhooks, None for no webhooks.
    """
    app = Application(
        title="Loa",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's pages load scripts from another host
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
        redirect_slashes=False,  # it would redirect to whatever Host the caller names
        routes=[route for each in ROUTERS for route in each.routes],
    )
    app.state.settings = settings
    app.state.db = db
    app.state.ledger = ledger_for(db, settings.chunk_size)
    app.state.metrics = metrics or Metrics(db)
    app.state.webhook_handler = webhook_handler or WebhookHandler(db)
    app.state.ready = health.Ready()
    app.state.hub = Hub(db, run_routes.look)
    whose = partial(peer_of, trusted=settings.trusted_proxies)
    app.state.genuine = VerificationService(db, settings.share(settings.verify_per_minute), whose)
    problems.install(app)
    routers.register_hubs(app, db)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add what every request passes, innermost first."""
    app.add_middleware(BodyLimit)
    app.add_middleware(Tags)
    limits = Limits(
        settings.share(settings.requests_per_minute), settings.share(settings.stranger_requests_per_minute)
    )
    whose = partial(peer_of, trusted=settings.trusted_proxies)
    cookie, refuse = cookie_name(settings), problems.respond
    app.add_middleware(Rates, limits=limits, address=whose, refuse=refuse, cookie=cookie)
    app.add_middleware(PlainRoute, owner=app)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **security_headers.CORS)
    names = {link.carrier for link in settings.links.values()} | set(settings.links)
    secure = security_headers.HSTS if settings.behind_tls or settings.tls_certificate else {}
    headers = security_headers.HEADERS | secure
    if settings.public_hosts:
        app.add_middleware(Hosts, names=settings.public_hosts, refuse=refuse)
    app.add_middleware(RequestContext, names=names, headers=headers, address=whose)
