"""What was sent to us over the links; each row was here before the carrier was told so."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, Text

from app.database.models.base import Ms, metadata

# Append-only. Ids are in the order of the commits on both engines, so whoever reads on from the last id that
# it has seen misses nothing.
inbound_messages = Table(
    "inbound_messages",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("received_at", Ms, nullable=False),
    Column("lane_id", SmallInteger, nullable=False),
    Column("phone", BigInteger),  # who sent it; None where that is no Vietnamese mobile number
    Column("source", Text),  # then the address as it came
    Column("destination", Text, nullable=False),  # the short code or number that it was sent to
    Column("coding", SmallInteger, nullable=False),  # data_coding as it came
    Column("text", Text, nullable=False),
    Column("octets", Text),  # hexadecimal, where the text does not say all of it
    Column("part_reference", Integer),  # of a long message, whose parts share it
    Column("part_number", SmallInteger),
    Column("part_total", SmallInteger),
    Column("repeat_of", BigInteger),  # the first one with the same content, shortly before: sent again?
    Column("digest", BigInteger, nullable=False),  # over sender, destination, content and group of links
    # Made by the process that took it, so that a commit whose answer was lost can be done again.
    Column("arrival", String(40), nullable=False, unique=True),
    Index("ix_inbound_messages_digest", "digest"),
    Index("ix_inbound_messages_lane_id_id", "lane_id", "id"),
    sqlite_autoincrement=True,  # ids of what was erased are not given again
)
