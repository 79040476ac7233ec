"""Telephone panel: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from loa_client.operation import Call, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelTelephone:
    id: int
    phone: str
    carrier: str
    area: str
    consent_on: date
    added_at: datetime
    added_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTelephones:
    added: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySecret:
    telephone_id: int
    path: str
    key: str


Answer = Literal["received", "not_received", "off"]

AnswerWay = Literal["link", "sms", "gateway"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelMember:
    telephone_id: int
    phone: str
    carrier: str
    area: str
    answer: Answer | None
    way: AnswerWay | None
    at: datetime | None
    asked_at: datetime | None
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelAsked:
    asked: int
    before: int


Verdict = Literal["refuted", "not_refuted", "no_claim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    run_id: int
    carrier: str
    verdict: Verdict
    sentence: str
    received: int
    not_received: int
    off: int
    silent: int
    claimed: float | None = None
    limit: float | None = None
    p_value: float | None = None


class TelephonePanelOperations:
    @Operation
    def list_panel_telephones(self, *, carrier: str | None = None) -> Call[list[PanelTelephone]]:
        """List the test telephones, numbers masked."""
        return Call(
            method="GET",
            path="/v1/panel-telephones",
            answer=list[PanelTelephone],
            query=given(carrier=carrier),
        )

    @Operation
    def add_panel_telephone(
        self, *, phone: str, carrier: str, area: str, consent_on: date
    ) -> Call[PanelTelephone]:
        """Add a telephone to the panel."""
        return Call(
            method="POST",
            path="/v1/panel-telephones",
            answer=PanelTelephone,
            json=given(phone=phone, carrier=carrier, area=area, consent_on=consent_on),
        )

    @Operation
    def import_panel_telephones(self, *, table: str) -> Call[ImportedTelephones]:
        """Import a table of telephones."""
        return Call(
            method="POST",
            path="/v1/panel-telephones/import",
            answer=ImportedTelephones,
            json=given(table=table),
        )

    @Operation
    def remove_panel_telephone(self, telephone_id: int) -> Call[None]:
        """Remove a telephone and its number, for example when its holder withdraws consent."""
        return Call(method="DELETE", path=place("/v1/panel-telephones/{}", telephone_id), answer=None)

    @Operation
    def read_panel_gateway(self, telephone_id: int) -> Call[GatewaySecret]:
        """Get the settings with which an SMS gateway app on the telephone reports received texts."""
        return Call(
            method="POST", path=place("/v1/panel-telephones/{}/gateway", telephone_id), answer=GatewaySecret
        )

    @Operation
    def list_run_panel(self, run_id: int) -> Call[list[PanelMember]]:
        """List the test telephones that take part in a run, with their answers."""
        return Call(method="GET", path=place("/v1/runs/{}/panel", run_id), answer=list[PanelMember])

    @Operation
    def ask_run_panel(
        self, run_id: int, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[PanelAsked]:
        """Record that holders who are silent a day after the end are being asked, once."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/panel/ask", run_id),
            answer=PanelAsked,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def list_panel_judgements(self, campaign_id: int) -> Call[list[Judgement]]:
        """Test the carriers' delivery claims against the test telephones."""
        return Call(
            method="GET", path=place("/v1/campaigns/{}/panel-judgements", campaign_id), answer=list[Judgement]
        )
