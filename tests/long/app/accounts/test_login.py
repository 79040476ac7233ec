"""Signing in: one answer for all that is wrong, and pauses that grow in every process for everybody."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from app.database.connection import Database
from app.database.models import login_attempts, people, sessions
from app.security import login_throttle
from app.security.login_throttle import RULES, Attempt, Rule
from tests import passwords
from tests.app.client import Client
from tests.engines import by_default
from tests.long.app.accounts.conftest import PASSWORD, Browser

database_url = by_default
password_cost = passwords.full_cost

Add = Callable[..., str]
FREE = RULES["name"].free


def fail(db: Database, attempt: Attempt, times: int) -> int:
    """So many wrong attempts; the seconds to wait after them."""
    for _ in range(times):
        assert db.write(login_throttle.begin, attempt) == 0
    return db.write(login_throttle.begin, attempt)


def later(db: Database, seconds: int) -> None:
    """Let time go by for all failures."""
    ms = seconds * 1000
    earlier = {"until": login_attempts.c.until - ms, "at": login_attempts.c.at - ms}
    db.write(lambda c: c.execute(update(login_attempts).values(earlier)))


@pytest.mark.parametrize(
    ("name", "password", "more"),
    [
        ("lan", "wrong password", {}),
        ("nobody", PASSWORD, {}),
        ("lan\x00", PASSWORD, {}),
        ("LAN", PASSWORD, {}),
        ("", "", {}),
        ("lan", "x" * 200, {"code": "123456"}),
    ],
)
def test_whatever_is_wrong_has_one_answer(
    browser: Browser, add: Add, name: str, password: str, more: dict[str, str]
) -> None:
    add("lan")
    answer = browser.client.post("/v1/session", json={"name": name, "password": password, **more})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The name, password or second-factor code is wrong."
    assert "set-cookie" not in answer.headers


def test_a_hash_of_earlier_parameters_is_made_anew_at_the_sign_in(
    browser: Browser, add: Add, db: Database
) -> None:
    add("lan")
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    db.write(lambda c: c.execute(update(people).values(password_hash=weak)))

    def stored() -> str:
        return str(db.read(lambda c: c.execute(select(people.c.password_hash)).scalar_one()))

    assert browser.sign_in("lan", "wrong password").status_code == 401
    assert stored() == weak
    assert browser.sign_in("lan").status_code == 201
    renewed = stored()
    assert "m=19456,t=2,p=1" in renewed
    assert browser.sign_in("lan").status_code == 201
    assert stored() == renewed


def test_a_name_there_is_not_takes_as_long_as_a_wrong_password(
    browser: Browser, add: Add, db: Database
) -> None:
    add("lan")
    taken: dict[str, list[float]] = {"lan": [], "nobody": []}
    for _ in range(12):
        for name, times in taken.items():
            later(db, 4000)
            began = time.perf_counter()
            assert browser.sign_in(name, "wrong password").status_code == 401
            times.append(time.perf_counter() - began)
    known, unknown = (statistics.median(times) for times in taken.values())
    assert known < unknown * 2.5
    assert unknown < known * 2.5


@pytest.mark.parametrize("name", ["lan", "nobody"])
def test_failures_bring_pauses_for_every_name_and_in_every_process(
    browser: Browser, other_process: Client, add: Add, name: str
) -> None:
    add("lan")
    there = Browser(other_process)
    for n in range(FREE + 1):
        assert (browser if n % 2 else there).sign_in(name, "wrong password").status_code == 401
    for each in (browser, there):
        refused = each.sign_in(name)
        assert (refused.status_code, refused.json()["type"]) == (429, "/docs/errors#too-many-attempts")
        assert 1 <= int(refused.headers["Retry-After"]) <= 2


def test_the_pauses_grow_and_have_an_end() -> None:
    rule = Rule(free=2, longest_s=60)
    pauses = [rule.pause_ms(n) // 1000 for n in range(12)]
    assert pauses == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert rule.pause_ms(10**9) == 60_000


def test_attempts_during_a_pause_don_t_make_it_longer(db: Database) -> None:
    attempt = Attempt("lan", "192.0.2.1")
    first = fail(db, attempt, FREE + 1)
    assert first > 0
    assert all(db.write(login_throttle.begin, attempt) <= first for _ in range(20))


def test_nobody_can_lock_a_person_out_where_that_person_comes_from(
    browser: Browser, add: Add, db: Database
) -> None:
    assert browser.sign_in(add("lan")).status_code == 201
    later(db, 80 * 86_400)  # people do not sign in every day
    assert fail(db, Attempt("lan", "203.0.113.9"), FREE + 1) > 0
    assert db.write(login_throttle.begin, Attempt("lan", "198.51.100.7")) > 0  # from anywhere else
    assert browser.sign_in("lan").status_code == 201


def test_elsewhere_a_person_waits_a_minute_at_the_most(db: Database) -> None:
    for n in range(40):
        db.write(login_throttle.begin, Attempt("lan", f"203.0.113.{n}"))
        later(db, 90)
    assert db.write(login_throttle.begin, Attempt("lan", "198.51.100.7")) == 0
    assert 0 < db.write(login_throttle.begin, Attempt("lan", "198.51.100.8")) <= 60


def test_one_address_can_t_try_one_name_after_the_other(db: Database) -> None:
    free = RULES["address"].free
    waits = [db.write(login_throttle.begin, Attempt(f"person {n}", "203.0.113.9")) for n in range(free + 3)]
    assert waits[: free + 1] == [0] * (free + 1)
    assert waits[-1] > 0
    assert db.write(login_throttle.begin, Attempt("person 1", "203.0.113.10")) == 0


def test_an_ipv6_caller_has_one_network(db: Database) -> None:
    one, two = Attempt("lan", "2001:db8::1"), Attempt("lan", "2001:db8::ffff:2")
    assert one.key("address") == two.key("address") != Attempt("lan", "2001:db8:0:1::1").key("address")


def test_failures_are_forgotten_after_an_hour(db: Database) -> None:
    attempt = Attempt("lan", "192.0.2.1")
    assert fail(db, attempt, FREE + 1) > 0
    later(db, 3601)
    assert fail(db, attempt, FREE) == 0


def test_a_right_password_takes_only_its_own_attempt_back(browser: Browser, add: Add, db: Database) -> None:
    add("lan")
    for _ in range(3):
        browser.sign_in("lan", "wrong password")
    browser.sign_in("lan")
    c = login_attempts.c
    query = select(c.failures).where(c.key.like("name:%"))
    assert db.read(lambda conn: conn.execute(query).scalar_one()) == 3


def test_nothing_that_was_typed_stands_in_the_table(browser: Browser, db: Database) -> None:
    browser.sign_in("hunter2 typed as a name")
    keys = db.read(lambda c: c.execute(select(login_attempts.c.key)).scalars().all())
    assert keys
    assert not any("hunter2" in key or "127.0.0.1" in key for key in keys)


def test_a_refused_sign_in_leaves_no_session(browser: Browser, add: Add, db: Database) -> None:
    browser.sign_in(add("lan"), "wrong password")
    assert db.read(lambda c: c.execute(select(func.count()).select_from(sessions)).scalar_one()) == 0
