"""Tables of people, keys, sessions and audit, of answered requests, and of rows set aside."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Table

from app.database.models.base import Ms, metadata, new_id

# ---- Tables of people, API keys, sessions and the audit log.

api_keys = Table(
    "api_keys",
    metadata,
    new_id(),
    Column("name", String(80), nullable=False, unique=True),
    Column("prefix", String(12), nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("role", String(12), nullable=False),
    Column("carrier", String(40)),
    Column("created_at", Ms, nullable=False),
    Column("revoked_at", Ms),
    Column("made_by", String(80), nullable=False, server_default=""),
    Column("expires_at", Ms),
    Column("last_used_at", Ms),  # to the minute
    # The key before its rotation, valid until `previous_until`.
    Column("previous_prefix", String(12), unique=True),
    Column("previous_hash", LargeBinary),
    Column("previous_until", Ms),
    # Who has had a secret of it: security/credential_provenance.py
    Column("behind", JSON, nullable=False, server_default="[]"),
    # MAC over its permissions, by a key outside the database: security/account_stamps.py
    Column("stamp", String(64)),
)

people = Table(
    "people",
    metadata,
    new_id(),
    Column("name", String(40), nullable=False, unique=True),
    Column("role", String(12), nullable=False),
    Column("carrier", String(40)),
    Column("password_hash", String(200), nullable=False),
    Column("totp_secret", String(400)),  # encrypted if there is a key
    Column("totp_since", Ms),  # NULL: handed out, but not yet confirmed by a code
    Column("totp_step", Integer, nullable=False, server_default="0"),  # of the last code used
    Column("created_at", Ms, nullable=False),
    Column("disabled_at", Ms),
    # Who gave the password: security/credential_provenance.py
    Column("behind", JSON, nullable=False, server_default="[]"),
    # MAC over its permissions, by a key outside the database: security/account_stamps.py
    Column("stamp", String(64)),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    new_id(),
    Column("person_id", Integer, ForeignKey("people.id"), nullable=False, index=True),
    Column("code_hash", LargeBinary, nullable=False),
    Column("stamp", String(64)),
)

sessions = Table(
    "sessions",
    metadata,
    new_id(),
    Column("person_id", Integer, ForeignKey("people.id"), nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("created_at", Ms, nullable=False),
    Column("seen_at", Ms, nullable=False),  # to the minute
    Column("address", String(45), nullable=False, server_default=""),  # of the sign-in
    Column("stamp", String(64)),
)

# Failed sign-ins by name and by address, and addresses a name has signed in from. Keys are hashed, because
# people often type their password as a name.
login_attempts = Table(
    "login_attempts",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Ms, nullable=False),
    Column("at", Ms, nullable=False),
)

# Append-only, with ids without gaps; each row's hash covers its content and the previous row's hash
# (app/security/audit.py).
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Ms, nullable=False),
    Column("who", String(80), nullable=False),
    Column("origin", String(120), nullable=False, server_default=""),  # address, or host of the command line
    Column("action", String(60), nullable=False),
    Column("subject", String(120), nullable=False, index=True),
    Column("detail", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64)),  # MAC over hash and content, by a key outside the database; NULL: no key
    Index("ix_audit_at", "at"),
)

# ---- Stored responses of requests with an Idempotency-Key.

# Written in the same transaction as the action, so that neither exists without the other.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", String(80), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request", String(64), nullable=False),  # SHA-256 of method, address and body
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Index(None, "at"),
)

# ---- Unexpected errors: one row per part and affected row, shown until `red_until`.

faults = Table(
    "faults",
    metadata,
    Column("source", String(80), primary_key=True),  # the affected part of Loa
    Column("subject", String(120), primary_key=True),  # the affected row; "": the part itself
    Column("reason", String(300), nullable=False),
    Column("first_at", Ms, nullable=False),
    Column("last_at", Ms, nullable=False),
    Column("times", Integer, nullable=False),
    Column("red_until", Ms, nullable=False),
)
