"""A campaign's page: texts, decisions, runs, areas, reasons, deliveries over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from app.campaigns import optimistic_lock, queries, text_cost
from app.campaigns.queries import Dossier
from app.campaigns.text_cost import Preview
from app.core import clock
from app.core.states import FAILED
from app.database.models import directives, tallies
from app.ledger import erasure
from app.ledger.contract import TallyCount
from app.reports.build import comparison, latency_sample
from app.reports.build.comparison import NormVerdict
from app.reports.build.latency_sample import Latency, LatencySample
from app.reports.figures import tally
from app.reports.figures.by_area import MixedRow
from app.reports.figures.figures import Figures
from app.security.principal import Caller
from app.web.translations import say
from app.web.view_models import run_page, run_status, svg_charts
from app.web.view_models.estimate import Hint, hints
from app.web.view_models.run_page import ReasonCount
from app.web.view_models.run_status import RunView
from app.web.view_models.svg_charts import SvgChart
from app.web.view_models.traffic_light import MISSED, Judged, Light
from carriers import text as sms
from carriers.contract import ReceiptLevel

_STEPS = 40


@dataclass(frozen=True, slots=True)
class CampaignText:
    """One language's text: as sent, its other form, and hints."""

    language: str
    sent: Preview
    other: Preview | None
    hints: list[Hint]


@dataclass(frozen=True, slots=True)
class Waited:
    carrier: str
    latency: Latency


@dataclass(frozen=True, slots=True)
class Curve:
    """Received messages per carrier over time; points: the same values as rows of a table."""

    chart: SvgChart
    begin: datetime
    end: datetime
    top: float
    points: list[tuple[datetime, dict[str, float]]]
    whole: bool


@dataclass(frozen=True, slots=True)
class CampaignPageView:
    """Everything this caller may see of a campaign."""

    dossier: Dossier
    letter: str | None
    words: list[CampaignText]
    runs: list[RunView]
    areas: list[AreaView] = field(default_factory=list)
    failed: list[ReasonCount] = field(default_factory=list)
    waits: list[Waited] = field(default_factory=list)
    curve: Curve | None = None
    totals_erased: bool = False


def read_campaign(connection: Connection, campaign_id: int, who: Caller) -> CampaignPageView:
    dossier = queries.dossier(connection, campaign_id, who.carrier)
    row = optimistic_lock.campaign(connection, campaign_id)
    views = run_status.views(connection, [row], dossier.runs)
    letter = select(directives.c.number).where(directives.c.id == row.directive_id)
    words = [_wording(language, text) for language, text in sorted(row.texts.items())]
    base = CampaignPageView(dossier, connection.scalar(letter), words, views, totals_erased=_gone(dossier))
    if base.totals_erased or not any(run.figures.sent for run in views):
        return base
    ids = [run.id for run in views]
    counts = tally.sums(connection, tallies.c.campaign_id == campaign_id, tallies.c.run_id.in_(ids))
    samples = _samples(connection, campaign_id, views)
    return CampaignPageView(
        dossier=dossier,
        letter=base.letter,
        words=words,
        runs=views,
        areas=by_area(connection, campaign_id, who.carrier, counts),
        failed=run_page.whys((c.reason, c.n) for c in counts if c.state in FAILED),
        waits=_waits(samples),
        curve=_curve(views, samples),
    )


def _gone(dossier: Dossier) -> bool:
    return any(run.totals_erased for run in dossier.runs)


def _wording(language: str, text: str) -> CampaignText:
    sent, plain = text_cost.preview(text), text_cost.preview(sms.unaccent(text))
    return CampaignText(language, sent, None if plain.wording == sent.wording else plain, hints(text))


# Time


def _samples(connection: Connection, campaign_id: int, views: Iterable[RunView]) -> dict[str, LatencySample]:
    """Sample each carrier's messages; nothing once the rows are erased."""
    if erasure.of_campaign(connection, campaign_id) is not None:
        return {}
    own = [run for run in views if not run.held and run.figures.sent]
    return {run.carrier: latency_sample.sample(connection, run.id) for run in own}


def _waits(samples: Mapping[str, LatencySample]) -> list[Waited]:
    found = ((carrier, latency_sample.latency(each)) for carrier, each in samples.items())
    return [Waited(carrier, latency) for carrier, latency in found if latency is not None]


def _curve(views: Sequence[RunView], samples: Mapping[str, LatencySample]) -> Curve | None:
    """Scale the sampled times to the tallies' totals, one line per carrier."""
    samples = {carrier: each for carrier, each in samples.items() if _ends(each)}
    done = {carrier: _ends(each) for carrier, each in samples.items()}
    every = [at for each in done.values() for at in each]
    begins = [sent for each in samples.values() for sent, _ in each.times]
    if not every or max(every) <= min(begins):
        return None
    first, last = min(begins), max(every)
    ends = [first + (last - first) * n // _STEPS for n in range(_STEPS + 1)]
    totals = {run.carrier: run.figures.delivered + run.figures.relayed for run in views}
    lines = {carrier: latency_sample.curve(done[carrier], ends, totals[carrier]) for carrier in samples}
    chart = svg_charts.course(lines)
    points = [
        (clock.from_ms(end), {carrier: line[n] for carrier, line in lines.items()})
        for n, end in enumerate(ends)
        if n % 4 == 0
    ]
    whole = all(each.whole for each in samples.values())
    return Curve(chart, clock.from_ms(first), clock.from_ms(last), chart.ticks[-1][1], points, whole)


def _ends(of: LatencySample) -> list[int]:
    return [done for _, done in of.times if done is not None]


OPEN = Judged(Light.OFF, say("receipts are still to come"))
ABOVE = Judged(Light.GOOD, say("at or above the norm of 92 %"))
NO_PROOF = Judged(Light.WAIT, say("receipts do not reach the telephone"))
_JUDGED = {
    NormVerdict.MET: ABOVE,
    NormVerdict.MISSED: MISSED,
    NormVerdict.UNPROVED: NO_PROOF,
    NormVerdict.OPEN: OPEN,
}


@dataclass(frozen=True, slots=True)
class AreaView:
    """One area; figures: measured; stated: (sent, received) by carriers, never added to it.

    ratio: over messages of links with handset receipts; part: their number, where others were sent as well.
    """

    code: str | None
    name: str
    figures: Figures | None
    stated: tuple[int, int | None] | None
    ratio: float | None
    judged: Judged
    part: int | None = None


def by_area(
    connection: Connection, campaign_id: int, carrier: str | None, counts: Sequence[TallyCount] | None = None
) -> list[AreaView]:
    """Return the areas, the smallest share first; those without one last.

    counts: of the runs that this carrier may see, for a caller that has read them.
    """
    found = [_area(each) for each in comparison.areas_of(connection, campaign_id, carrier, counts)]
    return sorted(found, key=lambda each: (each.ratio is None, each.ratio or 0.0))


def _area(of: MixedRow) -> AreaView:
    said = [each for each in (of.figures.stated, of.figures.manual) if each is not None]
    stated = (said[0].sent, said[0].received) if said else None
    measured = of.figures.measured
    if measured is None:
        ratio = said[0].received_ratio if said else None
        return AreaView(of.code, of.name, None, stated, ratio, OPEN)
    proved = of.figures.handset
    if proved is None or not proved.sent:  # without handset receipts there is no received share
        return AreaView(of.code, of.name, measured, stated, None, _JUDGED[_unproved(measured)])
    waiting = proved.no_receipt + proved.unknown + proved.relayed
    judged = _JUDGED[comparison.judge(ReceiptLevel.HANDSET, proved.sent, proved.delivered, waiting)]
    part = None if proved.sent == measured.sent else proved.sent
    return AreaView(of.code, of.name, measured, stated, proved.delivered / proved.sent, judged, part)


def _unproved(measured: Figures) -> comparison.NormVerdict:
    return comparison.judge(ReceiptLevel.OPERATOR, measured.sent, measured.relayed, 0)
