"""Error responses as RFC 9457 problem+json, in full sentences, never repeating the caller's input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field, SkipValidation
from sqlalchemy.exc import DataError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from app.api.api_docs import page
from app.api.bodies import sentence
from app.api.dependencies import PROBLEM_TYPE, Routes, is_program, no_page
from app.core import clock
from app.core.errors import CLASHED, UNSTORABLE, AppError, Conflict, Invalid, NotFound, TooLarge
from app.core.masking import escaped
from app.observability.logs import mask_sentence, mask_text
from carriers.phrases import join

TYPE = "/docs/errors#"
# Long enough for a database restart, short enough for a waiting person.
RETRY_AFTER_S = "2"


log = structlog.get_logger()
router = Routes()


# Kept as it is, so that a page can translate it.
Sentence = SkipValidation[str]


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["body.sender"])
    detail: Sentence = Field(examples=["body.sender is missing."])


class Problem(BaseModel):
    """An error, as RFC 9457 shapes it."""

    type: str = Field(examples=["/docs/errors#conflict"])
    title: str = Field(examples=["Not possible in the current state"])
    status: int = Field(examples=[409])
    detail: Sentence = Field(examples=["The run is paused; resume it instead."])
    request_id: str = Field(description="name it when you ask for help; the log has it too")
    errors: list[FieldError] = Field(default=[], description="one for each field, where fields are wrong")


class Bug(AppError):
    """An internal error in Loa.

    The log has the details under the `request_id`. Please report the error with the log lines around it.
    """

    status, slug, title = 500, "bug", "An internal error"


def respond(request: Request, error: AppError, errors: list[FieldError] | None = None) -> Response:
    """Build the response for an error: a page if a page was asked for, otherwise problem+json."""
    errors = errors or [FieldError(field=field, detail=detail) for field, detail in error.faults]
    # A sentence may quote the request, and any quoted word may be a phone number in the wrong field.
    errors = [
        FieldError(field=escaped(mask_text(each.field)), detail=mask_sentence(each.detail)) for each in errors
    ]
    problem = Problem(
        type=TYPE + error.slug,
        title=error.title,
        status=error.status,
        detail=mask_sentence(error.detail),
        request_id=str(request.scope.get("request_id", "")),
        errors=errors,
    )
    page_of = getattr(getattr(request.scope.get("app"), "state", None), "problem_page", None)
    shown: Response | None = page_of(request, problem) if page_of else None
    if shown is None:
        shown = JSONResponse(problem.model_dump(exclude_defaults=True), error.status, media_type=PROBLEM_TYPE)
    shown.headers.update(_headers(error))
    return shown


def _headers(error: AppError) -> dict[str, str]:
    if error.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if error.retry_after_s is not None:
        return {"Retry-After": str(error.retry_after_s)}
    return {"Retry-After": RETRY_AFTER_S} if error.status == 503 else {}


def install(app: FastAPI) -> None:
    app.add_exception_handler(AppError, _refused)
    app.add_exception_handler(RequestValidationError, _wrong_input)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(IntegrityError, _clash)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(clock.Unreal, _unreal)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


def _refused(request: Request, error: Exception) -> Response:
    refusal = cast(AppError, error)
    if refusal.cause:
        log.warning("refused", reason=refusal.cause)
    return respond(request, refusal)


_UNTYPED = "The header Content-Type is missing. Send the body as application/json, and say so in this header."


def _wrong_input(request: Request, error: Exception) -> Response:
    wrong = cast(RequestValidationError, error).errors()
    if "content-type" not in request.headers and any(tuple(item["loc"]) == ("body",) for item in wrong):
        return respond(request, Invalid(_UNTYPED, field="Content-Type"))
    errors = [field_error(item) for item in wrong]
    return respond(request, Invalid(join(each.detail for each in errors)), errors)


def field_error(item: Mapping[str, Any]) -> FieldError:
    """Convert a pydantic error to a sentence, leaving out its input, which may be a phone number."""
    return FieldError(field=".".join(str(step) for step in item["loc"]), detail=sentence(item))


def _http(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    if error.status_code == 405:
        error.headers = dict(error.headers or {}) | {"Allow": ", ".join(_allowed(request))}
    response = respond(request, _refusal(error, request))
    response.headers.update(error.headers or {})
    return response


def _allowed(request: Request) -> list[str]:
    """Return all methods of this address: the framework knows those of the first route that has its path."""
    routes = request.app.routes
    partly = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in partly for method in getattr(route, "methods", None) or ()} - {"HEAD"})


def _refusal(error: HTTPException, request: Request) -> AppError:
    """Put a refusal of the framework, which has no remedy, into our words."""
    match error.status_code:
        case 404:
            return _nowhere(request)
        case 413:
            return TooLarge(error.detail)
        case 405:
            allowed = ", ".join(_allowed(request))
            words = AppError("This address accepts only {allowed}. See /docs.", allowed=allowed)
        case 400 if error.__cause__ is not None:  # FastAPI met what it has no words for
            words = AppError("The request body cannot be read. See /docs for what this address accepts.")
        case _:
            words = AppError(error.detail)
    words.status, words.slug = error.status_code, f"http-{error.status_code}"
    return words


def _nowhere(request: Request) -> NotFound:
    path = request.url.path
    if path.startswith("/v1/") and path.endswith("/"):
        return NotFound(
            "Address not found. Remove the slash at the end. See /docs for the available addresses."
        )
    if is_program(request) and not path.startswith(("/v1/", "/webhooks/")):
        return no_page()
    return NotFound("Address not found. See /docs for the available addresses.")


def _clash(request: Request, _error: Exception) -> Response:
    return respond(request, Conflict(CLASHED))


def _unstorable(request: Request, _error: Exception) -> Response:
    return respond(request, Invalid(UNSTORABLE))


def _unreal(request: Request, error: Exception) -> Response:
    return respond(request, Invalid(str(error)))


def _gone(request: Request, _error: Exception) -> Response:
    # Nobody receives this; it makes the log say 400 instead of showing a traceback.
    return respond(request, AppError("The connection was closed before the whole request arrived."))


def _bug(request: Request, error: Exception) -> Response:
    # This handler runs outside the middleware that binds the request id.
    log.error("request failed", request_id=request.scope.get("request_id"), exc_info=error)
    return respond(
        request, Bug("Something went wrong in Loa. The log has the details under this request id.")
    )


def kinds(base: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Yield the kinds that callers can tell apart, each by its slug."""
    if "slug" in vars(base):
        yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def explanation(kind: type[AppError]) -> str:
    """Return what a kind of error means and what to do, in one paragraph."""
    return " ".join((kind.__doc__ or "").split())


@router.get("/docs/errors", include_in_schema=False)
def explain() -> HTMLResponse:
    """Explain all kinds of errors; a problem's `type` links here."""
    parts = [
        f'<h2 id="{kind.slug}">{escape(kind.title)} ({kind.status})</h2><p>{_marked(explanation(kind))}</p>'
        for kind in kinds()
    ]
    return page("Loa: errors", "\n".join(parts))


def _marked(words: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words, quote=False))
