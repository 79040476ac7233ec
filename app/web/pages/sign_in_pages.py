"""Sign-in with second factor, sign-out, language switch."""

from __future__ import annotations

from fastapi import Request, Response

from app.accounts.session_routes import Address, set_cookie
from app.api.dependencies import Routes
from app.api.security_headers import FORGET
from app.core.errors import Invalid, Unauthorised
from app.security import login, sessions
from app.security.authorization import cookie_name, lifetime_of
from app.security.login import Login
from app.security.login_throttle import TooManyAttempts
from app.security.secret_encryption import vault_of
from app.security.sessions import CsrfRefused
from app.web.rendering import (
    LANGUAGE,
    LOST,
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    leave,
    own_path,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import LANGUAGES, say

router = Routes(include_in_schema=False)

_YEAR_S = 31_536_000


@router.get("/sign-in")
def page_sign_in(visit: Visit) -> Response:
    return _form(visit, visit.request.query_params.get("next", "/"), FormState())


@router.post("/sign-in")
def page_do_log_in(visit: Visit, fields: Fields, address: Address) -> Response:
    """Sign in as POST /v1/session does, and go on to the requested page."""
    _from_here(visit.request)
    following, settings = own_path(fields.get("next")), visit.settings
    # Passwords may begin or end with blanks.
    said = Login(fields.get("name"), fields.raw("password"), fields.get("code") or None)
    try:
        _require(fields, "name", "password")
        token = login.log_in(visit.db, said, address, lifetime_of(settings), vault_of(settings))
    except (Invalid, Unauthorised, TooManyAttempts) as error:
        return _form(visit, following, refused(error, fields, "password", "code"))
    visit.request.scope["caller"] = said.name
    visit.db.write(sessions.end_session, visit.request.cookies.get(cookie_name(settings), ""))
    lost = say("You are signed in again. What you last ordered was NOT carried out: look, and order it anew.")
    answer = redirect_with_flash(visit, following, lost if fields.get(LOST) else None)
    set_cookie(answer, settings, token)
    return answer


@router.post("/sign-out")
def page_do_log_out(visit: Visit) -> Response:
    """Sign out, which ends the session at once."""
    visit.db.write(sessions.end_session, visit.request.cookies.get(cookie_name(visit.settings), ""))
    answer = redirect_with_flash(visit, "/sign-in", say("You have signed out."))
    set_cookie(answer, visit.settings, "", max_age=0)
    answer.headers.update(FORGET)
    return answer


@router.post("/language")
def page_language(visit: Visit, fields: Fields) -> Response:
    """Switch the language."""
    answer = redirect_with_flash(visit, own_path(fields.get("next")))
    if (wanted := fields.get("language")) in LANGUAGES:
        leave(answer, visit.settings, LANGUAGE, wanted, _YEAR_S)
    return answer


def _form(visit: PageRequest, following: str, entered: FormState) -> Response:
    lost = visit.request.query_params.get(LOST) or entered.values.get(LOST)
    answer = render(
        visit, "sign_in.html", entered.status, entered=entered, following=own_path(following), lost=lost
    )
    if entered.retry_after_s:
        answer.headers["Retry-After"] = str(entered.retry_after_s)
    return answer


def _require(fields: FormData, *wanted: str) -> None:
    """Raise Invalid for an empty field, without counting it as an attempt."""
    for name in wanted:
        if not fields.raw(name):
            raise Invalid(f"The {name} is missing.", field=name)


def _from_here(request: Request) -> None:
    """Raise CsrfRefused for a cross-site form: before sign-in there is no session to hold a token."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CsrfRefused("The sign-in was sent by a page of another site; open the sign-in page itself.")
