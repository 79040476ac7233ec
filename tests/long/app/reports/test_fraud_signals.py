"""Receipts that can't be true are seen, and real ones are not suspected."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import deliveries
from app.reports.counting.fraud_signals import Sign, doubts
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.engines import by_default
from tests.long.app.reports.scene import T0, S, Scene

database_url = by_default
MANY = 1200
EVEN = "All delays are nearly the same, about 1 s. Real phones confirm at varying times."


def sent(db: Database, delay: Callable[[int], float], fails: int = 40) -> None:
    """A run of MANY messages that were delivered after `delay(nth)` seconds, and some that were not."""
    scene = Scene("finished")
    for nth in range(MANY):
        at = T0 + nth * 40
        scene.message(S.DELIVERED, submitted_at=at, done_at=at + round(1000 * delay(nth)))
    for nth in range(fails):
        scene.message(S.EXPIRED, submitted_at=T0 + nth, done_at=T0 + nth + 9000)
    scene.save(db)


def signs(db: Database, *switched_off: int) -> dict[Sign, tuple[int, int]]:
    return {each.sign: (each.messages, each.of) for each in db.read(doubts, 1, switched_off)}


def real(nth: int) -> float:
    """Most telephones within some seconds, some after minutes."""
    chance = random.Random(nth)
    return chance.lognormvariate(1.2, 0.9) + (chance.random() < 0.05) * chance.uniform(60, 900)


def test_real_receipts_are_not_suspected(db: Database) -> None:
    sent(db, real)
    assert signs(db) == {}


def test_receipts_that_come_by_a_clock_are_seen(db: Database) -> None:
    sent(db, lambda nth: 1.0 + nth % 7 / 100, fails=0)
    assert signs(db) == {Sign.ALL_DELIVERED: (MANY, MANY), Sign.EVEN_DELAY: (MANY, MANY)}


def test_one_that_failed_is_enough_to_be_no_longer_perfect(db: Database) -> None:
    sent(db, real, fails=1)
    assert signs(db) == {}


def test_a_small_list_may_be_perfect_by_chance(db: Database) -> None:
    scene = Scene("finished")
    for nth in range(999):
        scene.message(S.DELIVERED, submitted_at=T0 + nth, done_at=T0 + nth + 1000)
    scene.save(db)
    assert signs(db) == {}


def test_messages_that_came_before_they_were_sent_are_seen(db: Database) -> None:
    sent(db, lambda nth: -3600 + real(nth) if nth < 100 else real(nth))
    assert signs(db) == {Sign.EARLY: (pytest.approx(100, abs=5), MANY)}


def test_a_carrier_that_says_the_minute_only_is_not_suspected(db: Database) -> None:
    """The minute of a message that took some seconds begins before it was sent."""
    scene = Scene("finished")
    for nth in range(MANY):
        at = T0 + nth * 40
        done = at + round(1000 * real(nth))
        scene.message(S.DELIVERED, submitted_at=at, done_at=done - done % 60_000)
    scene.message(S.EXPIRED, submitted_at=T0, done_at=T0 + 60_000)
    scene.save(db)
    assert signs(db) == {}


def test_receipts_of_the_carriers_centre_claim_no_telephone(db: Database) -> None:
    scene = Scene("finished")
    for nth in range(MANY):
        scene.message(S.RELAYED, submitted_at=T0 + nth, done_at=T0 + nth + 1000)
    scene.save(db)
    assert signs(db) == {}


def _phones(db: Database) -> list[int]:
    query = deliveries.select().order_by(deliveries.c.batch_id, deliveries.c.seq)
    return [int(row.phone) for row in db.read(lambda c: c.execute(query).all())]


def test_a_telephone_that_is_off_gives_them_away(db: Database) -> None:
    sent(db, real)
    phones = _phones(db)
    assert signs(db, phones[3], phones[-1]) == {Sign.SWITCHED_OFF: (1, 2)}  # the last one has expired
    assert signs(db, 84_900_000_001) == {}


def test_the_office_is_told_over_http_and_no_operator(db: Database, settings: Settings) -> None:
    sent(db, lambda _: 1.0, fails=0)
    app = create_app(settings, db)
    with Client(app, db.write(create_key, "officer", "auditor")) as office:
        found = office.get("/v1/runs/1/doubts")
        assert office.get("/v1/runs/2/doubts").status_code == 404
    assert [each["sign"] for each in found.json()] == ["all_delivered", "even_delay"]
    assert found.json()[1]["detail"] == EVEN


def test_the_command_says_so_and_ends_with_1(db: Database, settings: Settings) -> None:
    sent(db, lambda _: 1.0, fails=0)
    url = db.url.render_as_string(hide_password=False)
    db.close()
    env = {"LOA_DATA": str(settings.data)} | ({} if db.sqlite else {"LOA_DATABASE_URL": url})
    done = CliRunner().invoke(cli, ["report", "doubts", "1"], env=env)
    assert done.exit_code == 1, done.output
    assert EVEN in done.output
