"""What has to be true at the end of a history: every figure, by the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, select

from app.core.errors import AppError, Conflict
from app.database.models import audit, tallies
from app.ledger import money
from app.reports.counting import carrier_report, unique_reach
from app.reports.release import freeze
from app.reports.verification.verify import contradictions, examine
from tests.ledger_life import rules, scene
from tests.ledger_life.life import Life
from tests.ledger_life.rules import Broken

LETTER = 1
# Acts of workers and carriers, and the acts whose advisory locks they may wait for. The audit's chain and
# the making of a campaign's tables are everybody's.
_COMMON = {4917, 4916}
_BY_THEMSELVES = ("fold", "note", "receipts", "rematch", "expire", "send", "flush", "go_on", "sweep")
_ORDERS = {"queue", "follow_up"}  # of a round's messages, which no claim may miss
_WAIT = {"send": _ORDERS, "flush": _ORDERS, "go_on": _ORDERS}


def check(life: Life, whole: bool) -> None:
    """Raise Broken where a figure is not what the rules make it. whole: freeze a report as well."""
    for problem in (
        *_tallies(life),
        *_budgets(life),
        *_verified(life, whole),
        *_reports(life),
        *_reach(life),
        *_untouched(life),
    ):
        raise Broken(problem)
    if whole:
        _freeze(life)


def _tallies(life: Life) -> Iterator[str]:
    found = life.db.read(_tallied)
    if found != (mine := life.books.tallies()):
        for key in sorted(found.keys() | mine.keys(), key=str):
            if found[key] != mine[key]:
                yield f"the tallies of {key} are {found[key]}, and by the rules {mine[key]}"


def _tallied(c: Connection) -> Counter[Any]:
    t = tallies.c
    key = (t.campaign_id, t.run_id, t.batch_id, t.area, t.state, t.reason)
    query = select(*key, func.sum(t.n)).where(
        t.campaign_id.not_in(range(scene.FROM, scene.FROM + scene.PAST))
    )
    rows = c.execute(query.group_by(*key)).all()
    return Counter({tuple(row[:6]): int(row[6]) for row in rows if row[6]})


def _budgets(life: Life) -> Iterator[str]:
    for campaign, limit in life.books.limits.items():
        found = life.db.read(_budget, campaign)
        mine = life.books.spent[campaign]
        if (found.segments, found.spent_segments) != (limit, mine):
            spent = f"{found.spent_segments} of {found.segments}"
            yield f"budget {campaign}: {spent}, and by the rules {mine} of {limit}"


def _budget(c: Connection, campaign: int) -> Any:
    from app.campaigns import optimistic_lock

    return money.budget_of(c, optimistic_lock.campaign(c, campaign))


def _verified(life: Life, whole: bool) -> Iterator[str]:
    """`loa verify` is clean: in whole, or in what it says of messages; figures are looked at here anyway."""
    if whole:
        yield from (f"loa verify: {each.sentence}" for each in examine(life.db, life.ledger).differences)
    else:
        for campaign in {key.campaign for key in life.books.messages}:
            yield from (f"loa verify: {each}" for each in life.db.read(contradictions, campaign)[0])
    stopped = select(func.count()).where(audit.c.action == "run.stopped")
    if life.db.read(lambda c: c.execute(stopped).scalar()):
        yield "a run was stopped as if somebody had altered it"


def _reports(life: Life) -> Iterator[str]:
    until = life.places.now.look()
    for campaign in life.books.campaigns.values():
        for run in campaign.runs:
            if not any(life.books.of_run(run.id)):
                continue
            try:
                report = life.db.read(carrier_report.build, run.id, until)
            except AppError as error:
                if not life.set_back:
                    yield f"the report of run {run.id} can't be made: {error.detail}"
                continue
            mine = life.books.figures(run)
            found = {name: getattr(report.general, name) for name in mine}
            if found != mine and not life.set_back:
                wrong = {name: (found[name], mine[name]) for name in mine if found[name] != mine[name]}
                yield f"the report of run {run.id} has, and by the rules: {wrong}"


def _reach(life: Life) -> Iterator[str]:
    mine = len(life.books.reached(LETTER))
    try:
        found = life.db.read(unique_reach.present, LETTER)
    except Conflict as error:
        under = [each for each in life.books.campaigns.values() if each.directive == LETTER]
        apart = len({(each.erased, each.erased_at) for each in under}) > 1
        if not (life.set_back or apart):
            yield f"the reach is not told: {error.detail}"
        return
    if found.persons != mine:
        yield f"the reach is {found.persons} persons, and by the rules {mine}"


def _untouched(life: Life) -> Iterator[str]:
    """What is over is looked at by nobody, and nobody waits for what has nothing to do with its own."""
    if over := sorted(each for each in life.opened if scene.FROM <= each < scene.FROM + scene.PAST):
        yield f"the tables of {len(over)} campaigns were opened that were over 40 days before"
    for own in _BY_THEMSELVES:
        for other, theirs in life.locks.items():
            if other in _BY_THEMSELVES or other in _WAIT.get(own, ()):
                continue
            if both := (life.locks.get(own, set()) & theirs) - _COMMON:
                yield f"{own} and {other} wait for each other: lock {sorted(both)}"


def _freeze(life: Life) -> None:
    from app.reports.forms.letterhead import Letterheads  # late: what papers need takes a second to load

    for campaign in life.books.campaigns.values():
        for run in campaign.runs:
            whole = life.books.figures(run)
            if run.state in rules.OVER and not campaign.erased and whole["sent"] and not life.set_back:
                made = freeze.Freezer(life.db, life.ledger, Letterheads(()), "lan")
                try:
                    made.freeze(freeze.ReportSubject(freeze.SubjectKind.RUN, run.id))
                except AppError as error:
                    raise Broken(f"the report of run {run.id} can't be frozen: {error.detail}") from error
                return
