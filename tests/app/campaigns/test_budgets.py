"""A campaign's budget: the approval binds it, a run pauses when it is spent, and two persons raise it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from app.campaigns import approval, budget_orders, lifecycle, queries
from app.campaigns import runs as orders
from app.campaigns.runs import Verb
from app.core.config import MoneySettings, PriceSettings, SuspendSettings
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.states import RunState
from app.database.connection import Database, shared_ms
from app.database.models import budgets, campaigns, runs
from app.dispatch import suspend_sweep
from app.ledger import money
from app.ledger.contract import Reservation
from app.observability.faults import present
from app.security import Caller, audit
from tests.app.campaigns.past import D, follow, sent
from tests.app.campaigns.rows import DRAFT, HOURS, whole_run
from tests.app.ledger.test_money import budgeted, held, priced, record
from tests.app.world import World, accepted
from tests.engines import on_sqlite
from tests.exact import exactly

CHIEF, BOSS = Caller("chief", "admin"), Caller("boss", "approver")
OFF = SuspendSettings(failed_percent=0, refused_percent=0, unknown_percent=0)


def approved(db: Database, **budget: Any) -> int:
    campaign_id, _ = db.write(whole_run)
    draft = replace(DRAFT, **budget)
    db.write(lambda c: lifecycle.edit(c, campaign_id, 2, draft, HOURS, "author"))
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, CHIEF)
    return campaign_id


def ask(db: Database, campaign_id: int, segments: int) -> int:
    return db.write(budget_orders.ask, campaign_id, segments, "more people", "author").number


def paused(db: Database, ceiling: int = 20) -> World:
    """A run that has paused itself because the budget was spent."""
    world = budgeted(db, 50, ceiling)
    db.write(lambda c: c.execute(update(runs).values(started_at=shared_ms(c))))
    lease = held(world)
    assert record(world, lease, [], ceiling + 1, ceiling).go
    record(world, lease, accepted(lease.items[:ceiling]))
    assert not db.write(world.ledger.record, world.link, lease, [], Reservation(50, 5), 30.0).go
    assert look(db) == []  # something is under way
    db.write(world.ledger.release, lease, 0.0)
    assert look(db) == [world.run]
    return world


def look(db: Database) -> list[int]:
    return db.write(suspend_sweep.look, OFF, db)


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize(
    "change", [{"budget_segments": 101}, {"budget_dong": 9}, {"budget_signed": 9}, {"budget_of": 1}]
)
def test_the_approval_binds_the_budget(db: Database, change: dict[str, int]) -> None:
    campaign_id = approved(db, budget_segments=100)
    row = db.read(lambda c: c.execute(select(campaigns)).one())
    assert db.read(lambda c: approval.approved(c, row)) is not None
    db.write(lambda c: c.execute(update(campaigns).values(change)))
    row = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == campaign_id)).one())
    assert db.read(lambda c: approval.approved(c, row)) is None


@pytest.mark.longer
def test_a_run_whose_budget_is_spent_pauses_itself_with_one_sentence(db: Database) -> None:
    world = paused(db)
    found = db.read(queries.run, world.run)
    assert found.state == RunState.PAUSED
    assert found.suspended
    assert found.suspended.sentence == (
        "The run has paused itself: 20 of the 20 SMS parts in the campaign's budget have been or "
        "may have been sent. Request a higher budget, which another person must approve, or cancel "
        "the run."
    )
    with pytest.raises(
        Conflict,
        match=exactly(
            "The budget of campaign 1 is used up. Request a higher one, which another person must approve."
        ),
    ):
        orders.order(db, Verb.RESUME, world.run, "Lan")


def test_a_spent_budget_that_is_reset_outside_loa_is_counted_again_from_what_was_sent(db: Database) -> None:
    world = paused(db)
    reset = update(budgets).values(segments=0)
    db.write(lambda c: c.execute(reset))
    with pytest.raises(
        Conflict,
        match=exactly(
            "The budget of campaign 1 is used up. Request a higher one, which another person must approve."
        ),
    ):
        orders.order(db, Verb.RESUME, world.run, "Lan")
    number = ask(db, world.campaign, 30)
    db.write(lambda c: c.execute(update(budgets).values(segments=0)))
    db.write(budget_orders.approve, world.campaign, number, BOSS)
    counted = db.read(lambda c: c.execute(select(budgets.c.segments)).scalar_one())
    assert (counted, [each.source for each in db.read(present)]) == (20, ["budgets"])


@pytest.mark.longer
def test_two_persons_raise_it_and_the_run_goes_on(db: Database) -> None:
    world = paused(db)
    number = ask(db, world.campaign, 30)
    with pytest.raises(
        Forbidden,
        match=exactly(
            "You requested this budget or supplied the account that did. Someone else must approve it."
        ),
    ):
        db.write(budget_orders.approve, world.campaign, number, Caller("author", "admin"))
    with pytest.raises(
        Forbidden, match=exactly("Only approvers can decide on campaigns. Your role is operator.")
    ):
        db.write(budget_orders.approve, world.campaign, number, Caller("Hoa", "operator"))
    done = db.write(budget_orders.approve, world.campaign, number, BOSS)
    assert (done.approved_by, done.open) == ("boss", False)
    assert db.write(budget_orders.approve, world.campaign, number, BOSS) == done  # a second click
    found = db.read(queries.run, world.run)
    assert (found.state, found.suspended) == (RunState.RUNNING, None)
    dossier = db.read(queries.dossier, world.campaign)
    assert dossier.budget
    assert (dossier.budget.segments, dossier.budget.spent_segments) == (30, 20)
    assert [each.decision for each in dossier.decisions][-1] == "approved"
    assert dossier.digest == dossier.decisions[-1].digest != dossier.decisions[-2].digest
    acts = [each.action for each in db.read(audit.listed, 0, 100).items]
    assert acts[-4:] == ["budget.ask", "campaign.approved", "budget.raise", "run.resume"]
    lease = held(world, "b")
    assert record(world, lease, [], 31, 10).go
    assert record(world, lease, [], 32, 1).left == 0


@pytest.mark.longer
def test_only_the_newest_request_is_approved_and_never_less_than_is_spent(db: Database) -> None:
    world = paused(db)
    first, second = ask(db, world.campaign, 30), ask(db, world.campaign, 40)
    with pytest.raises(Conflict, match=f"Request {first} has been replaced by a newer one"):
        db.write(budget_orders.approve, world.campaign, first, BOSS)
    with pytest.raises(
        Invalid, match=exactly("20 SMS parts have already been spent. Enter at least this number.")
    ):
        ask(db, world.campaign, 19)
    with pytest.raises(Invalid, match=exactly("The campaign already has this budget.")):
        ask(db, world.campaign, 20)
    with pytest.raises(Invalid, match=exactly("Campaign 1 has no budget request 99.")):
        db.write(budget_orders.approve, world.campaign, 99, BOSS)
    db.write(budget_orders.approve, world.campaign, second, BOSS)


@pytest.mark.longer
@on_sqlite
def test_a_campaign_without_a_budget_or_not_approved_is_told_what_to_do(db: Database) -> None:
    with pytest.raises(Conflict, match="has no budget"):
        ask(db, approved(db), 30)
    campaign_id, _ = db.write(whole_run, "viettel")
    with pytest.raises(
        Conflict, match=exactly("The campaign is draft. Edit the campaign to change its budget.")
    ):
        ask(db, campaign_id, 30)


@pytest.mark.longer
def test_a_follow_up_shares_the_budget_of_what_it_follows(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED, 2: D.DELIVERED}, draft=replace(DRAFT, budget_segments=10))
    db.write(money.open_budget, one)
    made = follow(db, one)
    found = db.read(queries.dossier, made)
    assert found.budget
    assert (found.campaign.budget_of, found.budget.campaign_id, found.budget.segments) == (one, one, 10)
    assert found.budget.shared_by == [one, made]
    with pytest.raises(Invalid, match="shares the budget of campaign"):
        follow(db, one, changes={"budget_segments": 5})
    db.write(lifecycle.submit, made, "lan")
    db.write(approval.approve, made, BOSS)
    with pytest.raises(
        Conflict, match=exactly("Campaign 2 shares the budget of campaign 1. Request the budget there.")
    ):
        ask(db, made, 30)
    db.write(lambda c: c.execute(update(runs).values(state="finished", started_at=1, ended_at=2)))
    assert db.read(queries.dossier, follow(db, one, made)).campaign.budget_of == one
    # Whoever raises it lets all go on that have paused themselves for it, and nothing else.
    third, why = db.read(queries.dossier, made).runs[0].id, {"bad": 1, "of": 1, "reasons": {}, "at": 1}
    for run, cause in ((1, "failed"), (third, "budget")):
        row = {"state": "paused", "ended_at": None, "suspended": why | {"cause": cause}}
        pause = update(runs).where(runs.c.id == run).values(row)
        db.write(lambda c, pause=pause: c.execute(pause))
    db.write(budget_orders.approve, one, ask(db, one, 20), BOSS)
    states = {row.id: row.state for row in db.read(lambda c: c.execute(select(runs)).all())}
    assert (states[1], states[third]) == ("paused", "running")
    # Whoever raises the source's budget in the database alone voids the follow-up's approval too.
    db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == one).values(budget_segments=11)))
    row = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == made)).one())
    assert db.read(lambda c: approval.approved(c, row)) is None


def price(dong: str, purpose: Any = None) -> PriceSettings:
    return PriceSettings(carrier="vnpt", purpose=purpose, dong=Decimal(dong))


def test_a_price_is_that_of_carrier_and_purpose() -> None:
    own = MoneySettings(prices={"a": price("250.5"), "b": price("300", "canh_bao_khan")})
    assert own.price("vnpt", "tuyen_truyen") == Decimal("250.5")
    assert own.price("vnpt", "canh_bao_khan") == 300
    assert own.price("viettel", "tuyen_truyen") is None
    assert MoneySettings(prices={"b": own.prices["b"]}).price("vnpt", "tuyen_truyen") is None


@pytest.mark.parametrize(
    ("purpose", "whose"), [(None, "all campaigns"), ("canh_bao_khan", "campaigns of canh_bao_khan")]
)
def test_two_prices_for_the_same_are_refused(purpose: Any, whose: str) -> None:
    both = {"old": price("250", purpose), "new": price("260", purpose)}
    with pytest.raises(ValidationError, match=f"2 prices of vnpt for {whose}; keep the one"):
        MoneySettings(prices=both)


@pytest.mark.longer
def test_what_a_run_has_cost_so_far_counts_what_the_carrier_took_and_what_it_perhaps_took(
    db: Database,
) -> None:
    one = sent(db, {1: D.DELIVERED, 2: D.REJECTED, 3: D.UNKNOWN, 4: D.UNDELIVERED, 5: D.NOT_SENT})
    assert db.read(queries.dossier, one).runs[0].cost is None
    priced(db, vnpt="250.50")
    run = db.read(queries.dossier, one).runs[0]
    assert run.cost == money.SentCost(3, 1, 752)
    assert db.read(queries.run, run.id).cost == run.cost
