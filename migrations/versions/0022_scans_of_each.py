"""A scan is a row for each account that has handed it in, with its own name for the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_NAMING = ("statements", "outreach")


def upgrade() -> None:
    with _unnamed(), op.batch_alter_table("attachments") as table:
        table.drop_constraint("uq_attachments_sha256", type_="unique")
        table.create_unique_constraint("uq_attachments_sha256_created_by", ["sha256", "created_by"])


def downgrade() -> None:
    """Each file once again: what names a later row of the same bytes names the first one."""
    for name in _NAMING:
        op.execute(
            f"UPDATE {name} SET attachment_id = (SELECT min(a.id) FROM attachments a JOIN attachments b "
            f"ON b.sha256 = a.sha256 WHERE b.id = {name}.attachment_id) WHERE attachment_id IS NOT NULL"
        )
    op.execute("DELETE FROM attachments WHERE id NOT IN (SELECT min(id) FROM attachments GROUP BY sha256)")
    with _unnamed(), op.batch_alter_table("attachments") as table:
        table.drop_constraint("uq_attachments_sha256_created_by", type_="unique")
        table.create_unique_constraint("uq_attachments_sha256", ["sha256"])


@contextmanager
def _unnamed() -> Iterator[None]:
    """SQLite makes the table anew, which it refuses while rows name some of it: they wait beside it."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in _NAMING if sqlite else ():
        op.execute(f"CREATE TABLE {name}_of_0022 AS SELECT id, attachment_id FROM {name}")
        op.execute(f"UPDATE {name} SET attachment_id = NULL")
    yield
    for name in _NAMING if sqlite else ():
        op.execute(
            f"UPDATE {name} SET attachment_id = "
            f"(SELECT w.attachment_id FROM {name}_of_0022 w WHERE w.id = {name}.id)"
        )
        op.execute(f"DROP TABLE {name}_of_0022")
