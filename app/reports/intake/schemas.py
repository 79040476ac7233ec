"""Request bodies of statements, also read from JSON files by the command line."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from app.api.bodies import AnyLine, AnyProse, Carrier, KeptLine, NoMobile, StrictBody
from app.core import clock
from app.reports.figures import by_area
from app.reports.figures.addressees import AddresseeKind, OutreachChannel, OutreachItem
from app.reports.figures.carrier_statement import (
    AreaCounts,
    CauseCounts,
    DayCounts,
    FigureSource,
    StatedCounts,
    StatedFigures,
)
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.figures import Cause
from app.reports.intake import external_activity
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.statement_input import EXCLUDED, REASONS, PaperClaim, StatementInput
from carriers.contract import ReceiptLevel

N = Annotated[int, Field(ge=0, le=2_000_000_000)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
Words = AnyProse
Email = Annotated[str, StringConstraints(pattern=external_activity.EMAIL, max_length=254)]
Code = Annotated[str, StringConstraints(pattern=r"^\d{3}(\d{2})?$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class PaperBody(StrictBody):
    """Metadata of the document behind a report."""

    number: Annotated[AnyLine, StringConstraints(max_length=60), NoMobile] | None = Field(
        None, examples=["125/BC-VNPT-SLA"]
    )
    dated_on: date | None = Field(None, examples=["2024-02-22"])
    received_at: AwareDatetime | None = Field(None, description="when it arrived; default: now")
    note: Words | None = Field(None, description="complaints, incidents, difficulties; no phone numbers")
    reason: Words | None = Field(None, description="why this corrects the version before")
    attachment: Sha256 | None = Field(None, description="of a file sent to /v1/attachments")

    def paper(self, source: EntrySource) -> PaperClaim:
        return PaperClaim(
            source=source,
            number=self.number or None,
            dated_on=None if self.dated_on is None else self.dated_on.isoformat(),
            received_ms=ms(self.received_at),
            note=self.note or None,
            reason=self.reason or None,
            attachment=self.attachment,
        )


def ms(at: datetime | None) -> int | None:
    return None if at is None else clock.to_ms(at)


class CountsBody(StrictBody):
    """(1) eligible, (3) sent, and by receipts (4) received, (5) failed, (6) no_receipt.

    excluded (2) and no_receipt are computed if left out.
    """

    eligible: N = Field(examples=[350_000])
    excluded: N | None = Field(None, examples=[4_000])
    sent: N = Field(examples=[346_000])
    received: N | None = Field(None, examples=[318_000])
    failed: N | None = Field(None, examples=[20_000])
    no_receipt: N | None = Field(None, examples=[8_000])

    def counts(self) -> StatedCounts:
        excluded = self.eligible - self.sent if self.excluded is None else self.excluded
        rest = self.no_receipt
        if rest is None and self.received is not None and self.failed is not None:
            rest = self.sent - self.received - self.failed
        return StatedCounts(self.eligible, excluded, self.sent, self.received, self.failed, rest)


class GeneralBody(CountsBody):
    """Form 1. segments: (8) SMS parts; resent: (9); causes: (2) by repeated, wrong_number, barred ..."""

    segments: N | None = Field(None, examples=[692_000])
    resent: N | None = Field(None, examples=[0])
    causes: dict[Key, N] = Field(default={}, max_length=10, examples=[{"repeated": 1_500, "barred": 2_500}])


class AreaBody(CountsBody):
    """One row of form 2; code null: unknown area."""

    code: Code | None = Field(examples=["116"])
    note: Words = ""


class DayBody(StrictBody):
    """One row of form 3."""

    day: date = Field(examples=["2024-02-05"])
    hours: Annotated[str, StringConstraints(max_length=11)] = Field("", examples=["08:00-17:00"])
    batches: N | None = None
    sent: N = Field(examples=[346_000])
    received: N | None = None


class CauseBody(StrictBody):
    """One row of form 4."""

    key: Key = Field(examples=["expired"])
    n: N = Field(examples=[15_000])
    remedy: Words = ""


class StatementBody(PaperBody):
    """A run's figures as stated by its carrier, or as entered from its document."""

    kind: Literal["stated", "manual"] = Field("stated", description="manual needs the scan as attachment")
    level: Literal["none", "operator", "handset"] = Field(description="what received proves")
    began_at: AwareDatetime | None = Field(None, examples=["2024-02-05T08:00:00+07:00"])
    ended_at: AwareDatetime | None = Field(None, examples=["2024-02-07T17:30:00+07:00"])
    cutoff_at: AwareDatetime = Field(examples=["2024-02-21T17:00:00+07:00"])
    general: GeneralBody
    areas: list[AreaBody] = Field(default=[], max_length=400)
    days: list[DayBody] = Field(default=[], max_length=400)
    reasons: list[CauseBody] = Field(default=[], max_length=20)
    version: N | None = Field(
        None, description="that this one corrects, 0 for none; refused if it is no longer the newest"
    )

    def claim(self, source: EntrySource) -> StatementInput:
        return StatementInput(
            kind=FigureSource(self.kind),
            level=ReceiptLevel[self.level.upper()],
            figures=self._figures(),
            cutoff_ms=clock.to_ms(self.cutoff_at),
            paper=self.paper(source),
            began_ms=ms(self.began_at),
            ended_ms=ms(self.ended_at),
            corrects=self.version,
        )

    def _figures(self) -> StatedFigures:
        on = clock.local(self.began_at or self.cutoff_at).date()
        return StatedFigures(
            general=self.general.counts(),
            segments=self.general.segments,
            resent=self.general.resent,
            excluded=tuple(Cause(key, EXCLUDED.get(key, key), n) for key, n in self.general.causes.items()),
            areas=tuple(
                AreaCounts(row.code, by_area.label(row.code, on), row.counts(), row.note)
                for row in self.areas
            ),
            days=tuple(
                DayCounts(row.day.isoformat(), row.hours, row.batches, row.sent, row.received)
                for row in self.days
            ),
            reasons=tuple(
                CauseCounts(row.key, REASONS.get(row.key, row.key), row.n, row.remedy) for row in self.reasons
            ),
        )


class AddresseeBody(StrictBody):
    """What the directive's list of names leaves open."""

    name: KeptLine = Field(description="as in the letter; a new name is added", examples=["Sở Tư pháp"])
    kind: AddresseeKind = Field(examples=["department"])
    carrier: Carrier | None = None
    email: Annotated[Email, NoMobile] | None = Field(None, description="where it is reminded")


class ItemBody(StrictBody):
    """What was done through one channel."""

    channel: OutreachChannel = Field(examples=["loudspeaker"])
    pieces: N = Field(description="items, broadcasts, meetings", examples=[12])
    reach: N | None = Field(None, description="people or views", examples=[3500])
    minutes: N | None = None
    languages: Words = Field("", examples=["phổ thông, Thái"])
    url: Words = ""
    note: Words = ""


class OutreachBody(PaperBody):
    """An addressee's own report."""

    addressee: KeptLine = Field(examples=["Sở Tư pháp"])
    items: list[ItemBody] = Field(min_length=1, max_length=200)

    def claim(self, source: EntrySource) -> OutreachClaim:
        items = tuple(OutreachItem(**item.model_dump()) for item in self.items)
        return OutreachClaim(self.addressee, items, self.paper(source))
