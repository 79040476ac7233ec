"""Decisions on many unknown deliveries: in slices that others can come between, each delivery once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from app.api.idempotency_store import IdempotencyClaim, PositionUnderKey
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import audit, deliveries, runs, unknowns
from app.dispatch import run_sweeps as sweeps
from app.dispatch import unknown_decisions
from app.dispatch.unknown_decisions import SLICE, UnknownOrder
from app.ledger.contract import DeliveryKey, SubmitOutcome
from app.reports.verification.verify import verify
from app.runtime.api_app import create_app
from app.security import create_key
from carriers.contract import Accepted, Unknown
from tests.app.client import Client
from tests.app.ledger.times import apply, said
from tests.app.world import World, build

Q, U = int(DeliveryState.QUEUED), int(DeliveryState.UNKNOWN)
MANY = 2 * SLICE + 50
DAY_MS = 86_400_000


def all_lost(db: Database, count: int = MANY) -> World:
    world = build(db, count, chunk=300)
    world.fan_out()
    while db.write(world.ledger.mark_waiting_unknown, world.run, world.link.id, 20).left:
        pass
    db.write(lambda c: c.execute(update(runs).values(state=RunState.SENT.value)))
    return world


def decided(db: Database, action: str) -> list[int]:
    """How many deliveries each transaction decided on, as the audit has it."""
    query = select(audit.c.detail).where(audit.c.action == action).order_by(audit.c.id)
    return [detail["n"] for detail in db.read(lambda c: c.execute(query).scalars().all())]


def run_state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


@pytest.mark.longer
def test_all_are_sent_again_in_slices_that_say_how_far_they_are(db: Database) -> None:
    world, said = all_lost(db), list[tuple[int, int]]()
    order = UnknownOrder(world.run, "Lan")
    assert unknown_decisions.resend(db, world.ledger, order, lambda n, of: said.append((n, of))) == MANY
    assert decided(db, "unknown.resend") == [SLICE, SLICE, 50]
    assert said == [(SLICE, MANY), (2 * SLICE, MANY), (MANY, MANY)]
    assert world.states() == {Q: MANY} == world.tallied()
    assert run_state(db) == RunState.RUNNING
    assert db.read(lambda c: c.execute(select(unknowns.c.seq)).all()) == []
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_all_are_written_off_in_slices(db: Database) -> None:
    world = all_lost(db)
    assert (
        unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan", reason="asked")) == MANY
    )
    assert decided(db, "unknown.write_off") == [SLICE, SLICE, 50]
    assert world.states() == {U: MANY} == world.tallied()
    db.write(sweeps.advance, world.ledger, DAY_MS)
    assert run_state(db) == RunState.FINISHED
    assert unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan")) == 0
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_named_lines_are_decided_on_and_no_others(db: Database) -> None:
    world = all_lost(db, 40)
    lines = [(world.batch, 41), (world.batch, 2), (world.batch, 2), (world.batch, 99_999), (77, 3)]
    assert unknown_decisions.resend(db, world.ledger, UnknownOrder(world.run, "Lan", lines)) == 2
    assert {world.delivery(seq)["state"] for seq in (2, 41)} == {Q}
    assert world.states() == {Q: 2, U: 38} == world.tallied()


@pytest.mark.longer
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("order", [unknown_decisions.resend, unknown_decisions.write_off])
def test_what_is_unknown_by_a_clock_that_was_ahead_is_meant_as_well(
    db: Database, order: Callable[..., int], named: bool
) -> None:
    world = all_lost(db, 30)
    ahead = unknowns.c.since + 480_000
    db.write(lambda c: c.execute(update(unknowns).where(unknowns.c.seq > 20).values(since=ahead)))
    lines = [(world.batch, seq) for seq in range(2, 32)] if named else []
    assert order(db, world.ledger, UnknownOrder(world.run, "Lan", lines)) == 30


def test_what_is_sent_again_after_months_takes_receipts_that_name_the_phone_alone(db: Database) -> None:
    """The run had ended long ago; it goes on, so it has no end until it ends again."""
    world = all_lost(db, 2)
    ended = clock.now_ms() - 60 * DAY_MS
    db.write(lambda c: c.execute(update(runs).values(ended_at=ended, started_at=ended - 1000)))
    unknown_decisions.resend(db, world.ledger, UnknownOrder(world.run, "Lan"))
    lease = world.claim()
    assert lease
    taken = [SubmitOutcome(item, Accepted(())) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, taken, None, 30.0)
    assert db.read(lambda c: c.execute(select(runs.c.state, runs.c.ended_at)).one()) == ("running", None)
    assert apply(world, said(world, None, phone=lease.items[0].phone)) == (1, 1, 0)


@pytest.mark.longer
def test_what_is_lost_again_meanwhile_is_not_sent_again_by_the_same_order(db: Database) -> None:
    world = all_lost(db)

    def lose(done: int, of: int) -> None:
        lease = world.claim()
        if lease is None or done > SLICE:
            return
        lost = [SubmitOutcome(item, Unknown("no answer")) for item in lease.items]
        db.write(world.ledger.record, world.link, lease, lost, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)

    unknown_decisions.resend(db, world.ledger, UnknownOrder(world.run, "Lan"), lose)
    resends = db.read(lambda c: c.execute(select(deliveries.c.resends).distinct()).scalars().all())
    assert resends == [1]
    assert world.states()[U] > 0
    world.check()


@pytest.mark.longer
def test_an_order_that_is_broken_off_says_what_is_done_and_is_said_again_for_the_rest(db: Database) -> None:
    world = all_lost(db)

    def cancel(done: int, of: int) -> None:
        db.write(lambda c: c.execute(update(runs).values(state=RunState.CANCELLING.value)))

    with pytest.raises(Conflict, match=rf"^{SLICE} messages were decided.*cancelling.*Repeat the action"):
        unknown_decisions.resend(db, world.ledger, UnknownOrder(world.run, "Lan"), cancel)
    assert world.states() == {Q: SLICE, U: MANY - SLICE} == world.tallied()
    db.write(lambda c: c.execute(update(runs).values(state=RunState.RUNNING.value)))
    assert unknown_decisions.resend(db, world.ledger, UnknownOrder(world.run, "Lan")) == MANY - SLICE
    world.check()


@pytest.mark.longer
def test_named_lines_go_on_behind_a_slice_of_which_nothing_is_unknown_any_more(db: Database) -> None:
    world = all_lost(db)
    settled = [DeliveryKey(world.campaign, world.batch, seq) for seq in range(SLICE + 2, 2 * SLICE + 2)]
    assert db.write(world.ledger.resend, settled) == SLICE
    lines = [(world.batch, seq) for seq in range(2, MANY + 2)]
    order = UnknownOrder(world.run, "Lan", lines)
    assert unknown_decisions.resend(db, world.ledger, order) == MANY - SLICE
    assert world.states() == {Q: MANY}


class Killed(BaseException):
    """The process is."""


ALL, SOME = {"all": True}, {"lines": [[1, line] for line in range(2, SLICE + 50)]}


@pytest.mark.longer
@pytest.mark.parametrize("back_days", [0.0, 0.5], ids=["", "clock set back"])
@pytest.mark.parametrize("body", [ALL, SOME], ids=["all", "some"])
def test_a_repeated_key_sends_nothing_again_that_the_order_has_sent(
    db: Database, tmp_path: Path, body: dict[str, Any], back_days: float
) -> None:
    """The API is killed between two slices, the worker after it has sent them, and the client repeats it."""
    world, key = all_lost(db), db.write(create_key, "admin")
    path, sent = f"/v1/runs/{world.run}/unknown/resend", json.dumps(body).encode()
    claim = IdempotencyClaim("admin", "K", hashlib.sha256(f"POST {path}?\n".encode() + sent).hexdigest())
    kept, wanted = PositionUnderKey(claim, DAY_MS), MANY if body is ALL else SLICE + 48
    lines = [(batch, line) for batch, line in body.get("lines", ())]

    def killed(done: int, of: int) -> None:
        raise Killed

    order = UnknownOrder(world.run, "admin", lines, kept=kept)
    with pytest.raises(Killed):
        unknown_decisions.resend(db, world.ledger, order, killed)
    while lease := world.claim():
        lost = [SubmitOutcome(item, Unknown("no answer")) for item in lease.items]
        db.write(world.ledger.record, world.link, lease, lost, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    assert world.states() == {U: MANY}
    earlier = unknowns.c.since - round(back_days * DAY_MS)
    db.write(lambda c: c.execute(update(unknowns).values(since=earlier)))
    with Client(create_app(Settings(data=tmp_path), db), key) as client:
        headers = {"Idempotency-Key": "K", "Content-Type": "application/json"}
        answers = [client.post(path, content=sent, headers=headers).json() for _ in range(2)]
    assert answers == [{"deliveries": wanted}] * 2
    assert sum(decided(db, "unknown.resend")) == wanted
    most = db.read(lambda c: c.execute(select(func.max(deliveries.c.resends))).scalar_one())
    assert most == 1
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
@pytest.mark.parametrize("lines", [(), tuple((1, line) for line in range(2, MANY + 2))], ids=["all", "some"])
def test_the_same_key_at_the_same_time_shares_one_order(
    db: Database, lines: Sequence[tuple[int, int]]
) -> None:
    world, told = all_lost(db), list[int]()
    kept = PositionUnderKey(IdempotencyClaim("admin", "K", "the same"), DAY_MS)

    def ask() -> None:
        order = UnknownOrder(world.run, "admin", lines, kept=kept)
        told.append(unknown_decisions.resend(db, world.ledger, order))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert told == [MANY] * 3
    assert sum(decided(db, "unknown.resend")) == MANY
    assert world.states() == {Q: MANY} == world.tallied()
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_a_run_that_a_sweep_is_just_ending_goes_on_where_something_of_it_is_queued(db: Database) -> None:
    world = all_lost(db, 4)
    keys = [DeliveryKey(world.campaign, world.batch, seq) for seq in range(2, 6)]
    db.write(world.ledger.write_off, keys, "Lan")
    ended, sent = threading.Event(), threading.Event()

    def sweep(connection: Connection) -> None:
        assert sweeps.advance(connection, world.ledger, DAY_MS) == 1  # finished
        ended.set()
        sent.wait(1.0)  # its commit takes its time

    sweeper = threading.Thread(target=db.write, args=(sweep,))
    sweeper.start()
    assert ended.wait(10)
    if db.sqlite:
        sent.set()  # one writer: the other waits for its turn
    assert unknown_decisions.resend(db, world.ledger, UnknownOrder(world.run, "Lan")) == 4
    sweeper.join()
    assert run_state(db) == RunState.RUNNING
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_an_order_by_api_is_carried_out_once_for_its_key(db: Database, client: Client) -> None:
    world = all_lost(db)
    headers = {"Idempotency-Key": "again-1"}
    url = f"/v1/runs/{world.run}/unknown/resend"
    both = client.post(url, json={"all": True, "lines": [[1, 2]]})
    assert (both.status_code, "not both" in both.text) == (422, True)
    nothing = client.post(url, json={"lines": [[1, 999_999]]})
    assert (nothing.status_code, "None of 1:999999 is unknown" in nothing.text) == (422, True)
    assert decided(db, "unknown.resend") == []
    first = client.post(url, json={"all": True}, headers=headers)
    assert (first.status_code, first.json()) == (200, {"deliveries": MANY})
    assert decided(db, "unknown.resend") == [SLICE, SLICE, 50]
    lease = world.claim()
    assert lease
    lost = [SubmitOutcome(item, Unknown("no answer")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, lost, None, 30.0)
    again = client.post(url, json={"all": True}, headers=headers)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == ({"deliveries": MANY}, "true")
    assert world.states()[U] == len(lease.items)
    other = client.post(url, json={"lines": [[1, 2]]}, headers=headers)
    assert other.status_code == 422
