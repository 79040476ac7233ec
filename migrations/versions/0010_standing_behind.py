"""Who stands behind keys, people and campaigns; where a session is from; room for sealed secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = ("api_keys", "people", "campaigns")
_GIVEN = ("key.add", "key.rotate", "person.add", "person.password")
_AUDIT = sa.table("audit", *(sa.column(name) for name in ("id", "who", "action", "subject")))

_PEOPLE = sa.table("people", sa.column("totp_secret", sa.String), sa.column("totp_since", sa.BigInteger))


def upgrade() -> None:
    for name in _TABLES:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("behind", sa.JSON(), server_default="[]", nullable=False))
    _make_room(400)
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("address", sa.String(45), server_default="", nullable=False))
    _fill()


def downgrade() -> None:
    """The program before can't open sealed secrets: who has one must set up the second factor anew."""
    op.drop_column("sessions", "address")
    sealed = _PEOPLE.c.totp_secret.startswith("sealed:") | (sa.func.length(_PEOPLE.c.totp_secret) > 64)
    op.execute(sa.update(_PEOPLE).where(sealed).values(totp_secret=None, totp_since=None))
    _make_room(64)
    for name in _TABLES:
        op.drop_column(name, "behind")


def _make_room(length: int) -> None:
    """For a secret of so many characters.

    On SQLite by a new column: a table to which others refer can't be made anew while it holds rows.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("people", "totp_secret", type_=sa.String(length))
        return
    op.add_column("people", sa.Column("secret_now", sa.String(length)))
    op.execute("UPDATE people SET secret_now = totp_secret")
    op.drop_column("people", "totp_secret")
    op.execute("ALTER TABLE people RENAME COLUMN secret_now TO totp_secret")


def _fill() -> None:
    """From the audit: who gave each key and each password that others gave."""
    connection = op.get_bind()
    found: dict[tuple[str, str], set[str]] = {}
    query = sa.select(_AUDIT).where(_AUDIT.c.action.in_(_GIVEN)).order_by(_AUDIT.c.id)
    for row in connection.execute(query):
        kind, _, name = row.subject.partition("/")
        if name == row.who:
            continue  # one's own password says nothing new
        others = set() if kind == "person" else found.get((kind, name), set())
        found[kind, name] = others.union({row.who}, *(found.get((k, row.who), ()) for k in ("key", "person")))
    for (kind, name), everybody in found.items():
        # A password that was given at the host is the person's own.
        behind = {who for who in everybody if kind == "key" or not who.endswith(" (command line)")}
        table = _account("api_keys" if kind == "key" else "people")
        change = sa.update(table).where(table.c.name == name).values(behind=sorted(behind))
        connection.execute(change)


def _account(name: str) -> sa.TableClause:
    return sa.table(name, sa.column("name", sa.String), sa.column("behind", sa.JSON))
