"""A campaign's areas against the norm of received messages, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.ledger.contract import TallyCount
from app.reports.build import comparison
from app.reports.build.comparison import NormVerdict
from app.reports.figures.by_area import MixedRow
from app.reports.figures.figures import Figures
from app.web.translations import say
from app.web.view_models.traffic_light import MISSED, Judged, Light
from carriers.contract import ReceiptLevel

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
