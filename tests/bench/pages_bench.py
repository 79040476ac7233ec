"""How long the overview and a campaign's page take over a large ledger, beside the page to sign in by."""

from __future__ import annotations

import asyncio
import statistics

import httpx

from app.accounts.service import NewPerson, add_person
from app.core.config import Settings
from app.database.connection import Database
from app.security import sessions
from app.security.authorization import cookie_name, lifetime_of
from tests.bench.machinery import fresh_home, now
from tests.bench.report_bench import fill
from tests.faults.processes import Home

PAGES = {"sign_in": "/sign-in", "overview": "/", "campaign": "/campaigns/1"}
TIMES = 30


def pages(engine: str, deliveries: int) -> dict[str, float]:
    """Median milliseconds of each page over a finished run of so many deliveries, from one process."""
    with fresh_home(engine) as home:
        fill(home.url, deliveries, journals=False)
        person = _signed_in(home.url)
        rates = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
        home.configure({}, second_factor_roles=[], **rates)
        server = home.start("up" if home.sqlite else "serve")
        asyncio.run(home.until(lambda: "listening" in server.words(), "the API listens"))
        return _read(home, person)


def _signed_in(url: str) -> dict[str, str]:
    """The header with the cookie of a person who may see all."""
    db, settings = Database(url), Settings()
    try:
        db.write(add_person, NewPerson("bench", "auditor"), "four words of no meaning", "bench")
        token = db.write(sessions.open_for, "bench", lifetime_of(settings))
    finally:
        db.close()
    return {"Cookie": f"{cookie_name(settings)}={token}"}


def _read(home: Home, person: dict[str, str]) -> dict[str, float]:
    """The pages in turns, so that a neighbour on the machine weighs on all."""
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    with httpx.Client(base_url=home.base, timeout=60, headers={"Accept": "text/html"}) as browser:
        for _ in range(TIMES):
            for name, path in PAGES.items():
                started = now()
                answer = browser.get(path, headers=person if name != "sign_in" else {})
                took[name].append(1000 * (now() - started))
                if answer.status_code != httpx.codes.OK:
                    raise SystemExit(f"{path} is answered {answer.status_code}.")
    return {name: statistics.median(times) for name, times in took.items()}
