"""Decisions on many unknown deliveries: in slices that others can come between, each delivery once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from app.api.idempotency_store import IdempotencyClaim, PositionUnderKey
from app.core.config import Settings
from app.core.errors import Conflict
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import audit, erasures, runs, unknowns
from app.dispatch import run_sweeps as sweeps
from app.dispatch import unknown_decisions
from app.dispatch.unknown_decisions import SLICE, UnknownOrder
from app.ledger.contract import DeliveryKey
from app.reports.verification.verify import verify
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
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


def written_off(db: Database) -> list[int]:
    query = select(unknowns.c.seq).where(unknowns.c.written_off_by.is_not(None)).order_by(unknowns.c.seq)
    return list(db.read(lambda c: c.execute(query).scalars()))


def run_state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


@pytest.mark.longer
def test_all_are_written_off_in_slices_that_say_how_far_they_are(db: Database) -> None:
    world, progress = all_lost(db), list[tuple[int, int]]()
    order = UnknownOrder(world.run, "Lan", reason="asked")
    assert (
        unknown_decisions.write_off(db, world.ledger, order, lambda n, of: progress.append((n, of))) == MANY
    )
    assert decided(db, "unknown.write_off") == [SLICE, SLICE, 50]
    assert progress == [(SLICE, MANY), (2 * SLICE, MANY), (MANY, MANY)]
    assert world.states() == {U: MANY} == world.tallied()
    db.write(sweeps.advance, world.ledger, DAY_MS)
    assert run_state(db) == RunState.FINISHED
    assert unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan")) == 0
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_named_lines_are_decided_on_and_no_others(db: Database) -> None:
    world = all_lost(db, 40)
    lines = [(world.batch, 41), (world.batch, 2), (world.batch, 2), (world.batch, 99_999), (77, 3)]
    assert unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan", lines)) == 2
    assert written_off(db) == [2, 41]
    assert world.states() == {U: 40} == world.tallied()


@pytest.mark.longer
@pytest.mark.parametrize("named", [False, True])
def test_what_is_unknown_by_a_clock_that_was_ahead_is_meant_as_well(db: Database, named: bool) -> None:
    world = all_lost(db, 30)
    ahead = unknowns.c.since + 480_000
    db.write(lambda c: c.execute(update(unknowns).where(unknowns.c.seq > 20).values(since=ahead)))
    lines = [(world.batch, seq) for seq in range(2, 32)] if named else []
    assert unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan", lines)) == 30


@pytest.mark.longer
def test_an_order_that_is_broken_off_says_what_is_done_and_is_said_again_for_the_rest(db: Database) -> None:
    world = all_lost(db)

    def erase(done: int, of: int) -> None:
        if done == SLICE:
            begun = {"kind": "campaign", "subject_id": world.campaign, "name": "x", "rule": "x", "days": 1}
            begun |= {"due_at": 1, "counts": {}, "totals": [], "by": "x", "started_at": 1}
            db.write(lambda c: c.execute(insert(erasures).values(begun)))

    with pytest.raises(Conflict, match=rf"^{SLICE} messages were decided.*Repeat the action"):
        unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan"), erase)
    assert len(written_off(db)) == SLICE
    db.write(lambda c: c.execute(delete(erasures)))
    assert unknown_decisions.write_off(db, world.ledger, UnknownOrder(world.run, "Lan")) == MANY - SLICE
    world.check()


@pytest.mark.longer
def test_named_lines_go_on_behind_a_slice_of_which_nothing_is_unknown_any_more(db: Database) -> None:
    world = all_lost(db)
    settled = [DeliveryKey(world.campaign, world.batch, seq) for seq in range(SLICE + 2, 2 * SLICE + 2)]
    assert db.write(world.ledger.write_off, settled, "Binh") == SLICE
    lines = [(world.batch, seq) for seq in range(2, MANY + 2)]
    order = UnknownOrder(world.run, "Lan", lines)
    assert unknown_decisions.write_off(db, world.ledger, order) == MANY - SLICE
    assert len(written_off(db)) == MANY


class Killed(BaseException):
    """The process is."""


ALL, SOME = {"all": True}, {"lines": [[1, line] for line in range(2, SLICE + 50)]}


@pytest.mark.longer
@pytest.mark.parametrize("back_days", [0.0, 0.5], ids=["", "clock set back"])
@pytest.mark.parametrize("body", [ALL, SOME], ids=["all", "some"])
def test_a_repeated_key_decides_nothing_again_that_the_order_has_decided(
    db: Database, tmp_path: Path, body: dict[str, Any], back_days: float
) -> None:
    """The API is killed between two slices, and the client repeats the request."""
    world, key = all_lost(db), db.write(create_key, "admin")
    path, sent = f"/v1/runs/{world.run}/unknown/write-off", json.dumps(body).encode()
    claim = IdempotencyClaim("admin", "K", hashlib.sha256(f"POST {path}?\n".encode() + sent).hexdigest())
    kept, wanted = PositionUnderKey(claim, DAY_MS), MANY if body is ALL else SLICE + 48
    lines = [(batch, line) for batch, line in body.get("lines", ())]

    def killed(done: int, of: int) -> None:
        raise Killed

    order = UnknownOrder(world.run, "admin", lines, kept=kept)
    with pytest.raises(Killed):
        unknown_decisions.write_off(db, world.ledger, order, killed)
    earlier = unknowns.c.since - round(back_days * DAY_MS)
    db.write(lambda c: c.execute(update(unknowns).values(since=earlier)))
    with Client(create_app(Settings(data=tmp_path), db), key) as client:
        headers = {"Idempotency-Key": "K", "Content-Type": "application/json"}
        answers = [client.post(path, content=sent, headers=headers).json() for _ in range(2)]
    assert answers == [{"deliveries": wanted}] * 2
    assert sum(decided(db, "unknown.write_off")) == wanted
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
        told.append(unknown_decisions.write_off(db, world.ledger, order))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert told == [MANY] * 3
    assert sum(decided(db, "unknown.write_off")) == MANY
    assert len(written_off(db)) == MANY
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_an_order_by_api_is_carried_out_once_for_its_key(db: Database, client: Client) -> None:
    world = all_lost(db)
    headers = {"Idempotency-Key": "again-1"}
    url = f"/v1/runs/{world.run}/unknown/write-off"
    both = client.post(url, json={"all": True, "lines": [[1, 2]]})
    assert (both.status_code, "not both" in both.text) == (422, True)
    nothing = client.post(url, json={"lines": [[1, 999_999]]})
    assert (nothing.status_code, "None of 1:999999 is unknown" in nothing.text) == (422, True)
    assert decided(db, "unknown.write_off") == []
    first = client.post(url, json={"all": True}, headers=headers)
    assert (first.status_code, first.json()) == (200, {"deliveries": MANY})
    assert decided(db, "unknown.write_off") == [SLICE, SLICE, 50]
    again = client.post(url, json={"all": True}, headers=headers)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == ({"deliveries": MANY}, "true")
    other = client.post(url, json={"lines": [[1, 2]]}, headers=headers)
    assert other.status_code == 422
