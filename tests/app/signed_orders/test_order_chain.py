"""The newest document of an order counts, whenever it came, and nobody gets a second SMS by it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, func, select, update

from app.campaigns import approval, optimistic_lock
from app.campaigns.runs import Verb, order
from app.core.errors import Conflict
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, received_orders, replacements
from app.dispatch.fan_out_job import FanOutJob
from app.ledger import approval_digest
from app.ledger.ledger import ledger_for
from app.privacy import retention_due
from app.signed_orders import loa_carrier, received
from tests.app import world
from tests.app.signed_orders import chains
from tests.app.signed_orders.chains import BOSS, chain, held, send, written
from tests.app.signed_orders.documents import CARRIER, POLICE
from tests.app.signed_orders.test_keys import in_force
from tests.app.signed_orders.test_received import at_carrier, receive
from tests.engines import each_engine

database_url = each_engine
pytestmark = pytest.mark.longer
PEOPLE = 20
ONCE = {84_912_345_600 + n: 1 for n in range(PEOPLE)}


@pytest.fixture
def batch(db: Database) -> int:
    in_force(db, POLICE, None)
    in_force(db, CARRIER, "vnpt")
    return chains.people(db, PEOPLE)


def state(db: Database, run_id: int | None) -> str:
    assert run_id is not None
    return str(db.read(optimistic_lock.run, run_id).state)


def test_an_order_stops_the_first_though_the_withdrawal_between_them_never_came(
    db: Database, batch: int
) -> None:
    one, _, three = chain(1, "order", "withdrawal", "order")
    first = receive(db, one, batch)
    assert send(db, first.run_id, 2) == 8
    third = receive(db, three, batch)
    assert state(db, first.run_id) == RunState.CANCELLING
    send(db, third.run_id, PEOPLE)
    assert (written(db, 1), state(db, first.run_id)) == (ONCE, RunState.CANCELLED)


def test_what_replaces_a_run_is_queued_once_that_run_is_stopped(db: Database, batch: int) -> None:
    """Else people whose message a link has in hand, and may give back unsent, would be left out for good."""
    one, two = chain(1, "order", "order")
    first = receive(db, one, batch)
    send(db, first.run_id, 1)
    second = receive(db, two, batch)
    db.write(approval.approve, second.campaign_id, BOSS)
    order(db, Verb.START, second.run_id, "vnpt desk")
    ledger = ledger_for(db, 4)
    while asyncio.run(FanOutJob(db, ledger, world.aside(db)).next()):
        pass
    d = deliveries.c
    queued = select(func.count()).where(d.campaign_id == second.campaign_id)
    assert db.read(lambda c: c.execute(queued).scalar_one()) == 0
    send(db, second.run_id, PEOPLE)
    assert written(db, 1) == ONCE


def test_an_order_after_a_withdrawal_writes_to_nobody_again(db: Database, batch: int) -> None:
    one, two, three = chain(1, "order", "withdrawal", "order")
    first = receive(db, one, batch)
    send(db, first.run_id, PEOPLE)
    receive(db, two)
    third = receive(db, three, batch)
    assert send(db, third.run_id, PEOPLE) == 0
    assert written(db, 1) == ONCE


def test_an_order_that_comes_after_a_newer_one_is_stored_and_changes_nothing(
    db: Database, batch: int
) -> None:
    one, two, three = chain(1, "order", "withdrawal", "order")
    third = receive(db, three, batch)
    first = receive(db, one, batch)
    assert (first.run_id, first.state) == (None, "replaced")
    assert receive(db, two).run_id is None
    assert state(db, third.run_id) == RunState.PLANNED
    assert held(db, 1) == [
        ("1-3", "order", "in_force"),
        ("1-2", "withdrawal", "replaced"),
        ("1-1", "order", "replaced"),
    ]


def test_a_withdrawal_that_comes_first_is_kept_and_its_order_is_not_begun(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "withdrawal")
    early = receive(db, two)
    assert (early.number, early.state, early.run_id) == ("1-2", "in_force", None)
    late = receive(db, one, batch)
    assert (late.run_id, late.state) == (None, "replaced")
    assert db.read(lambda c: c.execute(select(campaigns.c.id)).all()) == []


def test_a_change_of_times_goes_on_with_the_run_and_moves_the_deadline(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "change")
    first = receive(db, one, batch)
    send(db, first.run_id, 2)
    changed = receive(db, two, batch)
    assert (changed.run_id, changed.run_state) == (first.run_id, "running")
    send(db, first.run_id, PEOPLE)
    assert written(db, 1) == ONCE


def test_a_change_alone_is_an_order(db: Database, batch: int) -> None:
    changed = receive(db, chain(1, "order", "change")[1], batch)
    send(db, changed.run_id, PEOPLE)
    assert written(db, 1) == ONCE


def test_who_was_written_to_gets_another_only_if_the_order_says_so_and_a_person_confirms_how_many(
    db: Database, batch: int
) -> None:
    one, two = chain(1, "order", "repeat")
    first = receive(db, one, batch)
    send(db, first.run_id, 3)
    repeat = receive(db, two, batch)
    assert repeat.problem is not None
    assert "They are left out unless you confirm" in repeat.problem
    with pytest.raises(Conflict, match="is still being stopped"):
        confirm(db, "1-2", 12)
    chains.sweep(db)
    with pytest.raises(Conflict, match="12 people would get the text again"):
        confirm(db, "1-2", 11)
    with pytest.raises(Conflict, match="does not ask to write again"):
        confirm(db, "1-1", 12)
    confirm(db, "1-2", 12)
    send(db, repeat.run_id, PEOPLE)
    assert sorted(written(db, 1).values()) == [1] * 8 + [2] * 12


def confirm(db: Database, number: str, count: int) -> None:
    at_carrier(db, "repeat_order", number=number, body=received.RepeatBody(people=count))


def test_without_that_confirmation_a_repeat_leaves_them_out(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "repeat")
    send(db, receive(db, one, batch).run_id, 3)
    send(db, receive(db, two, batch).run_id, PEOPLE)
    assert written(db, 1) == ONCE
    with pytest.raises(Conflict, match="no longer waiting for its approval"):
        confirm(db, "1-2", 12)


def test_the_approval_covers_whom_the_campaign_leaves_out(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "order")
    send(db, receive(db, one, batch).run_id, 3)
    second = receive(db, two, batch)
    db.write(approval.approve, second.campaign_id, BOSS)
    db.write(lambda c: c.execute(delete(replacements)))
    row = db.read(optimistic_lock.campaign, second.campaign_id)
    assert db.read(approval_digest.approved, row) is None


def test_an_order_that_can_not_be_carried_out_still_stops_older_ones(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "order")
    first = receive(db, one, batch)
    send(db, first.run_id, 2)
    second = receive(db, two)  # without a batch
    assert (second.run_id, second.problem) == (None, "Choose the batches to which the order is to be sent.")
    assert state(db, first.run_id) == RunState.CANCELLING
    again = receive(db, two, batch)
    send(db, again.run_id, PEOPLE)
    assert written(db, 1) == ONCE


def test_documents_that_contradict_each_other_are_refused(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "withdrawal")
    other = loa_carrier.sign(loa_carrier.read(one).content | {"issuer": "Công an tỉnh khác"}, POLICE)
    receive(db, two)
    with pytest.raises(Conflict, match="are not of the same order"):
        receive(db, other, batch)
    receive(db, one, batch)
    with pytest.raises(Conflict, match="Another document 1-1"):
        receive(db, other, batch)
    assert db.read(lambda c: len(c.execute(select(received_orders.c.id)).all())) == 2


def test_what_was_replaced_is_not_erased_while_its_replacement_is_sent(db: Database, batch: int) -> None:
    one, two = chain(1, "order", "order")
    first = receive(db, one, batch)
    send(db, first.run_id, 3)
    second = receive(db, two, batch)
    send(db, second.run_id, 1)
    at_work = db.read(retention_due._rounds_at_work)
    assert at_work[first.campaign_id].id == second.run_id


def test_an_operator_sees_the_documents_of_its_own_carrier(db: Database, batch: int) -> None:
    receive(db, chain(1, "order")[0], batch)
    db.write(lambda c: c.execute(update(received_orders).values(by="x")))
    assert [each.number for each in chains.every(db)] == ["1-1"]
    assert chains.every(db, "viettel") == []
