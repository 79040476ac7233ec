"""What running runs are judged by: counts of the carriers' answers, and failures that receipts tell later.

Rows of the last half hour or of today alone, of running runs (app/dispatch/suspend_sweep.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table

from app.database.models.base import Ms, metadata, new_id

# Messages of a run that the carrier had answered by then, and of these the refused and the unknown ones.
outcome_counts = Table(
    "outcome_counts",
    metadata,
    new_id(),
    Column("run_id", Integer, nullable=False, index=True),
    Column("at", Ms, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("unknown", BigInteger, nullable=False),
)

# Failures by receipts, under the fifth of a second in which the message was sent; appended with the receipts.
late_failures = Table(
    "late_failures",
    metadata,
    new_id(),
    Column("run_id", Integer, nullable=False, index=True),
    Column("sent_at", Ms, nullable=False),
    Column("n", SmallInteger, nullable=False),
)

# What a run has sent on the newest day of Viet Nam on which it sent: messages before it, and by now. Rows of
# former days stay until the run is over.
daily_counts = Table(
    "daily_counts",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, nullable=False),  # date.toordinal()
    Column("before", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
)
