"""All routers of the pages, for app/runtime/api_app.py. How a page is added: docs/pages.md."""

from __future__ import annotations

from fastapi import FastAPI

from app.api.dependencies import Routes
from app.api.event_streams import FOR_PAGES, Hub
from app.database.connection import Database
from app.web import assets
from app.web.pages import (
    account,
    answers,
    approvals,
    audit,
    batch,
    batches,
    campaign,
    campaigns,
    compose,
    delivery,
    directives,
    erasures,
    find_person,
    follow_up,
    inbound,
    keys,
    links,
    notices,
    opt_outs,
    overview,
    people,
    person_requests,
    plans,
    receipt_files,
    receipts,
    recordings,
    rejected,
    reports,
    run,
    second_factor,
    sign_in,
    texts,
    unknown,
    verify,
    wall,
)
from app.web.problem_page import problem_page
from app.web.view_models.campaign_stream import Follow
from app.web.view_models.overview_page import Watch

ROUTERS: list[Routes] = [
    assets.router,
    overview.router,
    wall.router,
    compose.router,
    approvals.router,
    batches.router,  # before `batch`: /batches/new is no batch id
    directives.router,
    texts.router,
    campaigns.router,
    plans.router,
    campaign.router,
    follow_up.router,
    recordings.router,
    run.router,
    unknown.router,
    rejected.router,
    batch.router,
    delivery.router,
    links.router,
    receipts.router,
    receipt_files.router,
    inbound.router,
    answers.router,
    find_person.router,
    person_requests.router,
    sign_in.router,
    second_factor.router,
    reports.router,
    audit.router,
    people.router,
    keys.router,
    account.router,
    opt_outs.router,
    notices.router,
    erasures.router,
    verify.router,
]


def register_hubs(app: FastAPI, db: Database) -> None:
    app.state.watch = Watch()
    app.state.overview = Hub(db, app.state.watch, FOR_PAGES)
    app.state.followed = Hub(db, Follow(), FOR_PAGES)
    app.state.problem_page = problem_page
