"""Signatures: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.operation import Call, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    kid: str
    carrier: str | None
    state: str
    fingerprint: str | None
    registered_by: str
    registered_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    ends_at: datetime | None
    revoked_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwk:
    kty: str
    crv: str
    x: str
    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    keys: list[Jwk]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    number: str
    kind: str
    sha256: str
    kid: str
    issued_at: datetime
    issued_by: str
    replaces: str | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSignature:
    protected: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDocument:
    payload: str
    signatures: list[DocumentSignature]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedResult:
    version: int
    statement: int
    order: str
    final: bool
    sha256: str
    kid: str
    taken_at: datetime
    taken_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureBody:
    protected: str
    signature: str


OrderState = Literal["in_force", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedOrder:
    number: str
    kind: str
    state: OrderState
    campaign_id: int | None
    run_id: int | None
    run_state: str | None
    sha256: str
    problem: str | None = None


class SignaturesOperations:
    @Operation
    def list_signing_keys(self) -> Call[list[SigningKey]]:
        """List the keys that sign orders and results."""
        return Call(method="GET", path="/v1/signing-keys", answer=list[SigningKey])

    @Operation
    def register_signing_key(
        self,
        *,
        key: str,
        carrier: str | None = None,
        replaces: str | None = None,
        overlap_days: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[SigningKey]:
        """Register a public key."""
        return Call(
            method="POST",
            path="/v1/signing-keys",
            answer=SigningKey,
            json=given(key=key, carrier=carrier, replaces=replaces, overlap_days=overlap_days),
            key=idempotency_key or new_key(),
        )

    @Operation
    def publish_signing_keys(self) -> Call[KeySet]:
        """Publish the valid public keys as a JWK Set."""
        return Call(method="GET", path="/v1/signing-keys/published", answer=KeySet)

    @Operation
    def approve_signing_key(
        self, kid: str, *, fingerprint: str, idempotency_key: str | None = None
    ) -> Call[SigningKey]:
        """Approve a key that somebody else has registered, by the fingerprint that its holder reads out."""
        return Call(
            method="POST",
            path=place("/v1/signing-keys/{}/approve", kid),
            answer=SigningKey,
            json=given(fingerprint=fingerprint),
            key=idempotency_key or new_key(),
        )

    @Operation
    def revoke_signing_key(
        self, kid: str, *, reason: str, idempotency_key: str | None = None
    ) -> Call[SigningKey]:
        """Revoke a key at once and for good, for example because its private part was lost or exposed."""
        return Call(
            method="POST",
            path=place("/v1/signing-keys/{}/revoke", kid),
            answer=SigningKey,
            json=given(reason=reason),
            key=idempotency_key or new_key(),
        )

    @Operation
    def end_signing_key(
        self, kid: str, *, at: datetime, idempotency_key: str | None = None
    ) -> Call[SigningKey]:
        """Set the time at which a key expires, such as the end of its holder's contract."""
        return Call(
            method="POST",
            path=place("/v1/signing-keys/{}/end", kid),
            answer=SigningKey,
            json=given(at=at),
            key=idempotency_key or new_key(),
        )

    @Operation
    def list_orders(self, run_id: int) -> Call[list[SignedOrder]]:
        """List the documents signed for a run's carrier, oldest first."""
        return Call(method="GET", path=place("/v1/runs/{}/orders", run_id), answer=list[SignedOrder])

    @Operation
    def issue_order(
        self,
        run_id: int,
        *,
        reason: str | None = None,
        repeat: bool | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[SignedOrder]:
        """Sign the approved order of a run whose carrier sends itself."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/orders", run_id),
            answer=SignedOrder,
            json=given(reason=reason, repeat=repeat),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def get_signed_order(self, run_id: int) -> Call[SignedDocument]:
        """Get the latest signed document of a run."""
        return Call(method="GET", path=place("/v1/runs/{}/orders/signed", run_id), answer=SignedDocument)

    @Operation
    def get_order_chain(self, run_id: int) -> Call[list[SignedDocument]]:
        """Get all signed documents of a run's order, the newest first."""
        return Call(method="GET", path=place("/v1/runs/{}/orders/chain", run_id), answer=list[SignedDocument])

    @Operation
    def withdraw_order(
        self, run_id: int, *, reason: str, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[SignedOrder]:
        """Sign the withdrawal of a run's order, so that the carrier stops."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/orders/withdraw", run_id),
            answer=SignedOrder,
            json=given(reason=reason),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def list_results(self, run_id: int) -> Call[list[SignedResult]]:
        """List the accepted signed results of a run, oldest first."""
        return Call(method="GET", path=place("/v1/runs/{}/results", run_id), answer=list[SignedResult])

    @Operation
    def take_result(
        self,
        run_id: int,
        *,
        payload: str,
        signatures: list[SignatureBody],
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[SignedResult]:
        """Take a result that its carrier has signed."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/results", run_id),
            answer=SignedResult,
            json=given(payload=payload, signatures=signatures),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def list_received_orders(self) -> Call[list[ReceivedOrder]]:
        """At a carrier."""
        return Call(method="GET", path="/v1/received-orders", answer=list[ReceivedOrder])

    @Operation
    def receive_order(
        self,
        *,
        payload: str,
        signatures: list[SignatureBody],
        batch_ids: list[int] | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ReceivedOrder]:
        """Receive a signed document of the police at a carrier."""
        return Call(
            method="POST",
            path="/v1/received-orders",
            answer=ReceivedOrder,
            json=given(payload=payload, signatures=signatures, batch_ids=batch_ids),
            key=idempotency_key or new_key(),
        )

    @Operation
    def repeat_order(
        self, number: str, *, people: int, idempotency_key: str | None = None
    ) -> Call[ReceivedOrder]:
        """At a carrier."""
        return Call(
            method="POST",
            path=place("/v1/received-orders/{}/repeat", number),
            answer=ReceivedOrder,
            json=given(people=people),
            key=idempotency_key or new_key(),
        )

    @Operation
    def export_result(
        self,
        run_id: int,
        *,
        changes: str | None = None,
        remarks: str | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[SignedDocument]:
        """Sign the result of a run that was made of a received order."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/exported-results", run_id),
            answer=SignedDocument,
            json=given(changes=changes, remarks=remarks),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )
