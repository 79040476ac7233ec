"""What citizens may write back: the table [replies] of loa.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

ReplyWord = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=40)]


class ReplySettings(BaseModel):
    """Words that a message to us may consist of; case, diacritics, blanks and punctuation do not count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Whoever writes one of these alone gets no more messages through the carrier that brought it.
    opt_out: tuple[ReplyWord, ...] = (
        *("TU CHOI", "TC", "STOP", "UNSUBSCRIBE", "HUY NHAN TIN", "DUNG NHAN TIN", "NGUNG NHAN TIN"),
        *("TU CHOI NHAN TIN", "KHONG NHAN TIN", "DUNG GUI", "NGUNG GUI", "KHONG NHAN"),
    )
