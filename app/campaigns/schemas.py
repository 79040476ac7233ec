"""Request bodies, with examples; answers are dataclasses of the stage."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from app.api.bodies import (
    CLOCK,
    AnyKeptProse,
    AnyLine,
    Carrier,
    KeptLine,
    KeptProse,
    Line,
    NoMobile,
    StrictBody,
)
from app.campaigns.carrier_audience import Audience, checked
from app.campaigns.directives import DirectiveFields
from app.campaigns.drafts import Draft, TextForm
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.texts import PURPOSES
from app.core import hashing
from app.core.areas import Basis
from app.core.errors import Invalid
from app.core.ids import Number
from app.ledger.unreached import USUAL, Cause, Outcome
from app.sender_names import SENDER

Contact = Annotated[AnyLine, StringConstraints(max_length=300)]
Time = Annotated[str, StringConstraints(pattern=CLOCK)]
Wording = Annotated[str, StringConstraints(max_length=2000)]
CauseText = Annotated[AnyLine, StringConstraints(max_length=120)]
BudgetSegments = Annotated[int, Field(ge=1, le=10_000_000_000)]


class DirectiveBody(StrictBody):
    """An official letter."""

    number: Annotated[Line, Field(max_length=60, examples=["303/CAT-PA05"]), NoMobile]
    issued_on: date = Field(examples=["2024-01-29"])
    issuer: KeptLine = Field(examples=["Công an tỉnh Sơn La"])
    subject: KeptProse = Field(examples=["Phối hợp tuyên truyền phòng, chống lừa đảo trên không gian mạng"])
    report_deadline: AwareDatetime | None = Field(None, examples=["2024-02-24T17:00:00+07:00"])
    addressees: list[KeptLine] = Field(default=[], max_length=200, examples=[["VNPT", "Viettel", "MobiFone"]])
    legal_basis: AnyKeptProse = Field("", examples=["Kế hoạch 12/KH-UBND ngày 10/01/2024"])
    contact: Contact = Field("", description="whom addressees may ask, in reminders")

    def letter(self) -> DirectiveFields:
        return DirectiveFields(**dict(self) | {"addressees": tuple(self.addressees)})


class DeadlineBody(StrictBody):
    """Another report deadline, or none, and why: the letter's history keeps both."""

    report_deadline: AwareDatetime | None = Field(examples=["2024-02-28T17:00:00+07:00"])
    reason: KeptLine = Field(examples=["Put off by letter 311/CAT-PA05 of 2024-02-20"])


class CampaignBody(StrictBody):
    """One text, one sender, one purpose, one window. Give `text_key`, or your own text as `text`."""

    name: KeptLine = Field(examples=["Phòng lừa đảo trước Tết"])
    purpose: str = Field(
        max_length=20,
        description="tuyen_truyen or canh_bao_khan",
        examples=["tuyen_truyen"],
        json_schema_extra={"enum": list(PURPOSES)},  # refused in its own words
    )
    sender: str = Field(
        max_length=100,
        description="the registered sender name",
        examples=["CA SON LA"],
        json_schema_extra={"pattern": f"^{SENDER}$"},
    )
    form: TextForm = Field(
        TextForm.UNACCENTED, description="unaccented text costs less than half the SMS parts"
    )
    text_key: Line | None = Field(None, examples=["gia-danh-cong-an"])
    text: Wording | None = Field(None, examples=[None])
    directive_id: Number | None = Field(None, examples=[1])
    window_start: AwareDatetime | None = Field(None, examples=["2024-02-02T07:00:00+07:00"])
    window_end: AwareDatetime | None = Field(None, examples=["2024-02-09T18:00:00+07:00"])
    day_starts: Time | None = Field(
        None, description="hours of the day in Vietnam; default: those of the settings", examples=["07:00"]
    )
    day_ends: Time | None = Field(None, examples=["21:00"])
    budget_segments: BudgetSegments | None = Field(
        None, description="the maximum number of SMS parts", examples=[700_000]
    )

    def draft(self) -> Draft:
        return Draft(**dict(self))


class FollowUpBody(StrictBody):
    """Which campaigns to follow up, whom, and when. What is left out is that of the newest."""

    campaign_ids: list[Number] = Field(
        min_length=1, max_length=100, description="campaigns that have sent", examples=[[1, 2]]
    )
    outcomes: list[Outcome] = Field(
        default=list(USUAL),
        min_length=1,
        max_length=len(Outcome),
        description="of their messages; without `causes`, those by which sending again can help",
        examples=[["undelivered", "expired", "no_receipt"]],
    )
    causes: list[CauseText] = Field(
        default=[],
        max_length=300,
        description="`outcome:reason` or `outcome:reason:code`, as the list of unreached people has them; "
        "for an outcome with any, only these",
        examples=[[]],
    )
    carriers: list[Carrier] = Field(default=[], max_length=20, description="empty: all", examples=[[]])
    second_copies: int | None = Field(
        None, ge=0, description="confirms how many people may get the text twice", examples=[None]
    )
    areas: list[Line] = Field(
        default=[], max_length=300, description="codes; empty: everywhere", examples=[["116", "125"]]
    )
    name: KeptLine | None = Field(None, examples=["Phòng lừa đảo trước Tết – gửi tiếp"])
    sender: str | None = Field(None, max_length=100, examples=[None])
    form: TextForm | None = Field(None, description="of a fresh text", examples=[None])
    text_key: Line | None = Field(None, description="another text of messages/", examples=[None])
    text: Wording | None = Field(None, description="or your own; neither: the same text", examples=[None])
    window_start: AwareDatetime | None = Field(None, examples=["2024-02-12T07:00:00+07:00"])
    window_end: AwareDatetime | None = Field(None, examples=["2024-02-14T18:00:00+07:00"])
    day_starts: Time | None = Field(None, examples=[None])
    day_ends: Time | None = Field(None, examples=[None])

    def request(self) -> FollowUpRequest:
        whom = ("campaign_ids", "outcomes", "areas", "causes", "carriers", "second_copies")
        changes = {
            name: value for name, value in dict(self).items() if name not in whom and value is not None
        }
        causes = tuple(map(_cause, self.causes))
        is_chosen = "outcomes" in self.model_fields_set or not causes
        return FollowUpRequest(
            tuple(self.campaign_ids),
            tuple(self.outcomes) if is_chosen else (),
            tuple(self.areas),
            changes,
            causes,
            tuple(self.carriers),
            self.second_copies,
        )


def _cause(text: str) -> Cause:
    try:
        return Cause.read(text)
    except ValueError as error:
        raise Invalid(
            "{text} is not a valid cause. Use outcome:reason or outcome:reason:code, for example "
            "rejected:filtered.",
            text=text,
            field="causes",
        ) from error


class RunBody(StrictBody):
    """The campaign's share at one carrier."""

    carrier: Carrier = Field(examples=["viettel"])
    batch_ids: list[Number] = Field(min_length=1, max_length=1000, examples=[[1, 2]])
    acknowledged: bool = Field(
        False, description="needed where a batch seems to be the wrong file", examples=[False]
    )


class HeldRunBody(StrictBody):
    """The campaign's share at a carrier that sends to its own subscribers; no number leaves it."""

    carrier: Carrier = Field(examples=["vnpt"])
    areas: list[Line] = Field(
        default=[], max_length=300, description="codes; empty: the whole province", examples=[["116", "125"]]
    )
    area_basis: Basis = Field(description="how the carrier determines areas", examples=["dia_chi_dang_ky"])
    estimated: int = Field(ge=1, le=200_000_000, description="subscribers, roughly", examples=[350_000])

    def audience(self) -> Audience:
        return checked(tuple(self.areas), self.area_basis, self.estimated)


class ApprovalBody(StrictBody):
    """`digest`, as the campaign shows it, approves exactly what was read; `reason`: why also at night;
    `acknowledged`: what the campaign's `advice` says is wrong with the text is known, and right."""

    digest: str = Field(
        pattern=hashing.PATTERN, examples=["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"]
    )
    reason: AnyKeptProse | None = Field(
        None, description="required if the sending hours extend into the night", examples=[None]
    )
    acknowledged: bool = Field(
        False, description="required if `advice` has an error, such as a link", examples=[False]
    )


class BudgetBody(StrictBody):
    """The budget that is asked for, in place of the one of now."""

    budget_segments: BudgetSegments = Field(description="the maximum number of SMS parts", examples=[800_000])
    reason: KeptProse = Field(examples=["Two districts were added to the list."])


class ReasonBody(StrictBody):
    """The reason for a decision."""

    reason: KeptProse = Field(examples=["Sai tên định danh."])


class WordingBody(StrictBody):
    """A text to preview."""

    text: Wording = Field(
        examples=["Công an không làm việc qua điện thoại. KHÔNG chuyển tiền, KHÔNG đọc OTP."]
    )
    subscribers: int = Field(0, ge=0, le=200_000_000, examples=[650_000])
