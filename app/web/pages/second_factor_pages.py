"""Setup of a second factor: password, secret for the app, confirmation code, recovery codes."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from sqlalchemy import Connection

from app.accounts import service
from app.accounts.session_routes import Address, Token
from app.api.dependencies import Routes
from app.core.errors import Conflict, Forbidden, Invalid, Unauthorised
from app.security import login, users
from app.security.login import Login
from app.security.login_throttle import TooManyAttempts
from app.security.secret_encryption import vault_of
from app.web.rendering import Fields, FormState, PageRequest, Visit, refused, render

router = Routes(include_in_schema=False)

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
        raise Forbidden("This is for people who have signed in, not for API keys.")
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
