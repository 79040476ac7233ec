"""Read submit_sm, once per text instead of once per number, and count what was sent to each number."""

from __future__ import annotations

from dataclasses import dataclass, field

from carriers.simulators.process import Counters, by_copies
from carriers.simulators.randomness import Outcome
from carriers.smpp import pdu

UCS2 = 8
MAX_KINDS = 4096  # a long text has one kind per part and reference (256)


@dataclass(frozen=True, slots=True)
class Part:
    """The position of one part in its long message."""

    reference: int
    total: int
    number: int  # from 1


@dataclass(slots=True, eq=False)
class Kind:
    """What submits to different numbers share; addresses are raw, type and numbering first."""

    service_type: bytes
    source: bytes
    destination_type: bytes
    reports: int  # 0: no receipt is asked for
    part: Part | None
    text: bytes
    templates: dict[Outcome, tuple[bytes, bytes, bytes, bytes]] = field(default_factory=dict)


class Reader:
    """Parses submits, and keeps what it has read."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, Kind] = {}

    def read(self, body: bytes) -> tuple[Kind, bytes]:
        """Return (the shared part, destination digits) of a submit; PduError for a broken body."""
        find = body.find
        start = find(0, find(0) + 3) + 3
        end = find(0, start)
        key = body[:start] + body[end:]
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= MAX_KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = _parse(body, start)
        return kind, body[start:end]


def _parse(body: bytes, destination_at: int) -> Kind:
    message = pdu.read_short_message(body)
    text, source_at = message.message, len(message.service_type) + 1
    if message.esm_class & pdu.ESM_UDHI and text:
        part = read_header(text[1 : text[0] + 1])
        text = text[text[0] + 1 :]
    else:
        part = read_sar(message.tlvs)
    coding = "utf-16-be" if message.data_coding == UCS2 else "latin-1"
    return Kind(
        service_type=message.service_type,
        source=body[source_at : destination_at - 2],
        destination_type=body[destination_at - 2 : destination_at],
        reports=message.registered_delivery & 3,
        part=part,
        text=text.decode(coding, "replace")[:20].encode("ascii", "replace").replace(b"\0", b"@"),
    )


def read_header(header: bytes) -> Part | None:
    at = 0
    while at + 2 <= len(header):
        element, value = header[at], header[at + 2 : at + 2 + header[at + 1]]
        if (element, len(value)) in ((0x00, 3), (0x08, 4)) and 1 <= value[-1] <= value[-2]:
            return Part(int.from_bytes(value[:-2], "big"), value[-2], value[-1])
        at += 2 + header[at + 1]
    return None


def read_sar(tlvs: dict[int, bytes]) -> Part | None:
    found = [tlvs.get(tag, b"") for tag in (pdu.TAG_SAR_REF, pdu.TAG_SAR_TOTAL, pdu.TAG_SAR_SEQ)]
    reference, total, number = (int.from_bytes(value, "big") for value in found)
    return Part(reference, total, number) if 1 <= number <= total else None


@dataclass(slots=True)
class SmscCounters(Counters):
    binds: int = 0
    binds_refused: int = 0
    receipts_foreign: int = 0
    inbound_due: int = 0
    inbound_sent: int = 0
    inbound_acknowledged: int = 0
    inbound_refused: int = 0
    inbound_refused_for_now: int = 0
    queries: int = 0
    garbage_sent: int = 0


class SmscStatistics:
    """Counts what was taken, at about 80 bytes per number, so that a million messages fit."""

    def __init__(self) -> None:
        self.parts = 0
        self.copies: dict[int, int] = {}  # of whole messages, by number
        self._incomplete: dict[tuple[int, bytes, int, int], int] = {}

    def add(self, phone: int, kind: Kind) -> None:
        """Count one part taken; a message is whole when its last missing part has come."""
        self.parts += 1
        copies = self.copies
        if kind.part is None or self._completes(phone, kind, kind.part):
            copies[phone] = copies.get(phone, 0) + 1
        else:
            copies.setdefault(phone, 0)

    def _completes(self, phone: int, kind: Kind, part: Part) -> bool:
        key = (phone, kind.source, part.reference, part.total)
        have = self._incomplete.get(key, 0) | 1 << part.number
        if have.bit_count() < part.total:
            self._incomplete[key] = have
            return False
        self._incomplete.pop(key, None)
        return True

    def report(self) -> dict[str, object]:
        whole, incomplete = sum(self.copies.values()), len(self._incomplete)
        figures = {"parts": self.parts, "messages": whole, "messages_incomplete": incomplete}
        return figures | by_copies(self.copies.values())
