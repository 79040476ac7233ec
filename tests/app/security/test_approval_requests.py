"""Requests of two persons: sealed, replaced by a newer one, and copied once from an audit that had them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, select, update

from app.cli.common import adopt
from app.core.errors import Conflict
from app.database import schema
from app.database.connection import Database
from app.database.models import api_keys, approval_requests, audit
from app.security import Caller
from app.security import approval_requests as requests
from app.security import audit as chain
from app.security.approval_requests import RequestKind, RequestState
from tests.app.at_once import while_open
from tests.engines import each_engine
from tests.exact import exactly

database_url = each_engine
KEY, NEXT = b"k" * 32, b"n" * 32
SUBJECT = "campaign/7"
BUDGET = RequestKind.BUDGET


@pytest.fixture
def keyed(db: Database) -> Iterator[Database]:
    """A process with a secret_key beside the one without."""
    url = db.url.render_as_string(hide_password=False)
    db.close()
    with closing(Database(url, keys=(KEY,))) as found:
        yield found


def ask(db: Database, segments: int = 30, who: str = "lan") -> int:
    def work(c: Connection) -> int:
        chain.note(c, who, "budget.ask", SUBJECT, budget_segments=segments, because="more people")
        wanted = {"budget_segments": segments}
        asked = requests.ask(c, BUDGET, SUBJECT, who, "more people", wanted)
        requests.replace_older(c, asked)
        return asked.id

    return db.write(work)


def states(db: Database, kind: str = BUDGET, subject: str = SUBJECT) -> dict[int, str]:
    return {each.id: each.state for each in db.read(requests.of, kind, subject)}


def test_a_newer_request_takes_the_place_of_the_open_one_alone(keyed: Database) -> None:
    first = ask(keyed)
    keyed.write(lambda c: requests.approve(c, requests.sealed(c, first), "boss"))
    second, third = ask(keyed, 40), ask(keyed, 50)
    assert states(keyed) == {
        first: RequestState.APPROVED,
        second: RequestState.REPLACED,
        third: RequestState.OPEN,
    }
    found = keyed.read(requests.sealed, first)
    assert (found.approved_by, found.reason, found.wanted) == ("boss", "more people", {"budget_segments": 30})


def test_of_two_approvals_at_once_the_first_counts_alone(keyed: Database) -> None:
    seen = keyed.read(requests.sealed, ask(keyed))

    def second() -> None:
        with pytest.raises(
            Conflict, match=exactly("Someone else has just approved this request. Reload and review it.")
        ):
            keyed.write(lambda c: requests.approve(c, seen, "deputy"))

    while_open(keyed, lambda c: requests.approve(c, seen, "boss"), second)
    assert keyed.read(requests.sealed, seen.id).approved_by == "boss"


@pytest.mark.parametrize(
    "change",
    [
        {"wanted": {"budget_segments": 3_000_000}},
        {"asked_by": "somebody"},
        {"behind": ["x"]},
        {"approved_by": "boss"},
        {"state": "done"},
        {"subject": "campaign/8"},
        {"stamp": None},
    ],
    ids=str,
)
def test_a_request_that_was_altered_outside_loa_counts_for_nothing(
    keyed: Database, change: dict[str, Any]
) -> None:
    number = ask(keyed)
    keyed.write(lambda c: c.execute(update(approval_requests).values(change)))
    with pytest.raises(Conflict, match=f"Request {number} has no valid seal of Loa"):
        keyed.read(requests.sealed, number)


def test_whoever_stood_behind_the_asker_then_does_not_approve_later(db: Database) -> None:
    row = {"name": "lan", "prefix": "p", "secret_hash": b"", "role": "operator", "created_at": 0}
    db.write(lambda c: c.execute(api_keys.insert().values(row | {"behind": ["hoa"]})))
    number = ask(db)
    request = db.read(requests.sealed, number)
    assert request.behind == ["hoa"]
    db.write(lambda c: c.execute(api_keys.delete()))
    for name, own in (("hoa", True), ("lan (command line)", True), ("mai", False)):
        assert db.read(requests.is_own, Caller(name, "approver"), request) == own


def test_a_change_of_keys_gives_each_request_the_present_seal(keyed: Database) -> None:
    number = ask(keyed)
    url = keyed.url.render_as_string(hide_password=False)
    keyed.close()
    with closing(Database(url, keys=(NEXT, KEY))) as both:
        assert both.write(requests.restamp) == 1
        assert both.write(requests.restamp) == 0
    with closing(Database(url, keys=(NEXT,))) as after:
        assert after.read(requests.sealed, number).id == number


# ---- What the audit alone had


def acts(db: Database) -> None:
    def work(c: Connection) -> None:
        def note(who: str, action: str, subject: str, **said: Any) -> int:
            chain.note(c, who, action, subject, **said)
            return int(c.execute(select(audit.c.id).order_by(audit.c.id.desc()).limit(1)).scalar_one())

        old = {"budget_dong": None, "because": "more"}
        first = note("lan", "budget.ask", "campaign/1", budget_segments=30, **old)
        note("boss", "budget.raise", "campaign/1", order=first, budget_segments=30, budget_dong=None)
        note("lan", "budget.ask", "campaign/1", budget_segments=40, **old)
        note("mai", "budget.ask", "campaign/1", budget_segments=50, **old)
        note("lan", "budget.ask", "campaign/2", budget_segments=None, budget_dong=9000, because="more")
        said = {"reason": "filtered", "code": "8", "because": "mended", "messages": 9, "at": 5}
        done = note("lan", "rejected.ask", "run/1", **said)
        open_ = note("lan", "rejected.ask", "run/1", **said | {"code": "9"})
        note("boss", "rejected.approve", "run/1", order=done)
        note("boss", "rejected.resend", "run/1", order=done, n=4)
        note("boss", "rejected.resend", "run/1", order=done, n=3)
        note("boss", "rejected.end", "run/1", order=done, n=7, left_out=2)
        assert open_

    db.write(work)


def test_requests_of_before_are_copied_with_their_numbers_and_what_became_of_them(keyed: Database) -> None:
    acts(keyed)
    keyed.write(requests.adopt)
    assert states(keyed, subject="campaign/1") == {1: "approved", 3: "replaced", 4: "open"}
    assert states(keyed, subject="campaign/2") == {5: "replaced"}  # đồng, which nobody can approve any more
    assert states(keyed, RequestKind.REJECTED, "run/1") == {6: "done", 7: "open"}
    done = keyed.read(requests.sealed, 6)
    assert (done.approved_by, done.result) == ("boss", {"sent_again": 7, "left_out": 2})
    assert done.wanted == {"reason": "filtered", "code": "8", "messages": 9, "at": 5}
    assert keyed.read(requests.sealed, 4).asked_by == "mai"


def test_the_upgrade_of_a_ledger_copies_them_once(keyed: Database) -> None:
    acts(keyed)
    keyed.write(lambda c: command.downgrade(schema._config(c), "0063"))
    schema.upgrade(keyed, adopt)
    assert keyed.read(requests.sealed, 4).state == RequestState.OPEN
    keyed.write(lambda c: requests.approve(c, requests.sealed(c, 4), "boss"))
    schema.upgrade(keyed, adopt)
    assert states(keyed, subject="campaign/1") == {1: "approved", 3: "replaced", 4: "approved"}


@pytest.mark.parametrize(("act", "left_out"), [(4, 4), (2, 1), (10, 6)])
def test_a_request_whose_act_was_altered_is_not_copied(keyed: Database, act: int, left_out: int) -> None:
    acts(keyed)
    keyed.write(lambda c: c.execute(update(audit).where(audit.c.id == act).values(who="forger")))
    keyed.write(requests.adopt)
    kept = set(keyed.read(lambda c: c.execute(select(approval_requests.c.id)).scalars().all()))
    assert kept == {1, 3, 4, 5, 6, 7} - {left_out}


def test_what_a_process_without_a_key_has_copied_must_be_asked_for_again(db: Database) -> None:
    acts(db)
    db.write(requests.adopt)
    assert db.read(requests.sealed, 4).state == RequestState.OPEN
    url = db.url.render_as_string(hide_password=False)
    db.close()
    with (
        closing(Database(url, keys=(KEY,))) as later,
        pytest.raises(
            Conflict,
            match=exactly(
                "Request 4 has no valid seal of Loa, or was altered outside Loa, and is void. Create "
                "a new request."
            ),
        ),
    ):
        later.read(requests.sealed, 4)
