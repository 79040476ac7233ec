"""Hashes of decisive rows in the audit; the tables stay as they are, but rows of before are kept once."""

from __future__ import annotations

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing: app/security/kept_rows.py has the hashes written, by the revision that was left."""


def downgrade() -> None:
    """Change nothing: earlier versions do not read the hashes."""
