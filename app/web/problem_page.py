"""Error pages in the visitor's language; visitors without a session are sent to the sign-in."""

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
    """Render the error as a page; None if the response is problem+json."""
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
    """Return the page of a failed form: the nearest readable URL above the form's own.

    Browsers are told to send no Referer, so that no internal URL leaks.
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
    """Return whether a page was requested: a page route, or an unknown URL by a browser."""
    if operation:
        return operation.startswith(PAGE)
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_MACHINES)
