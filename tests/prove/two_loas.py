"""What passes between two Loas, byte by byte, and a search for phone numbers in it."""

from __future__ import annotations

import base64
import gzip
import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

_BASE64 = re.compile(rb"[A-Za-z0-9_+/=-]{24,}")


class Wire:
    """A TCP proxy between two loopback addresses that keeps every byte of both directions."""

    def __init__(self, port: int) -> None:
        self.target = ("127.0.0.1", port)
        self.streams: list[bytearray] = []
        self.server = socket.create_server(("127.0.0.2", 0))
        self.address = f"http://127.0.0.2:{self.server.getsockname()[1]}"

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                far = socket.create_connection(self.target)
                for source, sink in ((near, far), (far, near)):
                    kept = bytearray()
                    self.streams.append(kept)
                    threading.Thread(target=_copy, args=(source, sink, kept), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            kept += data
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def recorded(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    threading.Thread(target=wire.run, daemon=True).start()
    yield wire
    wire.server.close()


def layers(content: bytes, depth: int = 4) -> Iterator[bytes]:
    """Yield the bytes, and what is compressed or in base64 within them, however nested."""
    yield content
    if not depth:
        return
    for inner in (*_compressed(content), *_encoded(content)):
        yield from layers(inner, depth - 1)


def _compressed(content: bytes) -> Iterator[bytes]:
    for magic, bits in ((b"\x1f\x8b", 31), (b"\x78", 15)):
        at = content.find(magic)
        while at >= 0:
            with suppress(zlib.error):
                if inner := zlib.decompressobj(bits).decompress(content[at:]):
                    yield inner
            at = content.find(magic, at + 1)


def _encoded(content: bytes) -> Iterator[bytes]:
    for found in _BASE64.finditer(content):
        text = found[0].replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        with suppress(ValueError):
            yield base64.b64decode(text + b"=" * (-len(text) % 4))


def _spaced(mark: str, *groups: int) -> Callable[[str], str]:
    def spelt(national: str) -> str:
        digits, parts = f"0{national}", list[str]()
        for size in groups:
            parts.append(digits[:size])
            digits = digits[size:]
        return mark.join(parts)

    return spelt


def _swapped(national: str) -> str:
    """As GSM writes an address: pairs of digits turned round, filled with F."""
    digits = f"84{national}F"
    return "".join(digits[at + 1] + digits[at] for at in range(0, 12, 2))


# Of the nine digits behind 0 or 84; what begins with another one of these is found by that one.
SPELLINGS: dict[str, Callable[[str], bytes]] = {
    name: (lambda national, spell=spell: spell(national).encode())
    for name, spell in {
        "national": lambda n: n,
        "0": lambda n: f"0{n}",
        "84": lambda n: f"84{n}",
        "+84": lambda n: f"+84{n}",
        "0084": lambda n: f"0084{n}",
        "in a URL": lambda n: f"%2B84{n}",
        "4 3 3": _spaced(" ", 4, 3, 3),
        "3 3 4": _spaced(" ", 3, 3, 4),
        "4.3.3": _spaced(".", 4, 3, 3),
        "3.3.4": _spaced(".", 3, 3, 4),
        "4-3-3": _spaced("-", 4, 3, 3),
        "3-3-4": _spaced("-", 3, 3, 4),
        "84 by thousands": lambda n: f"{int('84' + n):,}",
        "a spreadsheet's": lambda n: f"8.4{n}E+10",
        "hexadecimal": lambda n: f"{int('84' + n):x}",
        "octets as text": lambda n: n.encode().hex(),
        "turned round": lambda n: n[::-1],
        "as GSM does": _swapped,
        "with a zero byte each": lambda n: "\x00".join(n),
        "digits full width": lambda n: n.translate({ord("0") + at: 0xFF10 + at for at in range(10)}),
    }.items()
}


def numbers_in(content: bytes, nationals: Iterable[str]) -> list[tuple[str, str]]:
    """Return which of these numbers stand in the bytes, and in which spelling."""
    seen = b"\n".join(dict.fromkeys(layers(content))).lower()
    return [
        (name, national)
        for national in nationals
        for name, spell in SPELLINGS.items()
        if spell(national).lower() in seen
    ]


def packed(content: bytes) -> bytes:
    return gzip.compress(content)
