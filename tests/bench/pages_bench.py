"""How long a reader waits beside 500 campaigns: overview, a large campaign's page, one person found.

Beside them the page to sign in by, which asks the database nothing.
"""

from __future__ import annotations

import asyncio

import httpx
from sqlalchemy import Connection, text

from app.accounts.service import NewPerson, add_person
from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.dispatch import find_person
from app.ledger.ledger import ledger_for
from app.security import sessions
from app.security.authorization import cookie_name, lifetime_of
from app.security.principal import Caller
from tests.bench.machinery import analyze, fresh_home, fresh_url, now
from tests.bench.report_bench import fill, made
from tests.e2e.crowd import many_campaigns
from tests.faults.processes import Home

PAGES = {"sign_in": "/sign-in", "overview": "/", "campaign": "/campaigns/1"}
TIMES, OF = 30, 50


def pages(engine: str, deliveries: int) -> dict[str, list[float]]:
    """Milliseconds to the first byte of each page over a run of so many deliveries with their receipts."""
    with fresh_home(engine) as home:
        fill(home.url, deliveries)
        _crowd(home.url)
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


def _read(home: Home, person: dict[str, str]) -> dict[str, list[float]]:
    """The pages in turns, so that a neighbour on the machine weighs on all."""
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    with httpx.Client(base_url=home.base, timeout=60, headers={"Accept": "text/html"}) as browser:
        for _ in range(TIMES):
            for name, path in PAGES.items():
                started = now()
                with browser.stream("GET", path, headers=person if name != "sign_in" else {}) as answer:
                    next(answer.iter_raw(1))
                    took[name].append(1000 * (now() - started))
                if answer.status_code != httpx.codes.OK:
                    raise SystemExit(f"{path} is answered {answer.status_code}.")
    return took


def person(engine: str, deliveries: int) -> dict[str, list[float]]:
    """Milliseconds in which one of so many deliveries' persons is found, who is in each of OF campaigns.

    select: of the bare `SELECT 1` by the same connection.
    """
    with fresh_url(engine) as url:
        fill(url, 1, journals=False)
        _crowd(url)
        db = Database(url)
        try:
            for campaign_id in range(2, OF + 1):
                db.write(ledger_for(db).open_campaign, campaign_id)
            db.write(_deliveries, deliveries)
            analyze(db)
            return _found(db, deliveries // OF)
        finally:
            db.close()


def _crowd(url: str) -> None:
    db = Database(url)
    try:
        db.write(many_campaigns)
        analyze(db)  # as autovacuum does while campaigns come one by one
    finally:
        db.close()


def _deliveries(connection: Connection, count: int) -> None:
    """As many people as needed, each in OF campaigns."""
    own = {"campaign_id": f"1 + i % {OF}", "batch_id": "1", "seq": "i + 1", "run_id": "1", "link_id": "1"}
    own |= {"phone": f"84920000000 + i / {OF}", "state": "7", "reason": "0", "delivered": "1", "failed": "0"}
    own |= {"submitted_at": str(clock.now_ms()), "done_at": str(clock.now_ms())}
    sqlite = connection.dialect.name == "sqlite"
    connection.execute(text(made(sqlite, "deliveries", own)), {"n": count})


def _found(db: Database, people: int) -> dict[str, list[float]]:
    """Each time another person, by somebody else: one may ask only so often."""
    took: dict[str, list[float]] = {"person": [], "select": []}
    for nth in range(TIMES):
        phone = f"0{920000000 + 1 + nth * (people - 2) // TIMES}"
        started = now()
        found = db.write(find_person.find_person, phone, Caller(f"bench {nth}", "admin"))
        took["person"].append(1000 * (now() - started))
        if len(found.deliveries) != OF:
            raise SystemExit(f"{len(found.deliveries)} deliveries of a person were found, not {OF}.")
        started = now()
        db.read(lambda connection: connection.scalar(text("SELECT 1")))
        took["select"].append(1000 * (now() - started))
    return took
