"""Sender names: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from loa_client.api.directives import FindingKind
from loa_client.api.verify import TextPart
from loa_client.operation import Call, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRefusal:
    carrier: str
    name: str | None
    run_id: int | None
    link: str | None
    messages: int
    code: str | None
    reason: str | None
    at: datetime


NameState = Literal["asked", "registered", "refused", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderName:
    id: int
    carrier: str
    name: str
    state: NameState
    purpose: str | None
    template: str | None
    template_code: str | None
    certificate: str | None
    asked_on: date | None
    valid_from: date | None
    valid_to: date | None
    contact: str | None
    remarks: str | None
    paper: str | None


NamePurpose = Literal["tuyen_truyen", "canh_bao_khan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    added: int
    replaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    carrier: str
    lead_days: int
    needs_template: bool
    forbidden_words: list[str]
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    carrier: str
    kind: FindingKind
    refused: bool
    sentence: str
    entry: int | None = None
    differences: list[TextPart] = field(default_factory=list)
    override: str | None = None
    overridden_by: str | None = None


class SenderNamesOperations:
    @Operation
    def list_register_refusals(self) -> Call[list[RegisterRefusal]]:
        """List what carriers refused in the last 90 days for the sender's name or the text, newest
        first."""
        return Call(method="GET", path="/v1/sender-names/refusals", answer=list[RegisterRefusal])

    @Operation
    def list_sender_names(self, *, carrier: str | None = None) -> Call[list[SenderName]]:
        """List registered sender names and templates."""
        return Call(
            method="GET", path="/v1/sender-names", answer=list[SenderName], query=given(carrier=carrier)
        )

    @Operation
    def add_sender_name(
        self,
        *,
        carrier: str,
        name: str,
        state: NameState | None = None,
        purpose: NamePurpose | None = None,
        template: str | None = None,
        template_code: str | None = None,
        certificate: str | None = None,
        asked_on: date | None = None,
        valid_from: date | None = None,
        valid_to: date | None = None,
        contact: str | None = None,
        remarks: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[SenderName]:
        """Add a sender name or template that has been requested or registered at a carrier."""
        return Call(
            method="POST",
            path="/v1/sender-names",
            answer=SenderName,
            json=given(
                carrier=carrier,
                name=name,
                state=state,
                purpose=purpose,
                template=template,
                template_code=template_code,
                certificate=certificate,
                asked_on=asked_on,
                valid_from=valid_from,
                valid_to=valid_to,
                contact=contact,
                remarks=remarks,
            ),
            key=idempotency_key or new_key(),
        )

    @Operation
    def import_sender_names(self, *, table: str, idempotency_key: str | None = None) -> Call[Imported]:
        """Import a table."""
        return Call(
            method="POST",
            path="/v1/sender-names/import",
            answer=Imported,
            json=given(table=table),
            key=idempotency_key or new_key(),
        )

    @Operation
    def change_sender_name(
        self,
        sender_name_id: int,
        *,
        carrier: str,
        name: str,
        state: NameState | None = None,
        purpose: NamePurpose | None = None,
        template: str | None = None,
        template_code: str | None = None,
        certificate: str | None = None,
        asked_on: date | None = None,
        valid_from: date | None = None,
        valid_to: date | None = None,
        contact: str | None = None,
        remarks: str | None = None,
    ) -> Call[SenderName]:
        """Replace an entry of a sender name or template."""
        return Call(
            method="PUT",
            path=place("/v1/sender-names/{}", sender_name_id),
            answer=SenderName,
            json=given(
                carrier=carrier,
                name=name,
                state=state,
                purpose=purpose,
                template=template,
                template_code=template_code,
                certificate=certificate,
                asked_on=asked_on,
                valid_from=valid_from,
                valid_to=valid_to,
                contact=contact,
                remarks=remarks,
            ),
        )

    @Operation
    def remove_sender_name(self, sender_name_id: int) -> Call[None]:
        """Remove an entry from the register."""
        return Call(method="DELETE", path=place("/v1/sender-names/{}", sender_name_id), answer=None)

    @Operation
    def set_sender_name_paper(self, sender_name_id: int, *, attachment: str) -> Call[SenderName]:
        """File an uploaded scan as the paper behind a registration."""
        return Call(
            method="PUT",
            path=place("/v1/sender-names/{}/paper", sender_name_id),
            answer=SenderName,
            json=given(attachment=attachment),
        )

    @Operation
    def list_registration_rules(self) -> Call[list[Rules]]:
        """List each carrier's rules."""
        return Call(method="GET", path="/v1/registration-rules", answer=list[Rules])

    @Operation
    def set_registration_rules(
        self,
        carrier: str,
        *,
        lead_days: int,
        needs_template: bool | None = None,
        forbidden_words: list[str] | None = None,
    ) -> Call[Rules]:
        """Set how long a carrier takes to register names, whether it needs templates, and its forbidden
        words."""
        return Call(
            method="PUT",
            path=place("/v1/registration-rules/{}", carrier),
            answer=Rules,
            json=given(lead_days=lead_days, needs_template=needs_template, forbidden_words=forbidden_words),
        )

    @Operation
    def list_register_findings(self, campaign_id: int) -> Call[list[Finding]]:
        """Check a campaign against the register."""
        return Call(
            method="GET", path=place("/v1/campaigns/{}/register-findings", campaign_id), answer=list[Finding]
        )

    @Operation
    def override_register(
        self,
        campaign_id: int,
        *,
        reason: str,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[None]:
        """Override, with a reason, the register's current objections to a campaign."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/register-override", campaign_id),
            answer=None,
            json=given(reason=reason),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )
