"""People with passwords, second factors and sessions; keys that expire and rotate; who edited a campaign."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as table:
        table.add_column(sa.Column("made_by", sa.String(80), server_default="", nullable=False))
        table.add_column(sa.Column("expires_at", sa.BigInteger))
        table.add_column(sa.Column("last_used_at", sa.BigInteger))
        table.add_column(sa.Column("previous_prefix", sa.String(12)))
        table.add_column(sa.Column("previous_hash", sa.LargeBinary))
        table.add_column(sa.Column("previous_until", sa.BigInteger))
        table.create_unique_constraint("uq_api_keys_previous_prefix", ["previous_prefix"])
    with op.batch_alter_table("campaigns") as table:
        table.add_column(sa.Column("editors", sa.JSON, server_default="[]", nullable=False))
    _people()
    _sessions()
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.String(64)),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_attempts"),
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("carrier", sa.String(40)),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("totp_secret", sa.String(64)),
        sa.Column("totp_since", sa.BigInteger),
        sa.Column("totp_step", sa.Integer, server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("name", name="uq_people_name"),
    )


def _sessions() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("person_id", sa.Integer, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_codes"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_recovery_codes_person_id"),
    )
    op.create_index("ix_recovery_codes_person_id", "recovery_codes", ["person_id"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("person_id", sa.Integer, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_sessions_person_id"),
    )
    op.create_index("ix_sessions_person_id", "sessions", ["person_id"])


def downgrade() -> None:
    for table in ("login_attempts", "sessions", "recovery_codes", "people"):
        op.drop_table(table)
    op.drop_column("campaigns", "editors")  # not in a batch: runs refer to campaigns
    with op.batch_alter_table("api_keys") as table:
        table.drop_constraint("uq_api_keys_previous_prefix", type_="unique")
        for column in (
            "previous_until",
            "previous_hash",
            "previous_prefix",
            "last_used_at",
            "expires_at",
            "made_by",
        ):
            table.drop_column(column)
