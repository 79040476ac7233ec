"""What has been spent of budgets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table

from app.database.models.base import metadata

# One row for each campaign that has a budget of its own (campaigns.budget_*): what is reserved for sending,
# sent or perhaps sent, of it and of the follow-ups that share it. Changed in the transaction that reserves.
budgets = Table(
    "budgets",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("segments", BigInteger, nullable=False, server_default="0"),
    Column("wanted", Integer),  # SMS parts of the next message that did not fit; NULL: each has fitted so far
)
