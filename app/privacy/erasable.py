"""What can be erased, and the two retention terms of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.phone import Sentence
from app.database.models import erasures
from carriers.phrases import Phrase

FROZEN = Sentence("{days} days after report {report} was frozen", "{days} ngày sau khi chốt báo cáo {report}")
DEADLINE = Sentence(
    "{days} days after the deadline of its directive, since no report was frozen",
    "{days} ngày sau hạn báo cáo của công văn, vì chưa chốt báo cáo",
)
END = Sentence(
    "{days} days after its end, since no report was frozen",
    "{days} ngày sau khi kết thúc, vì chưa chốt báo cáo",
)
TOGETHER = Sentence(
    "with the last campaign of the same directive, {days} days after its own term at the latest",
    "cùng chiến dịch cuối của cùng công văn, chậm nhất {days} ngày sau hạn riêng",
)
LAST_USE = Sentence("with the last campaign that used it", "cùng chiến dịch cuối cùng dùng lô này")
UNUSED = Sentence(
    "{days} days after its import, since no campaign uses it",
    "{days} ngày sau khi nhập, vì không chiến dịch nào dùng",
)
APPLIED = Sentence("{days} days after it was applied", "{days} ngày sau khi áp dụng")
QUARANTINE = Sentence(
    "{days} days after they came, since they belong to no message",
    "{days} ngày sau khi đến, vì không khớp tin nào",
)
INBOUND = Sentence("{days} days after they came", "{days} ngày sau khi đến")
TOTALS = Sentence(
    "{months} months after the report or the end, with the last campaign of the same directive",
    "{months} tháng sau báo cáo hoặc sau khi kết thúc, cùng chiến dịch cuối của cùng công văn",
)
WRITTEN = Sentence(
    "{months} months after they were written, once a month", "{months} tháng sau khi ghi, mỗi tháng một lần"
)
# Names of what is erased without an ID of its own.
RECEIPTS = Sentence("receipts without a message", "biên nhận không khớp tin nào")
MESSAGES = Sentence("messages to us", "tin nhắn đến")
NOTICES = Sentence("notices that went outside", "thông báo đã gửi ra ngoài")
ACTS = Sentence("acts of the audit", "các dòng nhật ký")
ALL = (
    *(FROZEN, DEADLINE, END, TOGETHER, LAST_USE, UNUSED, APPLIED, QUARANTINE, INBOUND, TOTALS, WRITTEN),
    *(RECEIPTS, MESSAGES, NOTICES, ACTS),
)
# A certificate keeps the English sentence, under its hash: its values are read back for paper and page.
_PLACE = re.compile(r"\\\{(\w+)\\\}")
_KNOWN = [(re.compile(_PLACE.sub(r"(?P<\1>\\d+)", re.escape(each.en))), each) for each in ALL]


def phrase(certified: str) -> Phrase:
    """Return a rule or name of a certificate with its values apart."""
    for english, sentence in _KNOWN:
        if found := english.fullmatch(certified):
            return Phrase(sentence.en, **found.groupdict())
    return Phrase(certified)


def vietnamese(certified: str) -> str:
    """Return a rule or name in Vietnamese; unchanged if it is none of these."""
    found = phrase(certified)
    words = {each.en: each.vi for each in ALL}.get(found.template)
    return certified if words is None else words.format(**found.values)


_AT_ONCE = 100


class ErasureKind(StrEnum):
    CAMPAIGN = "campaign"  # deliveries and all that refers to them
    BATCH = "batch"  # subscribers and bad lines
    RECEIPT_FILE = "receipt_file"  # the lines of a carrier's result file
    QUARANTINE = "quarantine"  # receipts that match no message
    INBOUND = "inbound"  # messages of subscribers to us
    TOTALS = "totals"  # a campaign's tallies and kept reports
    NOTICES = "notices"  # notices sent, with their addresses
    AUDIT = "audit"  # the oldest acts of the audit


@dataclass(frozen=True, slots=True)
class RetentionTerms:
    """Days from the report to the erasure of numbers, months to that of totals and acts."""

    days: int
    months: int


@dataclass(frozen=True, slots=True)
class Erasable:
    """Something to erase, due at `due_at` unless `held` says why it can't be; times in ms since 1970."""

    kind: ErasureKind
    id: int | None
    name: str
    rule: str
    due_at: int | None = None
    held: str | None = None
    first_at: int | None = None  # the period it covers
    last_at: int | None = None
    months: int | None = None  # the term, if it is in months


def in_pieces(rows: Sequence[Row[Any]]) -> Iterator[Sequence[Row[Any]]]:
    """Yield rows by the hundred: who needs the first one only does not wait for what all need."""
    return (rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE))


def erased(connection: Connection, kind: ErasureKind, ids: Sequence[int]) -> set[int]:
    """Return those of the ids whose erasure is complete."""
    e = erasures.c
    query = select(e.subject_id).where(e.kind == kind.value, e.subject_id.in_(ids), e.ended_at.is_not(None))
    return set(connection.execute(query).scalars())
