"""Texts: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loa_client.operation import Call, Operation, place
from loa_client.values import given

Encoding = Literal["gsm7", "ucs2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    wording: str
    encoding: Encoding
    units: int
    segments: int
    parts: list[str]
    total_segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextView:
    key: str
    title: str
    purpose: str
    accented: Preview
    unaccented: Preview


Advice = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    accented: Preview
    unaccented: Preview
    advice: list[Advice]


class TextsOperations:
    @Operation
    def list_texts(self) -> Call[list[TextView]]:
        """List the texts of messages/, both forms with their SMS parts."""
        return Call(method="GET", path="/v1/texts", answer=list[TextView])

    @Operation
    def get_text(self, key: str) -> Call[TextView]:
        """Get one text from messages/."""
        return Call(method="GET", path=place("/v1/texts/{}", key), answer=TextView)

    @Operation
    def preview_text(self, *, text: str, subscribers: int | None = None) -> Call[Previews]:
        """Show what a text of your own costs in both forms, with advice."""
        return Call(
            method="POST",
            path="/v1/texts/preview",
            answer=Previews,
            json=given(text=text, subscribers=subscribers),
        )
