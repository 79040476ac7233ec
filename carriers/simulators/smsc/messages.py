"""Parse submit_sm for the simulated message centre, once per text instead of once per number."""

from __future__ import annotations

from dataclasses import dataclass, field

from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.outcomes import ReceiptOutcome
from carriers.smpp import pdu

RINVDFTMSGID, RX_P_APPN, RINVSRCTON, RMISSINGTLV = 0x63, 0x65, 0x48, 0xC3
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
    """What all submits share that differ in their destination only.

    refused: the status for the content itself (0: none); reports: 0 none, 1 every outcome, 2 failures only;
    addresses are raw, type and numbering first.
    """

    service_type: bytes
    source: bytes
    destination_type: bytes
    reports: int
    part: Part | None
    text: bytes
    refused: int = 0
    templates: dict[ReceiptOutcome, tuple[bytes, bytes, bytes]] = field(default_factory=dict)

    @property
    def part_number(self) -> int:
        return self.part.number if self.part else 1


class Reader:
    """Parses submits according to the current behaviour."""

    def __init__(self, behaviour: SmscBehaviour) -> None:
        self._behaviour = behaviour
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
            kind = self._kinds[key] = self._parse(body, start)
        return kind, body[start:end]

    def _parse(self, body: bytes, destination_at: int) -> Kind:
        message = pdu.read_short_message(body)
        source_at = len(message.service_type) + 1
        kind = Kind(
            service_type=message.service_type,
            source=body[source_at : destination_at - 2],
            destination_type=body[destination_at - 2 : destination_at],
            reports=message.registered_delivery & 3,
            part=None,
            text=b"",
        )
        kind.refused = self._refusal(message)
        if not kind.refused:
            self._read_content(kind, message)
        return kind

    def _refusal(self, message: pdu.ShortMessage) -> int:
        if not message.message:
            return RINVDFTMSGID
        if self._behaviour.refuse_ucs2 and message.data_coding == UCS2:
            return RX_P_APPN
        if self._behaviour.source_ton not in (-1, message.source_ton):
            return RINVSRCTON
        return 0

    def _read_content(self, kind: Kind, message: pdu.ShortMessage) -> None:
        text = message.message
        if message.esm_class & pdu.ESM_UDHI:
            header, text = text[1 : text[0] + 1], text[text[0] + 1 :]
            kind.part = read_header(header)
            kind.refused = 0 if kind.part else RMISSINGTLV
        else:
            kind.part = read_sar(message.tlvs)
        coding = "utf-16-be" if message.data_coding == UCS2 else "latin-1"
        kind.text = text.decode(coding, "replace")[:20].encode("ascii", "replace").replace(b"\0", b"@")


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
