"""What an approval stands for: this content in this form, signed once, and chunks as they were queued."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from app.campaigns import approval
from app.core.states import CampaignState
from app.database.connection import Database
from app.database.models import approvals, campaigns, deliveries
from app.ledger import approval_digest
from tests.app.world import World, approve, build
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


@pytest.mark.parametrize("limit", ["budget_segments", "budget_dong", "budget_of"])
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
