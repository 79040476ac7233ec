"""The schema's history, by Alembic, for both engines."""
