"""Verify: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from loa_client.operation import Call, Operation
from loa_client.values import given

TextVerdict = Literal["genuine", "withdrawn", "incomplete", "altered", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextUse:
    first_day: date
    sender: str
    last_day: date | None
    withdrawn: bool = False


WordChange = Literal["same", "added", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    change: WordChange
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationAnswer:
    verdict: TextVerdict
    uses: list[TextUse]
    parts: list[TextPart]
    advice: str


class VerifyOperations:
    @Operation
    def verify_text(self, *, text: str) -> Call[VerificationAnswer]:
        """Check whether a text is, word for word, one that was sent."""
        return Call(method="POST", path="/v1/verify", answer=VerificationAnswer, json=given(text=text))
