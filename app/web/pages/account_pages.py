"""The account page: change the password, end sessions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi import Response

from app.accounts import service
from app.accounts.session_routes import Person, Token, set_cookie
from app.api.dependencies import Routes
from app.core.errors import Invalid, Unauthorised
from app.security import login, sessions
from app.security.authorization import lifetime_of
from app.security.login import Login
from app.security.login_throttle import TooManyAttempts
from app.security.passwords import hash_password
from app.security.secret_encryption import vault_of
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import say

router = Routes(include_in_schema=False)

_SECRETS = ("password", "new", "code", "own_password", "own_code")
_NUMBER = re.compile("[0-9]{1,9}")


@router.get("/account")
def page_account(visit: Visit, person: Person, token: Token) -> Response:
    return _page(visit, token, FormState())


@router.post("/account/password")
def page_do_change_password(visit: Visit, person: Person, token: Token, fields: Fields) -> Response:
    """Change the password as PUT /v1/me/password does: all sessions end and a new one begins."""
    settings, name = visit.settings, person.name
    try:
        _reauthenticate(visit, fields, person.address, "password", "code")
        hashed = _hashed(fields.raw("new"), name, settings.password_words)
    except (Invalid, Unauthorised, TooManyAttempts) as error:
        return _page(visit, token, refused(error, fields, *_SECRETS), "password")
    visit.db.write(service.set_hashed, name, hashed, name)
    fresh = visit.db.write(sessions.open_for, name, lifetime_of(settings), person.address)
    answer = redirect_with_flash(
        visit, "/account", say("The password is changed; every other session is over.")
    )
    set_cookie(answer, settings, fresh)
    return answer


@router.post("/account/sessions")
def page_do_end_sessions(visit: Visit, person: Person, token: Token, fields: Fields) -> Response:
    """End the ticked sessions or all others, as POST /v1/me/sessions/end does."""
    try:
        _reauthenticate(visit, fields, person.address, "own_password", "own_code")
        ticked = [int(each) for each in fields.all("session") if _NUMBER.fullmatch(each)]
        if not ticked and not fields.get("all"):
            raise Invalid("Tick a session, or choose to end all others.", field="session")
    except (Invalid, Unauthorised, TooManyAttempts) as error:
        return _page(visit, token, refused(error, fields, *_SECRETS), "sessions")
    only, keep = (None, token) if fields.get("all") else (ticked, "")
    visit.db.write(service.end_sessions, person.name, person.name, keep, only)
    return redirect_with_flash(visit, "/account", say("The sessions are over."))


def _hashed(password: str, name: str, words: Sequence[str]) -> str:
    """Hash the new password; its faults are shown at its own field."""
    try:
        return hash_password(password, name, words)
    except Invalid as error:
        raise Invalid(error.detail, field="new") from None


def _reauthenticate(visit: PageRequest, fields: FormData, address: str, password: str, code: str) -> None:
    """Check the password and, if set, the second factor again; `password`, `code`: their fields."""
    said = Login(visit.who.name, fields.raw(password), fields.get(code) or None)
    login.check_again(visit.db, said, address, vault_of(visit.settings))


def _page(visit: PageRequest, token: str, entered: FormState, of: str = "") -> Response:
    """Render the page; `of` names the refused form."""
    found = visit.db.read(sessions.sessions_of, visit.who.name, token, lifetime_of(visit.settings))
    nothing = FormState()
    values = {
        "entered": entered,
        "password": entered if of == "password" else nothing,
        "ending": entered if of == "sessions" else nothing,
        "sessions": found,
    }
    answer = render(visit, "account.html", entered.status, **values)
    if entered.retry_after_s:
        answer.headers["Retry-After"] = str(entered.retry_after_s)
    return answer
