"""No person has a language: the language of a text is chosen by area.

Drops what files said of languages of persons (subscribers, deliveries): nothing brings it back. Lists that
had any get another digest, so a campaign that is approved with one has to be approved again. Refuses while a
run that has begun may still send by a person's language.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

from app.core.errors import Conflict

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_OVER = ("finished", "cancelled")
_SLICE = 10_000


def upgrade() -> None:
    connection = op.get_bind()
    _require_none_at_work(connection)
    marked = sa.text("SELECT DISTINCT batch_id FROM subscribers WHERE lang IS NOT NULL ORDER BY batch_id")
    for batch_id in connection.execute(marked).scalars().all():
        _hash_anew(connection, batch_id)
    op.add_column("campaigns", sa.Column("text_areas", sa.JSON, nullable=False, server_default="{}"))
    op.drop_column("subscribers", "lang")
    op.drop_column("deliveries", "lang")


def _require_none_at_work(connection: sa.Connection) -> None:
    begun = sa.text("SELECT id, campaign_id FROM runs WHERE state NOT IN :over AND started_at IS NOT NULL")
    found = sa.text("SELECT 1 FROM deliveries WHERE campaign_id = :campaign AND lang IS NOT NULL LIMIT 1")
    for run, campaign in connection.execute(begun.bindparams(sa.bindparam("over", _OVER, expanding=True))):
        if connection.execute(found, {"campaign": campaign}).first() is not None:
            raise Conflict(
                f"Run {run} chooses texts by a language of each person, which this version does not keep: "
                "finish or cancel it with the version before, then migrate."
            )


def _hash_anew(connection: sa.Connection, batch_id: int) -> None:
    """Give the list the digest of its rows without languages; one that was altered keeps its own."""
    before, after, seq = hashlib.sha256(), hashlib.sha256(), -1
    rows = sa.text(
        "SELECT seq, phone, area, lang FROM subscribers WHERE batch_id = :batch AND seq > :after "
        f"ORDER BY seq LIMIT {_SLICE}"
    )
    while some := connection.execute(rows, {"batch": batch_id, "after": seq}).all():
        for row in some:
            shared = f"{row.seq} {row.phone} {row.area or ''} "
            before.update(f"{shared}{row.lang or ''}\n".encode())
            after.update(f"{shared}\n".encode())
        seq = some[-1].seq
    values = {"batch": batch_id, "before": before.hexdigest(), "after": after.hexdigest()}
    same = "UPDATE batches SET rows_sha256 = :after WHERE id = :batch AND rows_sha256 = :before"
    connection.execute(sa.text(same), values)


def downgrade() -> None:
    op.add_column("deliveries", sa.Column("lang", sa.String(8)))
    op.add_column("subscribers", sa.Column("lang", sa.String(8)))
    op.drop_column("campaigns", "text_areas")
