"""Sender names and templates by carrier; who says what a link's receipts prove."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sender_names",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("name", sa.String(11), nullable=False),
        sa.Column("purpose", sa.String(20)),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("template", sa.Text),
        sa.Column("template_code", sa.String(60)),
        sa.Column("certificate", sa.String(60)),
        sa.Column("asked_on", sa.String(10)),
        sa.Column("valid_from", sa.String(10)),
        sa.Column("valid_to", sa.String(10)),
        sa.Column("contact", sa.String(300)),
        sa.Column("remarks", sa.Text),
        sa.Column("attachment_id", sa.Integer, sa.ForeignKey("attachments.id")),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(80), nullable=False),
    )
    op.create_table(
        "registration_rules",
        sa.Column("carrier", sa.String(40), primary_key=True),
        sa.Column("lead_days", sa.Integer, nullable=False),
        sa.Column("needs_template", sa.Boolean, nullable=False),
        sa.Column("forbidden_words", sa.JSON, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(80), nullable=False),
    )
    op.create_table(
        "register_overrides",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
    )
    op.create_index("ix_register_overrides_campaign_id", "register_overrides", ["campaign_id"])
    op.add_column("links", sa.Column("level_source", sa.String(300)))
    op.add_column("links", sa.Column("level_source_on", sa.String(10)))
    op.add_column("links", sa.Column("sender_in_text", sa.Boolean))
    needs = sa.Column("needs_template_code", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column("links", needs)


def downgrade() -> None:
    op.drop_column("links", "needs_template_code")
    op.drop_column("links", "sender_in_text")
    op.drop_column("links", "level_source_on")
    op.drop_column("links", "level_source")
    op.drop_table("register_overrides")
    op.drop_table("registration_rules")
    op.drop_table("sender_names")
