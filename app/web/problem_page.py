"""Errors as pages: for who has asked for a page, in that person's language; nobody signed in is led there."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.routing import BaseRoute, Match

from app.api.problems import Problem
from app.security.roles import OPEN, PAGE
from app.security.totp import FactorWanted
from app.web import display_names
from app.web.rendering import LOST, render, visiting

_MACHINES = ("/v1/", "/webhooks/")


def problem_page(request: Request, problem: Problem) -> Response | None:
    """The page that says the error; None where problem+json is the answer."""
    operation = getattr(request.scope.get("route"), "name", "")
    if not _wants_page(request, operation):
        return None
    visit = visiting(request, request.scope.get("admitted"))
    if problem.status == 401 and operation not in OPEN:
        if request.method == "GET":
            return RedirectResponse(f"/sign-in?{urlencode({'next': visit.address})}", 303)
        query = {"next": _came_from(request), LOST: "1"}
        return RedirectResponse(f"/sign-in?{urlencode(query)}", 303)
    slug = problem.type.rpartition("#")[2]
    if slug == FactorWanted.slug:
        return RedirectResponse("/second-factor", 303)
    heading, advice = display_names.problem(slug, problem.status)
    return render(visit, "problem.html", problem.status, heading=heading, advice=advice, problem=problem)


def _came_from(request: Request) -> str:
    """The page on which the order was given: the nearest above its address that can be read.

    Browsers are asked to send no Referer, so that no address of ours leaves by it.
    """
    path = request.url.path
    while path:
        if any(_reads(route, request, path) for route in request.app.routes):
            return path
        path = path.rpartition("/")[0]
    return "/"


def _reads(route: BaseRoute, request: Request, path: str) -> bool:
    if not str(getattr(route, "name", "")).startswith(PAGE):
        return False
    scope = {"type": "http", "method": "GET", "path": path, "root_path": request.scope.get("root_path", "")}
    return route.matches(scope)[0] is Match.FULL


def _wants_page(request: Request, operation: str) -> bool:
    """Whether a page was asked for: one of ours, or an address where nothing is, by a browser."""
    if operation:
        return operation.startswith(PAGE)
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_MACHINES)
