"""Access: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.operation import Call, Operation, new_key, place
from loa_client.values import given

Role = Literal["admin", "approver", "operator", "auditor", "wall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    name: str
    role: Role
    carrier: str | None
    csrf_token: str | None
    ends_at: datetime | None
    must_enrol: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    secret: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodes:
    recovery_codes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    id: int
    address: str
    created_at: datetime
    seen_at: datetime
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    role: str
    carrier: str | None
    second_factor: bool
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyView:
    name: str
    prefix: str
    role: str
    carrier: str | None
    made_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    name: str
    key: str


class AccessOperations:
    @Operation
    def log_in(self, *, name: str, password: str, code: str | None = None) -> Call[Me]:
        """Sign in."""
        return Call(
            method="POST", path="/v1/session", answer=Me, json=given(name=name, password=password, code=code)
        )

    @Operation
    def log_out(self) -> Call[None]:
        """Sign out."""
        return Call(method="DELETE", path="/v1/session", answer=None)

    @Operation
    def get_me(self) -> Call[Me]:
        """Get who the caller is, and for a session its CSRF token and when it ends."""
        return Call(method="GET", path="/v1/me", answer=Me)

    @Operation
    def change_password(self, *, present: str, new: str, code: str | None = None) -> Call[Me]:
        """Change the password."""
        return Call(
            method="PUT", path="/v1/me/password", answer=Me, json=given(present=present, new=new, code=code)
        )

    @Operation
    def enrol_totp(self, *, password: str) -> Call[Enrolment]:
        """Create a secret for an authenticator app, shown only once."""
        return Call(method="POST", path="/v1/me/totp", answer=Enrolment, json=given(password=password))

    @Operation
    def confirm_totp(self, *, code: str) -> Call[RecoveryCodes]:
        """Require a code at sign-in from now on."""
        return Call(method="POST", path="/v1/me/totp/confirm", answer=RecoveryCodes, json=given(code=code))

    @Operation
    def list_sessions(self) -> Call[list[OpenSession]]:
        """List the caller's valid sessions, newest first."""
        return Call(method="GET", path="/v1/me/sessions", answer=list[OpenSession])

    @Operation
    def end_sessions(
        self, *, password: str, code: str | None = None, sessions: list[int] | None = None
    ) -> Call[None]:
        """End some of the caller's sessions, or all but this one."""
        return Call(
            method="POST",
            path="/v1/me/sessions/end",
            answer=None,
            json=given(password=password, code=code, sessions=sessions),
        )

    @Operation
    def list_users(self) -> Call[list[Person]]:
        """List all users, disabled ones too."""
        return Call(method="GET", path="/v1/users", answer=list[Person])

    @Operation
    def add_user(self, *, name: str, role: Role, password: str, carrier: str | None = None) -> Call[Person]:
        """Add a user, who may sign in at once."""
        return Call(
            method="POST",
            path="/v1/users",
            answer=Person,
            json=given(name=name, role=role, carrier=carrier, password=password),
        )

    @Operation
    def disable_user(
        self, name: str, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[Person]:
        """Disable a user and end their sessions."""
        return Call(
            method="POST",
            path=place("/v1/users/{}/disable", name),
            answer=Person,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def set_user_password(self, name: str, *, password: str) -> Call[None]:
        """Set a new password for somebody who has lost the old one."""
        return Call(
            method="PUT",
            path=place("/v1/users/{}/password", name),
            answer=None,
            json=given(password=password),
        )

    @Operation
    def sign_out_user(
        self, name: str, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[None]:
        """End all sessions of a user at once."""
        return Call(
            method="POST",
            path=place("/v1/users/{}/sign-out", name),
            answer=None,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def list_keys(self) -> Call[list[ApiKeyView]]:
        """List all keys, including revoked ones, without their secrets."""
        return Call(method="GET", path="/v1/keys", answer=list[ApiKeyView])

    @Operation
    def add_key(
        self,
        *,
        name: str,
        role: Role,
        carrier: str | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ShownKey]:
        """Create a key."""
        return Call(
            method="POST",
            path="/v1/keys",
            answer=ShownKey,
            json=given(name=name, role=role, carrier=carrier, expires_at=expires_at),
            key=idempotency_key or new_key(),
        )

    @Operation
    def rotate_key(
        self,
        name: str,
        *,
        overlap_hours: float | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ShownKey]:
        """Give a key a new secret, shown only once."""
        return Call(
            method="POST",
            path=place("/v1/keys/{}/rotate", name),
            answer=ShownKey,
            json=given(overlap_hours=overlap_hours) or None,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def revoke_key(self, name: str, *, if_match: str | None = None) -> Call[None]:
        """Revoke a key immediately."""
        return Call(
            method="DELETE",
            path=place("/v1/keys/{}", name),
            answer=None,
            headers=given(**{"If-Match": if_match}),
        )
