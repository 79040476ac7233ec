"""What an approval stands for: this content in this form, signed once, and chunks as they were queued."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from app.campaigns import approval
from app.core import hashing
from app.core.states import CampaignState, ChunkState
from app.database.connection import Database
from app.database.models import approvals, campaigns, chunks, deliveries
from app.database.models import audit as acts
from app.ledger import approval_digest
from app.security import audit
from app.security.row_stamps import canonical
from tests.app.world import FIRST_PHONE, World, add_batch, approve, build
from tests.engines import by_default

database_url = by_default


def row(world: World, campaign: int | None = None) -> Any:
    own = select(campaigns).where(campaigns.c.id == (campaign or world.campaign))
    return world.db.read(lambda c: c.execute(own).one())


def changed(world: World, campaign: int | None = None, **values: Any) -> None:
    own = update(campaigns).where(campaigns.c.id == (campaign or world.campaign)).values(values)
    world.db.write(lambda c: c.execute(own))


def holds(world: World, signed: str) -> bool:
    return world.db.read(approval_digest.holds, row(world), signed)


def stands(world: World, *, alive: bool, campaign: int | None = None) -> bool:
    of = row(world, campaign)
    return world.db.read(lambda c: approval_digest.stands(c, of, alive=alive))


def signed_by(world: World, **of_then: Any) -> str:
    """The digest of the campaign as it is, but for what was otherwise then."""
    then: Any = SimpleNamespace(**dict(row(world)._mapping) | of_then)
    return world.db.read(approval_digest.digest, then)


def test_a_digest_holds_for_its_content_alone(db: Database) -> None:
    world = build(db, 2)
    changed(world, wording="Cảnh giác lừa đảo")
    signed = signed_by(world)
    assert holds(world, signed)
    assert holds(world, signed_by(world, wording=None))  # of before the original was signed
    assert not holds(world, signed_by(world, wording="Cảnh giác"))
    assert not holds(world, f"md5:{signed}")
    changed(world, texts={"": "Gui tien ngay"})
    assert not holds(world, signed)


@pytest.mark.parametrize(
    "values",
    [
        {"sender": "CA HA NOI"},
        {"purpose": "khan_cap"},
        {"window_start": 5},
        {"day_ends": "20:00"},
        {"text_areas": {"thai": ["03646"]}},
        {"answers_to": "report"},
        {"budget_segments": 9},
        {"budget_dong": 9},
        {"budget_signed": 9},
        {"wording": "Cảnh giác"},
    ],
)
def test_whatever_decides_who_gets_what_is_part_of_what_is_signed(
    db: Database, values: dict[str, Any]
) -> None:
    world = build(db, 2)
    signed = signed_by(world)
    changed(world, **values)
    assert signed_by(world) != signed
    assert holds(world, signed_by(world))
    assert holds(world, signed) == ("wording" in values)


def test_a_campaign_without_any_option_is_signed_as_it_was_before_there_were_options(db: Database) -> None:
    world = build(db, 2)
    plain: dict[str, Any] = {
        "texts": {"": "Canh giac lua dao"},
        "sender": "CA SONLA",
        "purpose": "tuyen_truyen",
    }
    plain |= {"window": [None, None], "day": ["00:00", "24:00"]}
    plain |= {"runs": {f"{world.run} viettel": [f"{FIRST_PHONE}-2"]}}
    assert signed_by(world) == hashing.digest(canonical(plain))
    options = {"text_areas": {"thai": ["03646"]}, "answers_to": "report"}
    changed(world, **options, budget_segments=9, budget_of=4)
    budget = {"segments": 9, "of": 4}
    assert signed_by(world) == hashing.digest(canonical(plain | options | {"budget": budget}))


@pytest.mark.parametrize("limit", ["budget_segments", "budget_dong", "budget_signed", "budget_of"])
def test_another_ceiling_is_another_content_and_none_is_as_before_there_were_any(
    db: Database, limit: str
) -> None:
    world = build(db, 1)
    digests = {signed_by(world, **{limit: most}) for most in (None, 0, 1, 2)}
    assert len(digests) == 4
    assert signed_by(world, **{limit: 1, "answers_of": 5}) in digests


def test_what_is_over_stands_by_its_approval_and_what_is_alive_must_be_approved_now(db: Database) -> None:
    world = build(db, 2)
    assert stands(world, alive=True)
    assert stands(world, alive=False)
    changed(world, state=CampaignState.WITHDRAWN.value)
    assert not stands(world, alive=True)
    assert stands(world, alive=False)
    changed(world, texts={"": "Gui tien ngay"})
    assert not stands(world, alive=False)
    db.write(approve, world.campaign)
    assert stands(world, alive=False)
    again = {"digest": signed_by(world), "decision": "rejected"}
    db.write(lambda c: approval.write(c, world.campaign, "chief", **again))
    assert not stands(world, alive=False)
    db.write(lambda c: c.execute(delete(approvals)))
    assert not stands(world, alive=False)


@pytest.mark.longer
def test_answers_that_are_over_stand_by_what_their_text_once_was_approved_for(db: Database) -> None:
    world = build(db, 2)
    changed(world, answers_to="report")
    own = dict(row(world)._mapping)
    week = own | {"id": 700, "answers_of": world.campaign, "name": "answers of a week"}
    db.write(lambda c: c.execute(insert(campaigns).values(week)))
    assert not stands(world, alive=False, campaign=700)  # approved as it was before
    db.write(approve, world.campaign)
    assert stands(world, alive=False, campaign=700)
    assert stands(world, alive=True, campaign=700)
    changed(world, state=CampaignState.WITHDRAWN.value)
    rejected = {"digest": signed_by(world), "decision": "rejected"}
    db.write(lambda c: approval.write(c, world.campaign, "chief", **rejected))
    assert stands(world, alive=False, campaign=700)
    assert not stands(world, alive=True, campaign=700)
    changed(world, texts={"": "Gui tien ngay"})
    assert not stands(world, alive=False, campaign=700)  # they say something else


def test_a_chunk_that_somebody_has_altered_is_named_while_it_is_to_be_sent(db: Database) -> None:
    world = build(db, 5, chunk=2)
    world.fan_out()

    def altered() -> list[int]:
        own = approval_digest.altered_chunks
        return db.read(lambda c: [chunk.first_seq for chunk in own(c, world.campaign)])

    assert altered() == []
    strange = update(deliveries).where(deliveries.c.seq.in_([3, 6])).values(phone=deliveries.c.phone + 500)
    db.write(lambda c: c.execute(strange))
    assert altered() == [2, 6]
    assert db.read(lambda c: list(approval_digest.altered_chunks(c, world.campaign + 1))) == []
    lease = world.claim()
    assert lease
    db.write(world.ledger.close_unsent, world.run, 101, 10)
    assert altered() == [2]


@pytest.fixture
def keyed(db: Database, database_url: str) -> Iterator[Database]:
    """The same database as a process with a key has it."""
    db.close()  # SQLite takes one process at a time
    own = Database(database_url, keys=(b"a key of thirty-two octets in all",))
    yield own
    own.close()


def stamped(db: Database) -> list[tuple[int, int]]:
    """Batch and first line of each chunk with a stamp."""
    c = chunks.c
    query = select(c.batch_id, c.first_seq).where(c.stamp.is_not(None)).order_by(c.batch_id, c.first_seq)
    return [
        (row.batch_id, row.first_seq) for row in db.read(lambda connection: connection.execute(query).all())
    ]


def two_batches(db: Database) -> tuple[World, int]:
    """Two batches of four, each message a chunk by itself, all without a stamp; the other batch."""
    world = build(db, 4, chunk=1)
    world.fan_out()
    other = db.write(add_batch, world.campaign, world.run, [FIRST_PHONE + 100 + n for n in range(4)])
    db.write(world.ledger.fan_out, world.run, other, 1, 10)
    db.write(lambda c: c.execute(update(chunks).values(stamp=None)))
    return world, other


def test_only_the_chunks_that_were_queued_just_now_are_stamped(keyed: Database) -> None:
    world, other = two_batches(keyed)
    keyed.write(approval_digest.bind, world.campaign + 1, other, 0, 100)
    assert stamped(keyed) == []
    keyed.write(approval_digest.bind, world.campaign, other, 2, 4)
    assert stamped(keyed) == [(other, 3), (other, 4)]


def test_chunks_of_before_the_key_are_stamped_if_they_are_to_be_sent_and_as_they_were_queued(
    keyed: Database,
) -> None:
    world, other = two_batches(keyed)

    def alter(where: Any, table: Any, **values: Any) -> None:
        keyed.write(lambda c: c.execute(update(table).where(*where).values(values)))

    own = (chunks.c.batch_id == world.batch,)
    alter((*own, chunks.c.first_seq == 2), chunks, state=int(ChunkState.DONE))
    alter((*own, chunks.c.first_seq == 3), chunks, state=int(ChunkState.LEASED))
    alter((deliveries.c.batch_id == world.batch, deliveries.c.seq == 4), deliveries, phone=FIRST_PHONE + 500)
    alter((chunks.c.batch_id == other, chunks.c.first_seq > 2), chunks, stamp="of before")
    assert keyed.write(approval_digest.bind_open, world.campaign + 1) == 0
    assert keyed.write(approval_digest.bind_open, world.campaign) == 3
    left = [(other, 3), (other, 4), (other, 5)]
    assert stamped(keyed) == [(world.batch, 3), (world.batch, 5), (other, 2), *left]
    alter((chunks.c.batch_id == other,), chunks, stamp=None)
    assert keyed.write(approval_digest.bind_open) == 4


def test_without_a_key_nothing_is_stamped(db: Database) -> None:
    two_batches(db)
    assert db.write(approval_digest.bind_open) == 0
    assert stamped(db) == []


def test_an_approval_stands_though_the_beginning_of_the_audit_was_erased_with_it(db: Database) -> None:
    world = build(db, 1)
    db.write(lambda c: audit.note(c, "test", "account.create", "account/2"))
    newest = db.read(lambda c: c.scalar(select(func.max(acts.c.id))))
    assert stands(world, alive=True)
    db.write(lambda c: c.execute(delete(acts).where(acts.c.id < newest)))
    assert stands(world, alive=True)


def test_an_approval_that_a_whole_audit_does_not_have_is_none(db: Database) -> None:
    world = build(db, 1)
    db.write(lambda c: c.execute(delete(acts).where(acts.c.id > 1)))
    db.write(lambda c: c.execute(update(acts).values(subject="campaign/99")))
    assert not stands(world, alive=True)
