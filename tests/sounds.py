"""Recordings made by hand: WAV by the standard library, MP3 frame by frame."""

from __future__ import annotations

import io
import struct
import wave

RATE = 8000
# MPEG 1 Layer III, 128 kbit/s, 44,100 samples a second, one channel: 417 bytes and 1152 samples each.
FRAME = b"\xff\xfb\x90\xc0" + bytes(413)


def wav(seconds: float = 2.0, *, rate: int = RATE, value: int = 0) -> bytes:
    """Return a whole WAV file: PCM of 16 bits, one channel; value: of each sample."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<h", value) * int(seconds * rate))
    return out.getvalue()


def mp3(frames: int = 80, *, tag: bytes = b"") -> bytes:
    """Return an MP3 file of so many frames, 26 ms each, behind a tag ID3v2 of this content, if any."""
    sizes = bytes(len(tag) >> 7 * place & 127 for place in (3, 2, 1, 0))
    head = b"ID3\x04\x00\x00" + sizes + tag if tag else b""
    return head + FRAME * frames
