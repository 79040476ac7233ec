"""Comparisons: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.api.stated_figures import StatedCounts
from loa_client.api.verify import FigureSource
from loa_client.operation import Call, Operation, place

NormVerdict = Literal["met", "missed", "unproved", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShare:
    run_id: int
    campaign_id: int
    carrier: str
    kind: FigureSource | None
    level: str | None
    sent: int
    received: int | None
    failed: int | None
    open: int | None
    segments: int | None
    ratio: float | None
    verdict: NormVerdict
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    nth: int
    campaign_id: int
    name: str
    started_at: datetime | None
    shares: list[RunShare]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    norm: str
    norm_ratio: float
    shares: list[RunShare]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    eligible: int = 0
    excluded: int = 0
    waiting: int = 0
    sent: int = 0
    delivered: int = 0
    relayed: int = 0
    failed: int = 0
    no_receipt: int = 0
    unknown: int = 0
    segments: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    measured: Figures | None = None
    stated: StatedCounts | None = None
    manual: StatedCounts | None = None
    handset: Figures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedRow:
    code: str | None
    name: str
    figures: Mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    code: str | None
    name: str
    first: Mixed
    second: Mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class AreasCompared:
    first: int
    second: int
    rows: list[Pair]
    footnotes: list[str]


class ComparisonsOperations:
    @Operation
    def get_rounds(self, campaign_id: int) -> Call[list[Round]]:
        """The campaigns with the same text under the same directive, in order of their start."""
        return Call(method="GET", path=place("/v1/campaigns/{}/rounds", campaign_id), answer=list[Round])

    @Operation
    def compare_carriers(self, campaign_id: int) -> Call[Comparison]:
        """A campaign's carriers against each other and QCVN 82:2014."""
        return Call(method="GET", path=place("/v1/campaigns/{}/carriers", campaign_id), answer=Comparison)

    @Operation
    def get_areas(self, campaign_id: int) -> Call[list[MixedRow]]:
        """A campaign by the areas of its day."""
        return Call(method="GET", path=place("/v1/campaigns/{}/areas", campaign_id), answer=list[MixedRow])

    @Operation
    def compare_areas(self, campaign_id: int, other_id: int) -> Call[AreasCompared]:
        """Two campaigns area by area."""
        return Call(
            method="GET",
            path=place("/v1/campaigns/{}/areas/beside/{}", campaign_id, other_id),
            answer=AreasCompared,
        )
