"""Names of files hold no phone numbers, and an applied result file not the last number of its lines.

Masks the names of lists, result files, scans and signed PDFs that are there; nothing brings them back.
Certificates of erasure and answers to persons keep their words: a hash or a seal stands over them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.core.masking import mask_written

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_NAMED = ("batches", "receipt_files", "attachments", "signed_papers")
_LONGEST = 200


def upgrade() -> None:
    connection = op.get_bind()
    for table in _NAMED:
        _mask(connection, sa.table(table, sa.column("id"), sa.column("name")))
    # Erasures at work: the certificate is made of this row at its end.
    _mask(connection, sa.table("erasures", sa.column("id"), sa.column("name")), "ended_at IS NULL")
    connection.execute(sa.text("UPDATE receipt_files SET applied_upto = NULL WHERE state <> 'importing'"))


def _mask(connection: sa.Connection, of: sa.TableClause, where: str = "1 = 1") -> None:
    for row in connection.execute(sa.select(of).where(sa.text(where)).order_by(of.c.id)).all():
        masked = mask_written(row.name)[:_LONGEST]
        if masked != row.name:
            connection.execute(sa.update(of).where(of.c.id == row.id).values(name=masked))


def downgrade() -> None:
    """Leave the names as they are: what was masked is gone."""
