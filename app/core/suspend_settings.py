"""When a run pauses itself: the table [suspend] of loa.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SuspendSettings(BaseModel):
    """Shares, in percent, that pause a run when so many of its messages fail, are refused or are unknown.

    A quarter of the share is taken as usual. 0 turns a check off. docs/operations.md says how it is judged.
    """

    model_config = ConfigDict(extra="forbid")

    # Refused by the carrier, or reported as undelivered or expired.
    failed_percent: float = Field(default=20.0, ge=0, le=90)
    refused_percent: float = Field(default=20.0, ge=0, le=90)  # refused by the carrier at once
    unknown_percent: float = Field(default=20.0, ge=0, le=90)  # without an answer
    # Messages of a run at its beginning that are judged more strictly.
    first_messages: int = Field(default=500, ge=0, le=100_000)
    # Messages of one carrier on one day, against accidents; then its runs pause. 0: as many as there are.
    daily_messages: int = Field(default=2_000_000, ge=0, le=1_000_000_000)
