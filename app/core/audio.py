"""Recordings as files: WAV (PCM) and MP3, with each byte accounted for, and their length; pure.

A file that is something else besides sound (a page, a program, an archive behind the sound) is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.core.errors import Invalid

MOST_BYTES = 10 * 1_048_576
SHORTEST_S, LONGEST_S = 1, 180
_MOST_BESIDE = 65_536  # bytes of what is no sound: tags and notes of the program that wrote the file
_WAV, _MP3 = "audio/wav", "audio/mpeg"
ENDINGS = {_WAV: "wav", _MP3: "mp3"}
_RATES = range(8000, 48_001)
# Chunks with which programs end a file: notes, marks, loops, room; no player takes them for sound.
_BEHIND = frozenset(
    (
        b"LIST",
        b"id3 ",
        b"ID3 ",
        b"bext",
        b"iXML",
        b"_PMX",
        b"cue ",
        b"smpl",
        b"inst",
        b"fact",
        b"JUNK",
        b"junk",
    )
)
_PCM, _CHANNELS, _BITS = 1, (1, 2), (8, 16, 24)
# MPEG Layer III: kbit/s by index for version 1, and for 2 and 2.5; samples a second of version 1.
_KBITS = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_FIRST_RATES = (44_100, 48_000, 32_000)
_SLOWER = {3: 1, 2: 2, 0: 4}  # version bits: 1, 2, 2.5
_LAYER_3 = 1
_ID3, _ID3_HEAD, _ID3_END = b"ID3", 10, 128  # the tag before the frames, its head; the tag behind them


@dataclass(frozen=True, slots=True)
class Sound:
    """What a recording is: its media type by its content, and its length in milliseconds."""

    media_type: str
    duration_ms: int


def read(content: bytes) -> Sound:
    """Return what the file is. Raises Invalid for a file that is no recording, or none of fit length."""
    if not content:
        raise _refused("The file is empty; choose the recording.")
    if len(content) > MOST_BYTES:
        raise _refused(f"A recording has {MOST_BYTES // 1_048_576} MB at the most; save it as MP3.")
    sound = _wav(content) if content[:4] == b"RIFF" else _mp3(content)
    seconds = sound.duration_ms / 1000
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise _refused(
            f"The recording lasts {seconds:.1f} s; an announcement lasts {SHORTEST_S} to {LONGEST_S} s."
        )
    return sound


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, field="file")


def _broken(what: str) -> Invalid:
    return _refused(f"The file is not whole: {what}. Save the recording anew as WAV or MP3.")


# WAV


def _wav(content: bytes) -> Sound:
    if content[8:12] != b"WAVE":
        raise _refused("The file is no WAV: it begins like one and holds something else.")
    if len(content) != 8 + int.from_bytes(content[4:8], "little"):
        raise _broken("its head tells another size than it has")
    byte_rate: int | None = None
    length: int | None = None
    beside = 0
    for name, at, size in _chunks(content):
        if name == b"fmt " and byte_rate is None:
            byte_rate = _byte_rate(content[at : at + size])
        elif name == b"data" and length is None and byte_rate is not None:
            length = size
        else:
            _check_other(name, byte_rate, length)
            beside += 8 + size
            _check_beside(beside)
    if byte_rate is None or length is None:
        raise _broken("there is no sound in it")
    return Sound(_WAV, length * 1000 // byte_rate)


def _check_other(name: bytes, byte_rate: int | None, length: int | None) -> None:
    """Raise Invalid for a chunk that some players would play and others not."""
    if name == b"data" and byte_rate is None:
        raise _broken("there is no sound in it")
    if name in (b"fmt ", b"data"):
        raise _broken("it has two heads or two sounds, and players differ in which of them they play")
    if length is not None and name not in _BEHIND:
        raise _broken("behind its sound stands what belongs to no recording")


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and size of each chunk; they fill the file to its last byte."""
    at = 12
    while at < len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        begins, ends = at + 8, at + 8 + size + size % 2
        # Some programs leave out the blank byte behind an odd last chunk.
        if begins > len(content) or ends > len(content) + size % 2:
            raise _broken("a part of it is longer than the file")
        yield content[at : at + 4], begins, size
        at = ends


def _byte_rate(head: bytes) -> int:
    """Return bytes a second by the chunk `fmt `. Raises Invalid unless it is plain PCM that adds up."""
    if len(head) < 16:
        raise _broken("its head is too short")
    kind, channels, rate, byte_rate, frame, bits = struct.unpack("<HHIIHH", head[:16])
    if kind != _PCM or channels not in _CHANNELS or bits not in _BITS or rate not in _RATES:
        raise _refused(
            "A WAV recording is plain PCM of 8, 16 or 24 bits, one or two channels, 8,000 to 48,000 samples "
            "a second; save it so, or as MP3."
        )
    if frame != channels * bits // 8 or byte_rate != rate * frame:
        raise _broken("its head contradicts itself")
    return int(byte_rate)


def _check_beside(n: int) -> None:
    if n > _MOST_BESIDE:
        raise _refused(
            f"The file holds {n} bytes beside its sound, such as pictures or notes; save it without them."
        )


# MP3


def _mp3(content: bytes) -> Sound:
    at, end = _first_frame(content), len(content)
    if content[-_ID3_END:][:3] == b"TAG":
        end -= _ID3_END
    if at > end:
        raise _broken("its tag is longer than the file")
    _check_beside(at)
    samples, rate, first = 0, 0, None
    while at < end:
        version, rate, size = _frame(content[at : at + 4])
        if first not in (None, (version, rate)):
            raise _broken("its rate changes within it")
        first, at = (version, rate), at + size
        samples += 1152 if version == 3 else 576
        if samples > (LONGEST_S + 1) * rate:
            raise _refused(f"The recording lasts longer than {LONGEST_S} s; make it shorter.")
    if at != end or not samples:
        raise _broken("it ends within its sound" if samples else "there is no sound in it")
    return Sound(_MP3, samples * 1000 // rate)


def _first_frame(content: bytes) -> int:
    """Return where the sound begins: behind the tag ID3v2, if there is one."""
    if content[:3] != _ID3:
        return 0
    sizes = content[6:_ID3_HEAD]
    if len(sizes) < 4 or max(sizes) > 127:
        raise _broken("its tag tells no size")
    size = sum(part << 7 * place for place, part in enumerate(reversed(sizes)))
    foot = _ID3_HEAD if content[5] & 0x10 else 0
    return _ID3_HEAD + size + foot


def _frame(head: bytes) -> tuple[int, int, int]:
    """Return version bits, samples a second and bytes of a frame of Layer III. Raises Invalid for none."""
    word = int.from_bytes(head, "big") if len(head) == 4 else 0
    version, layer = word >> 19 & 3, word >> 17 & 3
    bitrate, rate = word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version not in _SLOWER or layer != _LAYER_3:
        raise _refused(
            "The file is no recording as WAV or MP3, or holds something else beside its sound; save it anew "
            "as one of these."
        )
    if not 0 < bitrate < 15 or rate == 3:
        raise _broken("a frame of its sound tells no rate")
    samples_per_s = _FIRST_RATES[rate] // _SLOWER[version]
    size = (144 if version == 3 else 72) * _KBITS[version == 3][bitrate - 1] * 1000 // samples_per_s
    return version, samples_per_s, size + (word >> 9 & 1)
