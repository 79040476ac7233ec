"""Error pages in the visitor's language; visitors without a session are sent to the sign-in."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from app.api.dependencies import is_program
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
        query = {"next": visit.back, LOST: "1"}
        return RedirectResponse(f"/sign-in?{urlencode(query)}", 303)
    slug = problem.type.rpartition("#")[2]
    if slug == FactorWanted.slug:
        return RedirectResponse("/second-factor", 303)
    heading, advice = display_names.problem(slug, problem.status)
    return render(visit, "problem.html", problem.status, heading=heading, advice=advice, problem=problem)


def _wants_page(request: Request, operation: str) -> bool:
    """Return whether a page was requested: a page route, or an unknown URL by a browser."""
    if operation:
        return operation.startswith(PAGE) and not is_program(request)
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_MACHINES)
