"""Sign-in, sign-out, language switch, the second factor with its recovery codes, and the account itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from sqlalchemy import Connection

from app.accounts import service
from app.accounts.session_routes import Address, Person, Token, set_cookie
from app.api.dependencies import Routes
from app.api.security_headers import FORGET
from app.core.errors import Conflict, Forbidden, Invalid, Unauthorised
from app.security import login, sessions, users
from app.security.authorization import cookie_name, lifetime_of
from app.security.login import Login
from app.security.login_throttle import TooManyAttempts
from app.security.passwords import hash_password
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
from carriers.phrases import Phrase

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
    lost = say(
        "Your last action was not carried out because your session had expired. Check the "
        "page, then try again."
    )
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


def _require(fields: FormData, *names: str) -> None:
    """Raise Invalid for an empty field, without counting it as an attempt."""
    for name in names:
        if not fields.raw(name):
            raise Invalid("Enter the {name}.", name=Phrase(name), field=name)


def _from_here(request: Request) -> None:
    """Raise CsrfRefused for a cross-site form: before sign-in there is no session to hold a token."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CsrfRefused("The sign-in was sent from another site's page. Open the sign-in page directly.")


_QUIET = 4  # quiet zone around a QR code, in modules, by its standard


@router.get("/second-factor")
def page_second_factor(visit: Visit) -> Response:
    return _page(visit)


@router.post("/second-factor")
def page_do_enrol_totp(visit: Visit, fields: Fields, address: Address) -> Response:
    """Create a secret, shown only now, as POST /v1/me/totp does."""
    name, vault = _person(visit), vault_of(visit.settings)
    try:
        visit.db.read(service.check_no_factor, name)
        login.check_again(visit.db, Login(name, fields.raw("password")), address, vault)
        secret, uri = visit.db.write(service.enrol, name, name, vault)
    except (Conflict, Unauthorised, TooManyAttempts) as error:
        return _page(visit, refused(error, fields, "password"))
    return _page(visit, secret=secret, uri=uri, picture=qr(uri))


@router.post("/second-factor/confirm")
def page_do_confirm_totp(visit: Visit, fields: Fields, token: Token, address: Address) -> Response:
    """Activate the secret as POST /v1/me/totp/confirm does; recovery codes are shown only now."""
    name, vault = _person(visit), vault_of(visit.settings)

    def confirm(connection: Connection) -> list[str]:
        return service.confirm(connection, name, fields.get("code"), name, vault, token)

    try:
        codes = login.confirm_factor(visit.db, name, address, confirm)
    except (Conflict, Invalid, TooManyAttempts) as error:
        return _page(visit, refused(error, fields, "code"), asked=True)
    return _page(visit, codes=codes)


def _person(visit: PageRequest) -> str:
    if not visit.who.person:
        raise Forbidden("Only signed-in users can do this; API keys cannot.")
    return visit.who.name


def _page(visit: PageRequest, entered: FormState | None = None, **values: Any) -> Response:
    entered = entered or FormState()
    person = visit.db.read(users.find_row, visit.who.name)
    enrolled = person is not None and person.totp_since is not None
    forced = person is not None and not enrolled and visit.who.role in visit.settings.factor_roles
    known = {"person": person is not None, "enrolled": enrolled, "forced": forced}
    shown = {"secret": "", "uri": "", "picture": None, "codes": [], "asked": False} | known | values
    answer = render(visit, "second_factor.html", entered.status, entered=entered, **shown)
    if entered.retry_after_s:
        answer.headers["Retry-After"] = str(entered.retry_after_s)
    return answer


def qr(text: str) -> tuple[int, str]:
    """Return a QR code's width in modules and the SVG path of its dark ones."""
    import segno  # where a code is shown, not when a process starts

    code = segno.make_qr(text, error="m", boost_error=False)
    rows = enumerate(code.matrix_iter(border=_QUIET))
    dark = [(x, y) for y, row in rows for x, bit in enumerate(row) if bit]
    return len(code.matrix) + 2 * _QUIET, "".join(f"M{x},{y}h1v1h-1z" for x, y in dark)


_SECRETS = ("password", "new", "code", "own_password", "own_code")
_NUMBER = re.compile("[0-9]{1,9}")


@router.get("/account")
def page_account(visit: Visit, person: Person, token: Token) -> Response:
    return _account(visit, token, FormState())


@router.post("/account/password")
def page_do_change_password(visit: Visit, person: Person, token: Token, fields: Fields) -> Response:
    """Change the password as PUT /v1/me/password does: all sessions end and a new one begins."""
    settings, name = visit.settings, person.name
    try:
        _reauthenticate(visit, fields, person.address, "password", "code")
        hashed = _hashed(fields.raw("new"), name, settings.password_words)
    except (Invalid, Unauthorised, TooManyAttempts) as error:
        return _account(visit, token, refused(error, fields, *_SECRETS), "password")
    visit.db.write(service.set_hashed, name, hashed, name)
    fresh = visit.db.write(sessions.open_for, name, lifetime_of(settings), person.address)
    answer = redirect_with_flash(
        visit, "/account", say("Your password has been changed. All other sessions have ended.")
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
            raise Invalid("Select a session, or choose to end all others.", field="session")
    except (Invalid, Unauthorised, TooManyAttempts) as error:
        return _account(visit, token, refused(error, fields, *_SECRETS), "sessions")
    only, keep = (None, token) if fields.get("all") else (ticked, "")
    visit.db.write(service.end_sessions, person.name, person.name, keep, only)
    return redirect_with_flash(visit, "/account", say("The sessions have ended."))


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


def _account(visit: PageRequest, token: str, entered: FormState, form: str = "") -> Response:
    """Render the page; `form` names the refused form."""
    found = visit.db.read(sessions.sessions_of, visit.who.name, token, lifetime_of(visit.settings))
    nothing = FormState()
    values = {
        "entered": entered,
        "password": entered if form == "password" else nothing,
        "ending": entered if form == "sessions" else nothing,
        "sessions": found,
    }
    answer = render(visit, "account.html", entered.status, **values)
    if entered.retry_after_s:
        answer.headers["Retry-After"] = str(entered.retry_after_s)
    return answer
