"""Recordings are WAV or MP3 to their last byte, of a length that an announcement may have."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.core import audio
from app.core.audio import Sound
from app.core.errors import Invalid
from tests.sounds import FRAME, RATE, mp3, wav

_HEAD = 44  # bytes before the sound of a plain WAV file


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    inside = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def fmt(
    kind: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, byte_rate: int | None = None
) -> bytes:
    frame = channels * bits // 8
    told = rate * frame if byte_rate is None else byte_rate
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, told, frame, bits))


DATA = chunk(b"data", bytes(2 * RATE * 2))


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        (wav(2.5), Sound("audio/wav", 2500)),
        (wav(1, rate=44_100), Sound("audio/wav", 1000)),
        (wav(180), Sound("audio/wav", 180_000)),
        (riff(fmt(), chunk(b"LIST", b"INFOISFT"), DATA), Sound("audio/wav", 2000)),
        (riff(fmt(), DATA, *(chunk(name, b"12") for name in (b"LIST", b"id3 "))), Sound("audio/wav", 2000)),
        (riff(fmt(channels=2), DATA), Sound("audio/wav", 1000)),
        (riff(fmt(bits=8), DATA), Sound("audio/wav", 4000)),
        (mp3(80), Sound("audio/mpeg", 80 * 1152 * 1000 // 44_100)),
        (mp3(80, tag=b"TIT2" + bytes(60)), Sound("audio/mpeg", 80 * 1152 * 1000 // 44_100)),
        (mp3(80) + b"TAG" + bytes(125), Sound("audio/mpeg", 80 * 1152 * 1000 // 44_100)),
        # MPEG 2, 64 kbit/s, 22,050 samples a second: 208 bytes and 576 samples each.
        ((b"\xff\xf3\x80\xc0" + bytes(204)) * 80, Sound("audio/mpeg", 80 * 576 * 1000 // 22_050)),
    ],
)
def test_a_recording_is_known_by_its_content_with_its_length(content: bytes, sound: Sound) -> None:
    assert audio.read(content) == sound


PAGE = b"<html><script>alert(1)</script></html>"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (PAGE, "no recording"),
        (b"%PDF-1.7\n" + mp3(80), "no recording"),
        (b"PK\x03\x04" + bytes(60_000), "no recording"),
        (b"MZ" + bytes(60_000), "no recording"),
        (b"OggS" + bytes(60_000), "no recording"),
        (b"RIFF" + struct.pack("<I", 60_004) + b"AVI " + bytes(60_000), "holds something else"),
        (bytes(audio.MOST_BYTES + 1), "10 MB at the most"),
        # Two files in one: sound for a player, something else for whoever looks at the end.
        (mp3(80) + PAGE, "something else beside its sound"),
        (mp3(80) + b"PK\x03\x04" + bytes(500), "something else beside its sound"),
        (wav(2) + PAGE, "another size"),
        (riff(fmt(), DATA, chunk(b"junk", PAGE * 2000)), "beside its sound"),
        (mp3(80, tag=PAGE * 2000), "beside its sound"),
        # Heads that promise more than there is, or contradict themselves.
        (b"RIFF" + b"\xff\xff\xff\xff" + wav(2)[8:], "another size"),
        (riff(fmt(), b"data" + b"\xff\xff\xff\xff" + bytes(32_000)), "longer than the file"),
        (b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + FRAME * 80, "tag is longer than the file"),
        (b"ID3\x04\x00\x00\xff\xff\xff\xff" + FRAME * 80, "tells no size"),
        (riff(fmt(byte_rate=1), DATA), "contradicts itself"),
        (riff(fmt(byte_rate=0), DATA), "contradicts itself"),
        (riff(fmt(kind=85), DATA), "plain PCM"),
        (riff(fmt(channels=0), DATA), "plain PCM"),
        (riff(fmt(rate=0), DATA), "plain PCM"),
        (riff(chunk(b"fmt ", b"\x01\x00"), DATA), "too short"),
        (riff(DATA, fmt()), "no sound"),
        (riff(fmt()), "no sound"),
        # Players differ in which of two they play.
        (riff(fmt(), DATA, DATA), "two heads or two sounds"),
        (riff(fmt(), DATA, chunk(b"data", b"")), "two heads or two sounds"),
        (riff(fmt(), fmt(rate=2 * RATE), DATA), "two heads or two sounds"),
        (riff(fmt(), DATA, fmt()), "two heads or two sounds"),
        (riff(DATA, fmt(), DATA), "no sound"),
        (riff(fmt(), DATA, chunk(b"DATA", b"1234")), "behind its sound"),
        (riff(fmt(), DATA, PAGE[:4] + struct.pack("<I", 0)), "behind its sound"),
        (wav(2)[:_HEAD] + wav(2)[_HEAD:-100], "another size"),
        (mp3(80)[:-100], "ends within its sound"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", "no sound"),
        (mp3(80) + b"\xff\xfb\x94\xc0" + bytes(380), "its rate changes"),
        ((b"\xff\xfb\x00\xc0" + bytes(413)) * 80, "tells no rate"),
        ((b"\xff\xfb\xf0\xc0" + bytes(413)) * 80, "tells no rate"),
        ((b"\xff\xfb\x9c\xc0" + bytes(413)) * 80, "tells no rate"),
        # Of another length than an announcement's.
        (wav(0.5), "lasts 0.5 s"),
        (wav(181), "lasts 181.0 s"),
        (mp3(10), "lasts 0.3 s"),
        (mp3(9000), "longer than 180 s"),
        # Very many very small parts.
        (riff(fmt(), *([chunk(b"junk", b"")] * 100_000), DATA), "beside its sound"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        audio.read(content)
    assert caught.value.field == "file"


@pytest.mark.longer
@given(some.binary(max_size=2000), some.sampled_from([b"", b"RIFF", b"ID3", FRAME, wav(1), mp3(40)]))
def test_no_file_does_more_than_be_refused(rest: bytes, head: bytes) -> None:
    try:
        found = audio.read(head + rest)
    except Invalid:
        return
    assert audio.SHORTEST_S * 1000 <= found.duration_ms <= audio.LONGEST_S * 1000


@pytest.mark.longer
@given(some.integers(0, len(wav(1)) - 1), some.integers(0, 255))
def test_one_changed_byte_of_a_head_never_makes_another_length_of_a_wav(at: int, value: int) -> None:
    content = bytearray(wav(1.5))
    content[at] = value
    try:
        found = audio.read(bytes(content))
    except Invalid:
        return
    assert len(content) - _HEAD == found.duration_ms * 2 * RATE // 1000 or at < _HEAD
