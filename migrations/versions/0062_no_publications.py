"""Published pages are read no more: their addresses and what was found there are dropped.

An addressee says in its report where it has published the text.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("publication_findings")
    op.drop_table("publications")


def downgrade() -> None:
    op.create_table(
        "publications",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("directive_id", sa.Integer, sa.ForeignKey("directives.id"), nullable=False),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("addressee", sa.String(200), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("reported_at", sa.BigInteger, nullable=False),
        sa.Column("reported_by", sa.String(80), nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("read_at", sa.BigInteger),
        sa.Column("sha256", sa.String(64)),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("failure", sa.String(200)),
        sa.Column("withdrawn_at", sa.BigInteger),
    )
    known = sa.text("withdrawn_at IS NULL")
    op.create_index(
        "ix_publications_url",
        "publications",
        ["directive_id", "campaign_id", "url"],
        unique=True,
        sqlite_where=known,
        postgresql_where=known,
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_publications_due_at", "publications", ["due_at"], sqlite_where=due, postgresql_where=due
    )
    op.create_table(
        "publication_findings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("publication_id", sa.Integer, sa.ForeignKey("publications.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("differences", sa.JSON, nullable=False),
    )
    op.create_index("ix_publication_findings_publication_id", "publication_findings", ["publication_id"])
