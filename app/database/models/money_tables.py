"""What has been spent of budgets, and the prices by which it was counted."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from app.database.models.base import metadata

# One row for each campaign that has a budget of its own (campaigns.budget_*): what is reserved for sending,
# sent or perhaps sent, of it and of the follow-ups that share it. Changed in the transaction that reserves.
budgets = Table(
    "budgets",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("segments", BigInteger, nullable=False, server_default="0"),
    Column("cost", BigInteger, nullable=False, server_default="0"),  # hundredths of a đồng, without VAT
    # The next message that did not fit, in SMS parts and in its cost; NULL: each has fitted so far.
    Column("wanted", Integer),
    Column("wanted_cost", BigInteger),
)

# What an SMS part cost from a day on, written when the first message of that day is about to be sent.
segment_prices = Table(
    "segment_prices",
    metadata,
    Column("carrier", String(40), primary_key=True),
    Column("purpose", String(20), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),  # date.toordinal(), Viet Nam
    Column("price", BigInteger, nullable=False),  # hundredths of a đồng, without VAT
    Column("vat", Integer, nullable=False),  # hundredths of a percent
)
