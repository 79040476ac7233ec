"""What citizens may write back: the table [replies] of loa.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ReplyWord = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=40)]


class ReplySettings(BaseModel):
    """Words that a message to us may consist of; case, diacritics, blanks and punctuation do not count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Whoever writes one of these alone gets no more messages through the carrier that brought it.
    opt_out: tuple[ReplyWord, ...] = (
        *("TU CHOI", "TC", "STOP", "UNSUBSCRIBE", "HUY NHAN TIN", "DUNG NHAN TIN", "NGUNG NHAN TIN"),
        *("TU CHOI NHAN TIN", "KHONG NHAN TIN", "DUNG GUI", "NGUNG GUI", "KHONG NHAN"),
    )
    # Whoever writes one of these and after it the text of an SMS asks whether that text is genuine.
    check: tuple[ReplyWord, ...] = ("KT", "KIEM TRA")
    answers_per_day: int = Field(3, ge=1, le=20)  # that one number gets at the most, of all kinds
    answer_within_hours: int = Field(24, ge=1, le=72)  # an older message gets no answer any more
    answer_segments_per_second: int = Field(5, ge=1, le=1000)  # of each run of answers, at the most
