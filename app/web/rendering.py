"""Page rendering: visitor, language, flash message, form values and errors; error pages."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlencode

from babel.dates import format_date
from babel.numbers import format_decimal
from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.routing import BaseRoute, Match

from app.api.dependencies import is_program, no_page
from app.api.problems import Problem
from app.api.security_headers import PAPER_POLICY
from app.core import clock
from app.core.config import Settings
from app.core.errors import AppError, Unauthorised
from app.core.states import SENDS_NO_MORE
from app.database import listing
from app.database.connection import Database
from app.observability.logs import mask_sentence
from app.reports.figures import numbers
from app.security import sessions
from app.security.authorization import CSRF_FIELD, cookie_name, permit
from app.security.principal import Caller
from app.security.roles import OPEN, PAGE, may
from app.security.totp import FactorWanted
from app.web import assets, display_names, error_translation, nav
from app.web.translations import DEFAULT, LANGUAGES, Said, Speaker, catalogue

NOTHING = numbers.NOTHING
_DATE = {"vi": "dd/MM/yyyy", "en": "d MMM yyyy"}
_TO = "\u00a0–\u00a0"
_THIS_YEAR = {"vi": "dd/MM", "en": "d MMM"}


# A page has hundreds of numbers, most of them small and the same; formatting one takes 50 µs.
_KNOWN = 4096


@lru_cache(_KNOWN)
def count(number: float | None, language: str) -> str:
    """1234567 -> 1.234.567; a dash for None."""
    return NOTHING if number is None else str(format_decimal(number, "#,##0", language))


@lru_cache(_KNOWN)
def rate(number: float | None, language: str) -> str:
    """1234.56 -> 1.234,6; a dash for None."""
    return NOTHING if number is None else str(format_decimal(number, "#,##0.0", language))


def percent(ratio: float | None, language: str) -> str:
    """0.925 -> 92,5%; never rounded up to a whole percent or down to 0%."""
    said = numbers.percent(ratio).replace("\u00a0", "")
    return said if language == "vi" else said.replace(",", ".")


def day(at: date | datetime | None, language: str) -> str:
    """29/01/2024; a dash for None."""
    if at is None:
        return NOTHING
    on = clock.local(at).date() if isinstance(at, datetime) else at
    return _date(on, language)


@lru_cache(_KNOWN)
def _date(on: date, language: str, *, year: bool = True) -> str:
    said = str(format_date(on, (_DATE if year else _THIS_YEAR)[language], language))
    return said.replace(" ", "\u00a0")


def moment(at: datetime | None, language: str) -> str:
    """16:40 29/01/2024, without the day where it is today, else without this year; a dash for None."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M}{_of_day(at, language)}"


def span(ends: tuple[datetime, datetime] | None, language: str) -> str:
    """15:10 to 16:00, one moment where both read alike; a dash for None."""
    if ends is None:
        return NOTHING
    first, last = (moment(at, language) for at in ends)
    if first == last:
        return last
    first = first.partition(" ")[0] if first.partition(" ")[2] == last.partition(" ")[2] else first
    return f"{first}{_TO}{last}"


def second(at: datetime | None, language: str) -> str:
    """16:40:05 29/01/2024, as short as `moment`; a dash for None."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M:%S}{_of_day(at, language)}"


def _of_day(at: datetime, language: str) -> str:
    on, today = clock.local(at).date(), clock.local(clock.now()).date()
    if on == today:
        return ""
    return f" {_date(on, language)}" if on.year != today.year else f" {_date(on, language, year=False)}"


def hour(at: datetime | None, language: str) -> str:
    """16:40:05; a dash for None."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M:%S}"


def iso(at: datetime | None) -> str:
    """ISO 8601 with Vietnam's offset."""
    return "" if at is None else clock.local(at).isoformat(timespec="seconds")


_WRITTEN = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d).*)?")


def typed(value: object) -> str:
    """Return a day or moment as it is typed: 05/02/2024, 08:00 05/02/2024; anything else as it is."""
    found = _WRITTEN.fullmatch(str(value))
    if found is None:
        return str(value)
    year, month, day_of, time = found.groups()
    return f"{time} {day_of}/{month}/{year}" if time else f"{day_of}/{month}/{year}"


def whole(span: timedelta) -> tuple[int, int, int]:
    """Split a span into days, hours and minutes, ignoring its sign."""
    minutes = abs(int(span.total_seconds())) // 60
    return minutes // 1440, minutes // 60 % 24, minutes % 60


FOLDER = Path(__file__).with_name("templates")
LANGUAGE = "loa_lang"
SAID = "loa_said"
LOST = "lost"  # sign-in query flag: the session expired before an order was carried out
_SAID_S = 60
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for a page: the caller (None before sign-in), the language, and a form that was refused."""

    request: Request
    caller: Caller | None
    speaker: Speaker
    counts: Mapping[str, int] = field(default_factory=dict)
    entered: FormState = field(default_factory=lambda: FormState())

    @property
    def who(self) -> Caller:
        """The caller; raises Unauthorised on a public page without session."""
        if self.caller is None:
            raise Unauthorised("Sign in first.")
        return self.caller

    @property
    def db(self) -> Database:
        return cast(Database, self.request.app.state.db)

    @property
    def settings(self) -> Settings:
        return cast(Settings, self.request.app.state.settings)

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def todo(self) -> int:
        """How much waits for the caller."""
        return sum(self.counts.values())

    @property
    def address(self) -> str:
        """Path and query, to return to this page."""
        query = self.request.url.query
        return f"{self.path}?{query}" if query else self.path

    @property
    def back(self) -> str:
        """URL of the page that is shown: this one, or the nearest readable one above a form's own URL.

        Browsers are told to send no Referer, so that no internal URL leaks.
        """
        if self.request.method == "GET":
            return self.address
        path = self.path
        while path and not any(_reads(route, self.request, path) for route in self.request.app.routes):
            path = path.rpartition("/")[0]
        return path or "/"

    @property
    def csrf(self) -> str:
        """CSRF token for the page's forms; "" without a session."""
        token = self.request.cookies.get(cookie_name(self.settings))
        return sessions.csrf_token(token) if token and self.caller else ""


def _reads(route: BaseRoute, request: Request, path: str) -> bool:
    if not str(getattr(route, "name", "")).startswith(PAGE):
        return False
    scope = {"type": "http", "method": "GET", "path": path, "root_path": request.scope.get("root_path", "")}
    return route.matches(scope)[0] is Match.FULL


def visiting(request: Request, caller: Caller | None) -> PageRequest:
    settings = cast(Settings, request.app.state.settings)
    return PageRequest(
        request, caller, Speaker(request.cookies.get(cookie_name(settings, LANGUAGE), DEFAULT))
    )


def get_visit(request: Request, caller: Annotated[Caller | None, Depends(permit)]) -> PageRequest:
    """Build the page request of the caller admitted by app/security/authorization.py."""
    visit = visiting(request, caller)
    # Sync dependencies run in a thread, so blocking reads are fine here.
    return visit if caller is None else replace(visit, counts=visit.db.read(nav.counts, caller))


Visit = Annotated[PageRequest, Depends(get_visit)]


# Form fields


@dataclass(frozen=True, slots=True)
class FormData:
    lists: Mapping[str, list[str]] = field(default_factory=dict)

    def raw(self, name: str) -> str:
        """Return the field verbatim; "" if absent."""
        return self.lists.get(name, [""])[-1]

    def get(self, name: str) -> str:
        """Return the field without surrounding blanks."""
        return self.raw(name).strip()

    def renamed(self, name: str, other: str) -> FormData:
        """Return the form with this field under another name."""
        return FormData({other if each == name else each: values for each, values in self.lists.items()})

    def all(self, name: str) -> list[str]:
        """Return all values of a repeated field, such as checkboxes."""
        return self.lists.get(name, [])


async def get_fields(request: Request) -> FormData:
    """Return the form, which app/security/authorization.py has parsed already."""
    lists: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        lists.setdefault(name, []).append(str(value))
    return FormData(lists)


Fields = Annotated[FormData, Depends(get_fields)]


@dataclass(frozen=True, slots=True)
class FormState:
    """What a form shows: values, errors by field, and general error sentences."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    sentences: Sequence[str] = ()
    slug: str = ""
    status: int = 200
    retry_after_s: int | None = None


def refused(error: AppError, fields: FormData, *secret: str) -> FormState:
    """Return the form with its errors; values of `secret` fields are not repeated."""
    kept = {name: fields.raw(name) for name in fields.lists if name not in (*secret, CSRF_FIELD)}
    errors = {name.rpartition(".")[2]: mask_sentence(sentence) for name, sentence in error.faults}
    return FormState(kept, errors, _sentences(error), error.slug, error.status, error.retry_after_s)


def above(error: AppError) -> FormState:
    """Return an empty form with an error that belongs to none of its fields above it."""
    return FormState(sentences=_sentences(error), slug=error.slug, status=error.status)


def _sentences(error: AppError) -> list[str]:
    """Return what is said of each fault, or else of the whole; what was typed may hold a number or a line."""
    masked = dict.fromkeys(mask_sentence(sentence) for _, sentence in error.faults)
    return list(masked) or [mask_sentence(error.detail)]


# Responses


def render(visit: PageRequest, template: str, status: int = 0, **values: Any) -> HTMLResponse:
    """Render the page with the flash message, shown once; `entered` is the form that was refused, if any."""
    values = {"entered": visit.entered, **values}
    status = status or visit.entered.status
    if visit.request.method == "GET" and is_program(visit.request):
        raise no_page()
    said = _flash(visit)
    text = _templates(visit.speaker.language).get_template(template).render(visit=visit, said=said, **values)
    answer = HTMLResponse(text, status, {"Content-Security-Policy": PAPER_POLICY})
    if cookie_name(visit.settings, SAID) in visit.request.cookies:
        leave(answer, visit.settings, SAID, "", 0)
    return answer


def redirect_with_flash(
    visit: PageRequest, path: str, sentence: Said | None = None, **values: str | int
) -> Response:
    """Redirect after a change, with a flash message."""
    answer = RedirectResponse(path, 303)
    if sentence is not None:
        said = json.dumps([sentence, values]).encode()
        leave(answer, visit.settings, SAID, base64.urlsafe_b64encode(said).decode().rstrip("="), _SAID_S)
    return answer


def leave(answer: Response, settings: Settings, name: str, value: str, max_age: int) -> None:
    """Set a cookie with the session cookie's restrictions, for max_age seconds."""
    secure = settings.environment != "development"
    named = cookie_name(settings, name)
    answer.set_cookie(named, value, max_age, secure=secure, httponly=True, samesite="lax")


def own_path(text: str) -> str:
    """Return a local path to redirect to; "/" for anything that could leave this site."""
    own = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= _LONGEST
    return text if own and text.isprintable() and "\\" not in text else "/"


def _flash(visit: PageRequest) -> Markup | None:
    """Return the flash message; None unless the cookie holds a sentence of the catalogue."""
    cookie = visit.request.cookies.get(cookie_name(visit.settings, SAID))
    if not cookie:
        return None
    try:
        sentence, values = json.loads(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
        return visit.speaker.say(sentence, **values) if sentence in catalogue(DEFAULT) else None
    except (ValueError, TypeError, KeyError, IndexError):  # binascii and json errors are ValueErrors
        return None


@cache
def _templates(language: str) -> Environment:
    """Build the template environment of one language; its globals are visible in macros too."""
    made = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    speaker = Speaker(language)
    made.globals |= {
        "_": speaker.say,
        "_n": speaker.count,
        "language": speaker.language,
        "languages": LANGUAGES,
        "asset": assets.address,
        "whole": whole,
        "printed": lambda at: f"{clock.local(at):%H:%M} {day(at, speaker.language)}",
        "names": display_names,
        "nav": nav.groups,
        "steps": nav.STEPS,
        "crest_of": assets.crest,
        "agency_of": display_names.agency,
        "may": may,
        "now": clock.now,
        "COUNTED": listing.COUNTED,
        "OVER": SENDS_NO_MORE,
        "named": lambda states: {each: _state(speaker, each) for each in states},
    }
    for each in (
        hour,
        count,
        rate,
        percent,
        day,
        moment,
        span,
        second,
    ):
        made.filters[each.__name__] = partial(each, language=speaker.language)
    made.filters |= {
        "iso": iso,
        "typed": typed,
        "places": display_names.places,
        "state": partial(_state, speaker),
        "translated": partial(error_translation.translate_error, speaker),
        "coded": partial(error_translation.coded, speaker),
    }
    return made


def _state(speaker: Speaker, state: str) -> Markup:
    return speaker.say(display_names.STATES[state]) if state in display_names.STATES else Markup.escape(state)


_MACHINES = ("/v1/", "/webhooks/")


def problem_page(request: Request, problem: Problem) -> Response | None:
    """Render the error as a page in the visitor's language; None if the response is problem+json.

    Visitors without a session are sent to the sign-in.
    """
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
