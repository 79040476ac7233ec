"""The audit as a chain: where each act came from, and a hash over it and the act before."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SAID = ("id", "at", "who", "origin", "action", "subject")
_AUDIT = sa.table(
    "audit",
    sa.column("id", sa.Integer),
    sa.column("at", sa.BigInteger),
    sa.column("who", sa.String),
    sa.column("origin", sa.String),
    sa.column("action", sa.String),
    sa.column("subject", sa.String),
    sa.column("detail", sa.JSON),
    sa.column("hash", sa.String),
)


def upgrade() -> None:
    with op.batch_alter_table("audit") as table:
        table.add_column(sa.Column("origin", sa.String(120), server_default="", nullable=False))
        table.add_column(sa.Column("hash", sa.String(64), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE audit ALTER COLUMN id DROP DEFAULT")
        op.execute("DROP SEQUENCE IF EXISTS audit_id_seq")
    _chain()
    with op.batch_alter_table("audit") as table:
        table.alter_column("hash", existing_type=sa.String(64), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("audit") as table:
        table.drop_column("hash")
        table.drop_column("origin")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE audit_id_seq OWNED BY audit.id")
        op.execute("SELECT setval('audit_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM audit), false)")
        op.execute("ALTER TABLE audit ALTER COLUMN id SET DEFAULT nextval('audit_id_seq')")


def _chain() -> None:
    """Number what is there without gaps, in its order, and chain it."""
    bind, before = op.get_bind(), "0" * 64
    columns = (*(_AUDIT.c[name] for name in _SAID), sa.cast(_AUDIT.c.detail, sa.Text))
    rows = bind.execute(sa.select(*columns).order_by(_AUDIT.c.id)).all()
    for number, row in enumerate(rows, 1):
        content = json.dumps([number, *row[1:]], ensure_ascii=False)
        before = hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()
        bind.execute(sa.update(_AUDIT).where(_AUDIT.c.id == row.id).values(id=number, hash=before))
