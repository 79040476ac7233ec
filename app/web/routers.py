"""All routers of the pages, for app/runtime/api_app.py. How a page is added: docs/pages.md."""

from __future__ import annotations

from fastapi import FastAPI

from app.api.dependencies import Routes
from app.api.event_streams import FOR_PAGES, Hub
from app.database.connection import Database
from app.web import assets
from app.web.pages import (
    approvals_pages,
    audit_pages,
    batches_pages,
    campaigns_pages,
    compose_pages,
    directives_pages,
    find_person_pages,
    inbound_pages,
    links_pages,
    notices_pages,
    overview_pages,
    panel_pages,
    people_pages,
    privacy_pages,
    receipts_pages,
    reports_pages,
    run_pages,
    search_pages,
    sender_names_pages,
    sign_in_pages,
    signed_orders_pages,
    unknown_pages,
    verify_pages,
)
from app.web.rendering import problem_page
from app.web.view_models.campaign_stream import Follow
from app.web.view_models.overview_page import Watch

ROUTERS: list[Routes] = [
    assets.router,
    overview_pages.router,
    compose_pages.router,
    approvals_pages.router,
    batches_pages.router,
    directives_pages.router,
    campaigns_pages.router,
    run_pages.router,
    unknown_pages.router,
    find_person_pages.router,
    links_pages.router,
    sender_names_pages.router,
    panel_pages.router,
    search_pages.router,
    receipts_pages.router,
    signed_orders_pages.router,
    inbound_pages.router,
    privacy_pages.router,
    sign_in_pages.router,
    reports_pages.router,
    audit_pages.router,
    people_pages.router,
    notices_pages.router,
    verify_pages.router,
]


def register_hubs(app: FastAPI, db: Database) -> None:
    app.state.watch = Watch()
    app.state.overview = Hub(db, app.state.watch, FOR_PAGES)
    app.state.followed = Hub(db, Follow(), FOR_PAGES)
    app.state.problem_page = problem_page
