"""Signs that a carrier's receipts are fabricated or missing. They change nothing: a person must ask.

Real receipts are uneven: some handsets are off, some slow, and none has a message before it was sent. Only
receipts of handset level are examined; the others claim no handset.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from app.core.states import ENDED, SENT, DeliveryState
from app.database.connection import shared_ms
from app.database.models import audiences, deliveries
from app.reports.counting import panel_judgements, scope
from app.reports.counting.scope import Scope, proved
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import Statement
from app.telephone_panel.judgement import Verdict
from carriers.contract import ReceiptLevel
from carriers.phrases import Phrase

_ENOUGH = 1000  # below this an even result may be chance
_EVEN = 0.99  # share within 1.5 s of each other: no network is so even
_HALF_S = 500  # ms
_EARLY_MS = 65_000  # many carriers state only the minute, and clocks differ by seconds
_MOST_EARLY = 0.01

_d = deliveries.c
_DELAY = _d.done_at - _d.submitted_at


class Sign(StrEnum):
    ALL_DELIVERED = "all_delivered"
    NONE_DELIVERED = "none_delivered"
    EVEN_DELAY = "even_delay"
    EARLY = "early"
    SWITCHED_OFF = "switched_off"
    LEVEL_CHANGED = "level_changed"
    SIZE_CHANGED = "size_changed"
    NONE_FAILED = "none_failed"
    PANEL_REFUTES = "panel_refutes"


@dataclass(frozen=True, slots=True)
class FraudSignal:
    """One sign, shown by `messages` of `of` possible ones; `detail`: what it means."""

    sign: Sign
    messages: int
    of: int
    detail: str


def doubts(connection: Connection, run_id: int, switched_off: Collection[int] = ()) -> list[FraudSignal]:
    """Return the signs found among all messages of the run; raises NotFound.

    switched_off: numbers (84xxxxxxxxx) of our own test handsets that are off and stand in carriers' lists.
    """
    of = scope.of_run(connection, run_id)
    estimated = select(audiences.c.estimated).where(audiences.c.run_id == run_id)
    stated = _stated(carrier_statement.versions(connection, run_id), connection.execute(estimated).scalar())
    sent, delivered = _counts(connection, *_where(of))
    found = [
        _all_delivered(sent, delivered),
        _none_delivered(connection, of, sent, delivered),
        _even(connection, of, delivered),
        _early(connection, of, delivered),
        _off(connection, of, switched_off),
    ]
    refuted = _refuted(connection, of.run)
    return [doubt for doubt in found if doubt is not None] + [*stated] + list(refuted)


def _refuted(connection: Connection, run: Row[Any]) -> Iterator[FraudSignal]:
    """Yield what test telephones refute of the claim."""
    for each in panel_judgements.of_campaign(connection, run.campaign_id):
        if each.run_id == run.id and each.verdict is Verdict.REFUTED:
            yield FraudSignal(Sign.PANEL_REFUTES, each.not_received, each.answered, each.sentence)


def _stated(versions: Sequence[Statement], ordered: int | None) -> Iterator[FraudSignal]:
    """Yield what a person was asked about when the carrier's statement, now in force, was handed in."""
    if not versions:
        return
    last, before = versions[-1], versions[-2] if len(versions) > 1 else None
    g = last.figures.general
    changed = next((old for old, new in pairwise(versions) if old.level is not new.level), None)
    if changed is not None:
        detail = "The carrier changed the level that its receipts prove when it corrected its statement."
        yield FraudSignal(Sign.LEVEL_CHANGED, g.received or 0, g.sent, detail)
    if carrier_statement.nothing_failed(last.figures):
        detail = "The carrier states that no message failed, but every real list contains inactive numbers."
        yield FraudSignal(Sign.NONE_FAILED, g.received or 0, g.sent, detail)
    if before is not None and carrier_statement.far(g.sent, before.figures.general.sent):
        detail = (
            "The figures stated by the carrier differ from the previous version by a factor of four or more."
        )
        yield FraudSignal(Sign.SIZE_CHANGED, g.sent, before.figures.general.sent, detail)
    elif ordered is not None and carrier_statement.far(g.eligible, ordered):
        detail = "The figures stated by the carrier differ from the order by a factor of four or more."
        yield FraudSignal(Sign.SIZE_CHANGED, g.eligible, ordered, detail)


def _where(scope: Scope, *more: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    return [*scope.within(deliveries), _d.run_id == scope.run.id, *more]


def _received(scope: Scope, *more: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    return _where(scope, _d.state == int(DeliveryState.DELIVERED), *more)


def _counts(connection: Connection, *where: ColumnElement[bool]) -> tuple[int, int]:
    """Return (messages sent, those reported on their handset)."""
    query = select(_d.state, func.count()).where(*where).group_by(_d.state)
    by_state = {int(state): int(n) for state, n in connection.execute(query)}
    return sum(by_state.get(int(state), 0) for state in SENT), by_state.get(int(DeliveryState.DELIVERED), 0)


def _all_delivered(sent: int, delivered: int) -> FraudSignal | None:
    if sent < _ENOUGH or delivered < sent:
        return None
    detail = (
        "Every message is reported as delivered to the handset, but in every real list some phones "
        "are switched off or numbers are unused."
    )
    return FraudSignal(Sign.ALL_DELIVERED, delivered, sent, detail)


def _none_delivered(connection: Connection, scope: Scope, sent: int, delivered: int) -> FraudSignal | None:
    """Flag a finished run that reached no handset although its receipts come from handsets."""
    if sent < _ENOUGH or delivered or scope.run.state not in ENDED:
        return None
    if proved(connection, scope.run, shared_ms(connection)) != ReceiptLevel.HANDSET:
        return None
    relayed = select(func.count()).where(*_where(scope, _d.state == int(DeliveryState.RELAYED)))
    if connection.execute(relayed).scalar_one():
        return None  # the centre accepted them, so handset receipts may be late
    detail = (
        "No message is reported as delivered to the handset. Either the carrier has not forwarded "
        "any, or its receipts do not arrive."
    )
    return FraudSignal(Sign.NONE_DELIVERED, sent, sent, detail)


def _even(connection: Connection, scope: Scope, delivered: int) -> FraudSignal | None:
    """Flag a run where nearly all delays lie in three adjacent half seconds."""
    if delivered < _ENOUGH:
        return None
    at = _DELAY // _HALF_S
    query = select(at, func.count()).where(*_received(scope, _d.submitted_at.is_not(None))).group_by(at)
    steps = {int(step): int(n) for step, n in connection.execute(query)}
    middle = max(steps, key=lambda at: _around(steps, at), default=0)
    alike = _around(steps, middle)
    if alike < _EVEN * delivered:
        return None
    seconds = middle * _HALF_S / 1000
    detail = Phrase(
        "All delays are nearly the same, about {seconds} s. Real phones confirm at varying times.",
        seconds=f"{seconds:g}",
    )
    return FraudSignal(Sign.EVEN_DELAY, alike, delivered, detail)


def _around(steps: dict[int, int], at: int) -> int:
    return sum(steps.get(near, 0) for near in (at - 1, at, at + 1))


def _early(connection: Connection, scope: Scope, delivered: int) -> FraudSignal | None:
    query = select(func.count()).where(*_received(scope, _DELAY < -_EARLY_MS))
    early = int(connection.execute(query).scalar_one())
    if early <= _MOST_EARLY * delivered:
        return None
    detail = "The carrier reports delivery before submission; its clock or time zone may be wrong."
    return FraudSignal(Sign.EARLY, early, delivered, detail)


def _off(connection: Connection, scope: Scope, switched_off: Collection[int]) -> FraudSignal | None:
    if not switched_off:
        return None
    sent, said = _counts(connection, *_where(scope, _d.phone.in_(sorted(switched_off))))
    if not said:
        return None
    detail = "A test phone that is switched off is reported as having received the message."
    return FraudSignal(Sign.SWITCHED_OFF, said, sent, detail)
