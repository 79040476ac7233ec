"""What a carrier holds of an order depends on the set of its documents, never on their order of arrival."""

from __future__ import annotations

from itertools import permutations

import pytest

from app.campaigns import optimistic_lock
from app.core.states import RunState
from app.database.connection import Database
from tests.app.signed_orders import chains
from tests.app.signed_orders.documents import CARRIER, POLICE
from tests.app.signed_orders.test_keys import in_force
from tests.app.signed_orders.test_received import receive
from tests.engines import each_engine, other_by_hand

database_url = each_engine
PEOPLE = 20
ARRIVALS = sorted(set(permutations((1, 2, 3, 4, 1))))


@other_by_hand
@pytest.mark.parametrize("first", sorted({arrival[:2] for arrival in ARRIVALS}))
def test_five_documents_give_one_state_and_no_second_sms_in_every_order_of_arrival(
    db: Database, first: tuple[int, int]
) -> None:
    """Issue, change, withdrawal, replacement, and the issue once more; something is sent after each."""
    check(db, [arrival for arrival in ARRIVALS if arrival[:2] == first])


def test_they_do_so_on_each_engine(db: Database) -> None:
    check(db, [(4, 3, 2, 1, 1), (1, 4, 2, 3, 1), (2, 1, 3, 1, 4)])


def check(db: Database, arrivals: list[tuple[int, ...]]) -> None:
    in_force(db, POLICE, None)
    in_force(db, CARRIER, "vnpt")
    batch = chains.people(db, PEOPLE)
    kinds = ("order", "change", "withdrawal", "order")
    for number, arrival in enumerate(arrivals, 1):
        documents = chains.chain(number, *kinds)
        for serial in arrival:
            receive(db, documents[serial - 1], batch)
            for run_id in chains.going(db):
                chains.send(db, run_id, 1)
        (last,) = chains.going(db)
        chains.send(db, last, PEOPLE)
        assert chains.written(db, number) == {84_912_345_600 + n: 1 for n in range(PEOPLE)}, arrival
        assert chains.held(db, number) == [
            (f"{number}-4", "order", "in_force"),
            (f"{number}-3", "withdrawal", "replaced"),
            (f"{number}-2", "change", "replaced"),
            (f"{number}-1", "order", "replaced"),
        ]
        run = db.read(optimistic_lock.run, last)
        texts = db.read(optimistic_lock.campaign, run.campaign_id).texts
        assert texts == {"": "Canh giac lua dao, ban 4."}, arrival
        chains.sent_meanwhile(db, last)
        states = {each.run_state for each in chains.every(db) if each.run_id not in (None, last)}
        assert states <= {RunState.CANCELLED, RunState.SENT}, arrival
