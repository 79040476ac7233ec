"""Request bodies of frozen and issued reports; the command line fills them too."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.api.bodies import PROSE, AnyLine, NoMobile
from app.core.ids import Number
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.papers.final_paper import REMARK_KEYS, REMARK_LENGTH, SIGNER_LENGTH, Issue

Remark = Annotated[str, StringConstraints(max_length=REMARK_LENGTH, pattern=PROSE), NoMobile]


class FreezeBody(BaseModel):
    """What to freeze: a run's report or a directive's, as of `cut_off_at` (default: now)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"run_id": 1}]})

    run_id: Number | None = None
    directive_id: Number | None = None
    cut_off_at: AwareDatetime | None = Field(None, examples=["2024-02-09T17:00:00+07:00"])

    @model_validator(mode="after")
    def _one_subject(self) -> FreezeBody:
        if (self.run_id is None) == (self.directive_id is None):
            raise ValueError("Provide either run_id or directive_id, but not both.")
        return self

    @property
    def subject(self) -> ReportSubject:
        if self.run_id is not None:
            return ReportSubject(SubjectKind.RUN, self.run_id)
        return ReportSubject(SubjectKind.DIRECTIVE, self.directive_id or 0)


class IssueBody(BaseModel):
    """What stands on the signed paper, and what only people can say, by its place in the report."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"number": "125", "dated_on": "2024-02-09", "signer": "Đại tá Nguyễn Văn A"}]
        },
    )

    number: Annotated[AnyLine, Field(max_length=30, description="before the slash of its symbol"), NoMobile]
    dated_on: date
    signer: Annotated[AnyLine, Field(max_length=SIGNER_LENGTH, description="rank and name"), NoMobile]
    difficulties: Remark = ""
    proposals: Remark = ""
    strengths: Remark = ""
    shortcomings: Remark = ""
    compare_with: Annotated[
        Number | None, Field(description="a frozen report of an earlier directive: an annex compares the two")
    ] = None

    def issue(self) -> Issue:
        remarks = {key: said for key in REMARK_KEYS if (said := getattr(self, key).strip())}
        return Issue(self.number, self.dated_on, self.signer, remarks, self.compare_with)
