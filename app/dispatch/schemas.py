"""Request bodies of decisions on deliveries; the command line fills them too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.bodies import AnyLine, NoMobile, Prose, StrictBody
from app.core.ids import Number, Position


class UnknownSelection(BaseModel):
    """The unknown deliveries to decide on: [batch, line] pairs, or `all`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"lines": [[3, 1042]]}]})

    lines: list[tuple[Number, Position]] = Field(default_factory=list, max_length=10_000)
    all: bool = False


class Decided(BaseModel):
    """How many deliveries the decision changed, without those that were settled meanwhile."""

    deliveries: int


class NumberBody(StrictBody):
    """A telephone number in any usual spelling; in the body, so that no log of addresses has it."""

    phone: Annotated[str, Field(max_length=40, examples=["0912 345 678"])]


class RejectedBody(BaseModel):
    """Which refused messages to send again: one reason and code of the run's, and what is mended."""

    model_config = ConfigDict(extra="forbid")

    reason: Literal[
        "other",
        "system",
        "expired",
        "handset",
        "barred",
        "other_network",
        "no_such_number",
        "filtered",
        "wrong_request",
    ] = Field(examples=["filtered"])
    code: Annotated[AnyLine, StringConstraints(max_length=80)] | None = Field(
        default=None, description="Where the reason has several codes."
    )
    because: Annotated[Prose, StringConstraints(max_length=500), NoMobile] = Field(
        examples=["The sender was not registered; it is since today."]
    )
