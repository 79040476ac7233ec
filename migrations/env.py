"""Run the migrations on the connection that app/database/schema.py hands over."""

from __future__ import annotations

from alembic import context

from app.database.models import metadata
from app.database.schema import ours


def run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=ours(connection.dialect.name),
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
