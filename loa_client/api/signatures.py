"""Signatures: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
        """Publish the public keys in force as a JWK Set."""
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
        """Revoke a key at once and for good, for example because its private part was lost or seen."""
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
        """Let a key end at a time to come, such as when its holder's contract ends."""
        return Call(
            method="POST",
            path=place("/v1/signing-keys/{}/end", kid),
            answer=SigningKey,
            json=given(at=at),
            key=idempotency_key or new_key(),
        )
