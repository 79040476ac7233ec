"""What can never be stops its transaction and leaves everything as it was; the sentence reaches a person."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from app.core.errors import Impossible, require
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import chunks, submissions
from app.ledger.contract import TAKEN_BACK, ChunkLease, MatchedDelivery, Reservation, SubmitOutcome
from app.ledger.submit_results import FOREIGN_PART, FOREIGN_RESERVATION, FOREIGN_RESULT, TWO_RESULTS
from app.observability.faults import described
from carriers.contract import Accepted, Partial, Reason
from tests.app.world import World, accepted, build
from tests.exact import exactly


@pytest.fixture
def world(db: Database) -> World:
    """Twenty subscribers in two chunks."""
    world = build(db, 20, chunk=10)
    world.fan_out()
    return world


def claimed(world: World) -> ChunkLease:
    lease = world.claim()
    assert lease
    return lease


def untouched(world: World) -> bool:
    def rows(c: Connection) -> tuple[int, int | None]:
        told = len(c.execute(select(submissions)).all())
        return told, c.execute(select(chunks.c.watermark).order_by(chunks.c.first_seq)).scalars().first()

    world.check()
    return world.db.read(rows) == (0, 1) and world.states() == {DeliveryState.QUEUED: 20}


def test_two_answers_for_one_message_are_both_refused(world: World) -> None:
    lease = claimed(world)
    one = SubmitOutcome(lease.items[0], Accepted(("a",)))
    with pytest.raises(
        Impossible,
        match=exactly(
            "Two answers arrived for one message, and neither was recorded. Please report this bug."
        ),
    ) as refused:
        world.db.write(
            world.ledger.record, world.link, lease, [one, one._replace(result=Accepted(("b",)))], None, 30.0
        )
    assert described(refused.value) == TWO_RESULTS
    assert untouched(world)


@pytest.mark.longer
@pytest.mark.parametrize(("refs", "refused"), [(("a", None), (2,)), ((), (0,)), ((None,), (0,))])
def test_a_part_that_the_message_does_not_have_cannot_be_refused_nor_all_of_them(
    world: World, refs: tuple[str | None, ...], refused: tuple[int, ...]
) -> None:
    """Where all parts are refused, the answer is that the message was."""
    lease = claimed(world)
    partial = Partial(refs, refused, "0x45", Reason.OTHER)
    with pytest.raises(Impossible, match=FOREIGN_PART):
        world.db.write(
            world.ledger.record, world.link, lease, [SubmitOutcome(lease.items[0], partial)], None, 30.0
        )
    assert untouched(world)


@pytest.mark.longer
def test_an_answer_for_a_message_of_another_chunk_is_refused(world: World) -> None:
    lease, other = claimed(world), claimed(world)
    with pytest.raises(Impossible, match=FOREIGN_RESULT):
        world.db.write(world.ledger.record, world.link, lease, accepted(list(other.items)), None, 30.0)
    assert untouched(world)


@pytest.mark.parametrize("by", [-1, 10])
def test_what_is_reserved_is_of_the_chunk(world: World, by: int) -> None:
    lease = claimed(world)
    upto = lease.first_seq + by
    with pytest.raises(Impossible, match=FOREIGN_RESERVATION):
        world.db.write(world.ledger.record, world.link, lease, [], Reservation(upto, 1), 30.0)
    assert untouched(world)


@pytest.mark.parametrize("lost", [{"delivered": 0}, {"relayed": 0b01}, {"failed": 0b01}])
def test_what_a_receipt_has_said_of_a_part_no_other_takes_back(lost: dict[str, int]) -> None:
    masks = {"delivered": 0b001, "relayed": 0b011, "failed": 0b101}
    had = MatchedDelivery(0, 0, 0, 1, 1, 2, 1, 84_912_000_000, None, 3, 0, None, 1, 0, 3, **masks)
    had.require_only_added(had.standing()._replace(delivered=0b111, failed=0b111))
    with pytest.raises(Impossible, match=TAKEN_BACK):
        had.require_only_added(had.standing()._replace(**lost))


def test_what_holds_says_nothing() -> None:
    require(True, "never said")
