"""The consolidated report of a directive: every run, measured or stated, and other addressees' work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.errors import no_such
from app.core.states import ENDED, NotSent, RunState
from app.database.models import campaigns, directives, follow_ups, frozen_reports, runs
from app.ledger.calls import CALLS
from app.ledger.directive_deadline import held_at
from app.reports.counting import carrier_report, panel_judgements, unique_reach
from app.reports.counting.scope import counted
from app.reports.counting.unique_reach import Subscribers, UniqueReach
from app.reports.figures import addressees, carrier_statement
from app.reports.figures.addressees import AddresseeStatus, ChannelTotal
from app.reports.figures.carrier_statement import FigureSource, Statement, by_deadline
from app.reports.figures.figures import CarrierReport
from app.telephone_panel.judgement import Judgement

# A frozen report is rebuilt by the rules of its day. 1: every campaign under the directive, also drafts and
# rejected ones; 2: those selected by `counted`, naming carrier reports frozen for its cut-off or earlier;
# 3: with the unique reach; 4: with addresses at which the text was published; 5: of a run of which no message
# is known to have arrived nobody says that it was sent in time; 6: with subscribers, each counted once, and
# what no addressee stated is null; 7: nothing is provisional once the time in which receipts come is over.
RULES = 7


@dataclass(frozen=True, slots=True)
class ConsolidationTerms:
    """known_ms: when it was frozen (ms since 1970); carrier reports frozen later are ignored.

    brief: without days and what else the chairman's page does not show.
    """

    rules: int = RULES
    known_ms: int | None = None
    brief: bool = False


PRESENT, BRIEF = ConsolidationTerms(), ConsolidationTerms(brief=True)


@dataclass(frozen=True, slots=True)
class DirectiveSummary:
    """Facts from the directive; deadline_ms: when reports are due, ms since 1970."""

    id: int
    number: str
    issued_on: date
    issuer: str
    subject: str
    deadline_ms: int | None
    legal_basis: str = ""


_CUT_OFF, _CANCELLED = (each.name.lower() for each in (NotSent.WINDOW_CLOSED, NotSent.CANCELLED))


@dataclass(frozen=True, slots=True)
class RunLine:
    """One carrier's part of one campaign; `kind` tells whether the report's or the statement's figures count.

    kind None: no figures yet; version: of the frozen report in force at the cut-off, 0 for none; follow_up:
    whether it writes again to those whom earlier campaigns did not reach.
    """

    run_id: int
    campaign_id: int
    campaign: str
    carrier: str
    kind: FigureSource | None
    report: CarrierReport
    statement: Statement | None
    version: int
    rules: int = RULES
    follow_up: bool = False
    panel: Judgement | None = None  # what test telephones say of the claim; None without an answer

    @property
    def ended_ms(self) -> int | None:
        if self.kind is FigureSource.MEASURED:
            return self.report.header.ended_ms
        return self.statement.ended_ms if self.statement else None

    @property
    def interim(self) -> bool:
        """Whether figures may still change, or there are none yet."""
        if self.kind is FigureSource.MEASURED:
            return self.report.interim
        if self.statement is None:
            return True
        return self.statement.interim if self.rules >= 7 else self.statement.lacks_receipts

    def late(self, deadline_ms: int | None, cutoff_ms: int) -> bool:
        """Whether it was not sent (measured) or not reported (stated) by the deadline."""
        if deadline_ms is None:
            return False
        if self.kind is FigureSource.MEASURED:
            return self.sent_in_time(deadline_ms, cutoff_ms) is False
        return (cutoff_ms if self._received_ms is None else self._received_ms) > deadline_ms

    def sent_in_time(self, deadline_ms: int | None, cutoff_ms: int) -> bool | None:
        """Return whether all was sent by the deadline; None if unknown, cancelled, or without a deadline.

        The directive's status judges in the same way (app/directives/status.py).
        """
        if self.kind is FigureSource.MEASURED:
            if self.cancelled:
                return None  # somebody decided that it need not be sent
            if deadline_ms is not None and self._leaves(_CUT_OFF):
                return False
            if self._is_unclear:
                return None
            if deadline_ms is not None and self._sent_nothing:
                return False
            return by_deadline(self.ended_ms, deadline_ms, cutoff_ms)
        # Unless the carrier said it ended, it had not ended when the figures were drawn up.
        return by_deadline(self.ended_ms, deadline_ms, self.statement.cutoff_ms) if self.statement else None

    def reported_in_time(self, deadline_ms: int | None, cutoff_ms: int) -> bool | None:
        """Return whether the carrier's figures came by the deadline; None if measured, or as above."""
        if self.kind is FigureSource.MEASURED:
            return None
        return by_deadline(self._received_ms, deadline_ms, cutoff_ms)

    @property
    def over(self) -> bool:
        """Whether a measured run has sent all that it will send."""
        return self.kind is FigureSource.MEASURED and self.report.header.run_state in ENDED

    @property
    def cancelled(self) -> bool:
        """Whether a person stopped it before everybody was sent the message."""
        return self.kind is FigureSource.MEASURED and self._leaves(_CANCELLED)

    @property
    def _is_unclear(self) -> bool:
        """Whether messages were handed over, and none is known to have arrived or may still be confirmed."""
        general = self.report.general
        if self.rules < 5:
            return general.sent > 0 and general.sent == general.unknown
        open_or_arrived = general.delivered + general.relayed + general.no_receipt
        return general.sent > 0 and open_or_arrived == 0

    @property
    def _sent_nothing(self) -> bool:
        """Whether it is over, had subscribers, and none of them was sent anything."""
        general, outside = self.report.general, self.report.outside_areas
        none = self.rules >= 5 and general.eligible > outside and general.sent == 0
        return none and self.report.header.run_state in (RunState.SENT, RunState.FINISHED)

    def _leaves(self, cause: str) -> bool:
        """Whether this has left subscribers without a message."""
        return any(each.key == cause and each.n for each in self.report.excluded)

    @property
    def _received_ms(self) -> int | None:
        return self.statement.first_ms if self.statement else None


@dataclass(frozen=True, slots=True)
class ConsolidatedReport:
    """Everything done under one directive, as of the cut-off (ms since 1970).

    silent: carriers named in the directive without a run under it.
    """

    letter: DirectiveSummary
    cutoff_ms: int
    lines: tuple[RunLine, ...]
    others: tuple[AddresseeStatus, ...]
    channels: tuple[ChannelTotal, ...]
    silent: tuple[str, ...] = ()
    rules: int = RULES
    reach: UniqueReach | None = None  # None by the rules of before

    @property
    def interim(self) -> bool:
        """Whether figures may still change, or a carrier has not reported yet."""
        open_ = (line for line in self.lines if line.interim)
        return any(self.rules > 1 or line.kind in (None, FigureSource.MEASURED) for line in open_)

    @property
    def subscribers(self) -> tuple[Subscribers, ...] | None:
        """Return subscribers counted once; None by the rules of before, and where they are not known."""
        return self.reach.subscribers if self.reach and self.rules >= 6 else None

    def of(self, kind: FigureSource) -> tuple[RunLine, ...]:
        """Return the lines with figures of one source: sources are never added up."""
        return tuple(line for line in self.lines if line.kind is kind)


def build(
    connection: Connection, directive_id: int, cutoff_ms: int, terms: ConsolidationTerms = PRESENT
) -> ConsolidatedReport:
    """Return the report of a directive; raises NotFound, Unbalanced. Call through db.read (one snapshot)."""
    row = connection.execute(select(directives).where(directives.c.id == directive_id)).first()
    if row is None:
        raise no_such("directive", directive_id, field="directive_id")
    unsaid = None if terms.rules >= 6 else 0
    others = tuple(addressees.addressee_statuses(connection, directive_id, cutoff_ms, cutoff_ms))
    lines = tuple(_lines(connection, directive_id, cutoff_ms, terms))
    return ConsolidatedReport(
        letter=_letter(row, held_at(connection, row.id, row.report_deadline, cutoff_ms)),
        cutoff_ms=cutoff_ms,
        lines=lines,
        others=others,
        channels=tuple(addressees.totals(others, unsaid)),
        silent=_silent(connection, directive_id, {line.carrier for line in lines}),
        rules=terms.rules,
        reach=_reach(connection, directive_id, cutoff_ms, lines) if terms.rules >= 3 else None,
    )


def _reach(
    connection: Connection, directive_id: int, cutoff_ms: int, lines: Sequence[RunLine]
) -> UniqueReach | None:
    found, delivered = unique_reach.of_directive(connection, directive_id, cutoff_ms), Counter[int]()
    if found is None:
        return None
    for line in lines:
        delivered[line.campaign_id] += line.report.general.delivered
    unique_reach.agrees(found, delivered)
    return found


def _silent(connection: Connection, directive_id: int, sending: set[str]) -> tuple[str, ...]:
    asked = addressees.of_directive(connection, directive_id)
    return tuple(each.name for each in asked if each.carrier is not None and each.carrier not in sending)


def _letter(row: Row[Any], deadline_ms: int | None) -> DirectiveSummary:
    issued = date.fromisoformat(row.issued_on)
    basis = row.legal_basis
    return DirectiveSummary(row.id, row.number, issued, row.issuer, row.subject, deadline_ms, basis)


def _lines(
    connection: Connection, directive_id: int, cutoff_ms: int, terms: ConsolidationTerms
) -> list[RunLine]:
    r, c = runs.c, campaigns.c
    query = select(r.id, r.carrier, c.id, c.name).join(campaigns, c.id == r.campaign_id)
    asked = query.where(
        r.id.not_in(CALLS), c.directive_id == directive_id, c.created_at <= cutoff_ms
    ).order_by(c.id, r.id)
    asked = asked if terms.rules < 2 else asked.where(counted(cutoff_ms))
    rows = connection.execute(asked).all()
    f = follow_ups.c.campaign_id
    again = set(connection.execute(select(f).where(f.in_([row[2] for row in rows]))).scalars())
    found = []
    for run_id, carrier, campaign_id, name in rows:
        statement = carrier_statement.latest(connection, run_id, cutoff_ms)
        held = run_id in carrier_statement.held_runs(connection, campaign_id)
        report = carrier_report.build(connection, run_id, cutoff_ms, brief=terms.brief)
        version = _version(connection, run_id, cutoff_ms, terms)
        kind = carrier_statement.basis(held, statement)
        of = (run_id, campaign_id, name, carrier)
        follow_up = campaign_id in again
        found.append(RunLine(*of, kind, report, statement, version, terms.rules, follow_up))
    return _judged(connection, found, cutoff_ms)


def _judged(connection: Connection, lines: list[RunLine], cutoff_ms: int) -> list[RunLine]:
    """Return the lines with what test telephones had answered by the cut-off, judged by campaign."""
    by_campaign: dict[int, dict[int, float | None]] = {}
    for line in lines:
        by_campaign.setdefault(line.campaign_id, {})[line.run_id] = _claimed(line)
    judgements = {
        each.run_id: each
        for campaign_id, claims in by_campaign.items()
        for each in panel_judgements.of_claims(connection, campaign_id, claims, cutoff_ms)
    }
    return [replace(line, panel=judgements.get(line.run_id)) for line in lines]


def _claimed(line: RunLine) -> float | None:
    if line.kind is not FigureSource.MEASURED:
        return panel_judgements.stated(line.statement)
    general = line.report.general
    return panel_judgements.claimed(line.report.header.receipt_level, general.delivered, general.sent)


def _version(connection: Connection, run_id: int, cutoff_ms: int, terms: ConsolidationTerms) -> int:
    """Return the last version of the run's report in force at the cut-off; 0 for none.

    A run frozen together with its directive has the same cut-off but is written later.
    """
    t = frozen_reports.c
    by = t.created_at if terms.rules < 2 else t.cutoff_at
    own = [t.kind == "run", t.subject_id == run_id, by <= cutoff_ms]
    if terms.rules >= 2 and terms.known_ms is not None:
        own.append(t.created_at <= terms.known_ms)
    return connection.execute(select(t.version).where(*own).order_by(t.version.desc())).scalar() or 0
