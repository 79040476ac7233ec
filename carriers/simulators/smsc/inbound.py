"""What subscribers send to the accounts of the simulated message centre (MO): as deliver_sm of its own."""

from __future__ import annotations

from collections.abc import Iterator

from carriers.contract import Encoding
from carriers.smpp import pdu
from carriers.text import gsm7, split, ucs2

UCS2 = 8
TON_NPI = (1, 1)


def body(source: str, destination: str, content: pdu.Content) -> bytes:
    """The deliver_sm of any content whatever, from a number to a short code."""
    envelope = pdu.Envelope((*TON_NPI, source.encode("latin-1")), TON_NPI)
    return pdu.short_message_body(envelope, destination.encode("latin-1"), content)


def contents(text: str, reference: int) -> Iterator[pdu.Content]:
    """The parts of a text as a telephone sends them, numbered in a header where there are several."""
    cut = split(text)
    coding, encode = (UCS2, ucs2) if cut.encoding is Encoding.UCS2 else (0, gsm7)
    total = len(cut.parts)
    for number, part in enumerate(cut.parts, 1):
        if total == 1:
            yield pdu.Content(encode(part), coding)
        else:
            header = bytes((5, 0, 3, reference % 256, total, number))
            yield pdu.Content(header + encode(part), coding, pdu.ESM_UDHI)
