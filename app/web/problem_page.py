"""Errors as pages: for who has asked for a page, in that person's language; nobody signed in is led there."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from app.auth.factor import FactorWanted
from app.auth.roles import OPEN, PAGE
from app.problems import Problem
from app.web import names
from app.web.show import render, visiting

_MACHINES = ("/v1/", "/webhooks/")


def problem_page(request: Request, problem: Problem) -> Response | None:
    """The page that says the error; None where problem+json is the answer."""
    operation = getattr(request.scope.get("route"), "name", "")
    if not _wants_page(request, operation):
        return None
    visit = visiting(request, request.scope.get("admitted"))
    if problem.status == 401 and operation not in OPEN:
        there = visit.address if request.method == "GET" else "/"
        return RedirectResponse(f"/sign-in?{urlencode({'next': there})}", 303)
    slug = problem.type.rpartition("#")[2]
    if slug == FactorWanted.slug:
        return RedirectResponse("/second-factor", 303)
    heading, advice = names.problem(slug, problem.status)
    return render(visit, "problem.html", problem.status, heading=heading, advice=advice, problem=problem)


def _wants_page(request: Request, operation: str) -> bool:
    """Whether a page was asked for: one of ours, or an address where nothing is, by a browser."""
    if operation:
        return operation.startswith(PAGE)
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_MACHINES)
