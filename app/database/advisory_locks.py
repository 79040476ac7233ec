"""The numbers of the advisory locks of PostgreSQL: two things under one number wait for each other."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """What is done by one transaction at a time. Locks of a file or a key are hashes of eight bytes."""

    MIGRATION = 4915
    PARTITIONS = 4916  # creating a campaign's partitions
    AUDIT_CHAIN = 4917  # appending a row
    LOGIN_ATTEMPTS = 4918
    ERASURE = 4921  # beginning an erasure, and correcting tallies, which asks whether one has begun
    INBOUND_ORDER = 4922  # keeps IDs in commit order: a reader that continues by ID would miss a late commit
    REPORT_NUMBER = 4923  # issuing a report
    SENDER_NAMES = 4924  # importing the register, which replaces what it knows
    RECEIVED_ORDER = 4925  # receiving one: what it stops depends on those that came before
    TALLY_FOLD = 4931
    PERSON_REQUEST = 4932  # recording one and answering one
    FOLLOW_UP = 4951  # queueing messages of rounds; claims share it, see app/ledger/unreached.py
    CLOCK_STEP = 4974  # moving what waits after a clock was set
    RETENTION_TERMS = 4975  # noting the terms
