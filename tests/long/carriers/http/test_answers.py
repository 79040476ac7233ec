"""Answers: read within bounds, unpacked within bounds, and what each HTTP status says."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from carriers.contract import Accepted, Deferred, Halted, LinkError, OutboundSms, Unknown
from carriers.http import HttpAnswer, failure_of, quoted
from tests.carriers.http.peer import OK, Peer, answering, letters, link, page

GZIP = "Content-Encoding: gzip"
MEGABYTE = 1_000_000


async def result_of(data: bytes, **options: object) -> object:
    async with Peer(answering(data, then_close=True)) as peer, link(peer.url, **options) as carrier:
        (result,) = await carrier.submit(letters(1))
        assert len(peer.requests) == 1
    return result


async def test_an_answer_of_ten_megabytes_is_unknown_and_not_kept() -> None:
    tracemalloc.start()
    result = await result_of(page(b"ok" + b" " * 10 * MEGABYTE), longest_answer_kb=64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(result, Unknown)
    assert "longer than 64 kB" in result.reason
    assert peak < 25 * MEGABYTE  # the answer itself, twice: as this test holds it and as the peer sends it


@pytest.mark.prove
async def test_a_bomb_of_gzip_is_not_unpacked() -> None:
    bomb = page(gzip.compress(b"ok" + b" " * 200 * MEGABYTE, 9), GZIP)
    tracemalloc.start()
    result = await result_of(bomb, longest_answer_kb=64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(result, Unknown)
    assert peak < 5 * MEGABYTE


async def test_an_answer_as_long_as_is_allowed_is_read() -> None:
    body = b"ok" + b" " * (64 * 1024 - 2)
    assert await result_of(page(body), longest_answer_kb=64) == Accepted()
    assert await result_of(page(gzip.compress(body), GZIP), longest_answer_kb=64) == Accepted()
    assert isinstance(await result_of(page(body + b" "), longest_answer_kb=64), Unknown)
    assert isinstance(await result_of(page(gzip.compress(body + b" "), GZIP), longest_answer_kb=64), Unknown)


@pytest.mark.parametrize(
    "data",
    [
        page(b"ok", "Content-Type: image/png"),
        page(b"\xef\xbb\xbfok", "Content-Type: text/plain"),
        page(gzip.compress(b"ok"), GZIP),
        page(gzip.compress(b"ok"), "Content-Encoding: X-GZIP"),
        page(zlib.compress(b"ok"), "Content-Encoding: deflate"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
    ids=["wrong type", "byte order mark", "gzip", "x-gzip", "deflate", "chunks", "no length", "continue"],
)
async def test_the_right_words_are_read_in_any_guise(data: bytes) -> None:
    assert await result_of(data) == Accepted()


@pytest.mark.parametrize(
    "data",
    [
        page(b"ok", GZIP),
        page(gzip.compress(b"ok")[:-9], GZIP),
        page(b"ok", "Content-Encoding: br"),
        page(b"<html>502</html>", "Content-Type: text/html"),
        page(b""),
        page(b"\xff\xfe\x00"),
    ],
    ids=["no gzip", "cut gzip", "another packing", "a page", "nothing", "no text"],
)
async def test_what_can_not_be_read_is_unknown(data: bytes) -> None:
    assert isinstance(await result_of(data), Unknown)


STATUSES = [
    *((status, Unknown) for status in (201, 202, 204, 299, 500, 501, 502, 503, 504, 505, 507, 520, 599)),
    *((status, Unknown) for status in (301, 302, 303, 307, 308, 304)),
    *((status, Unknown) for status in (406, 408, 409, 412, 418, 423, 424, 425, 429, 444, 460, 499)),
    *((status, Halted) for status in (400, 401, 403, 404, 405, 407, 410, 413, 415, 421, 422, 451)),
]


@pytest.mark.prove
@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_every_status_says_of_messages_what_it_says_everywhere(status: int, kind: type) -> None:
    result = await result_of(page(b"", status=f"{status} Whatever"))
    assert type(result) is kind


def test_only_too_fast_slows_the_link_and_only_trouble_uses_up_patience() -> None:
    said = {"own": "throttled"}
    assert failure_of(HttpAnswer(429, b"", **said)) == Deferred("http 429", 1.0, throttled=True)
    far = HttpAnswer(429, b"", retry_after_s=1e9, **said)
    assert failure_of(far) == Deferred("http 429", 3600.0, throttled=True)
    early = HttpAnswer(425, b"", retry_after_s=7.0, own="deferred")
    assert failure_of(early) == Deferred("http 425", 7.0, counts=True)
    assert failure_of(HttpAnswer(429, b"")) == Unknown("the carrier answered with HTTP 429", throttled=True)
    assert failure_of(HttpAnswer(425, b"")) == Unknown("the carrier answered with HTTP 425")
    assert failure_of(HttpAnswer(200, b"")) is None


@pytest.mark.parametrize("said", ["soon", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "\u0661"])
async def test_a_strange_retry_after_means_a_second(said: str) -> None:
    data = page(b"", f"Retry-After: {said}", status="429 Busy")
    result = await result_of(data, http_statuses={429: "throttled"})
    assert result == Deferred("http 429", 1.0, throttled=True)


async def test_after_a_429_the_link_sends_nothing_for_as_long_as_it_says_or_for_a_second() -> None:
    """The message may have been taken, so each further 429 would cost another unknown one."""
    for header, least_s, most_s in ((), 0.5, 1.0), (("Retry-After: 60",), 50, 60):
        busy = page(b"", *header, status="429 Too Many Requests")
        async with Peer(answering(busy)) as peer, link(peer.url, in_flight=1) as carrier:
            (first,) = await carrier.submit(letters(1))
            assert first == Unknown("the carrier answered with HTTP 429", throttled=True)
            later = await carrier.submit(letters(20))
            assert len(peer.requests) == 1
            assert {type(each) for each in later} == {Deferred}
            assert isinstance(refusal := carrier.refusal(), Deferred)
            assert least_s < refusal.retry_after_s <= most_s


OWN_WORDS = [
    ("503", "deferred", "503 Busy", Deferred("http 503", 7.0, counts=True)),
    (503, "throttled", "503 Busy", Deferred("http 503", 7.0, throttled=True)),
    ("408", "deferred", "408 Slow", Deferred("http 408", 7.0, counts=True)),
    ("403", "unknown", "403 No", Unknown("the carrier answered with HTTP 403")),
    ("302", "deferred", "302 Night", Deferred("http 302", 7.0, counts=True)),
]


@pytest.mark.parametrize(("status", "word", "said", "result"), OWN_WORDS)
async def test_the_links_settings_say_what_this_carriers_status_means(
    status: object, word: str, said: str, result: object
) -> None:
    data = page(b"", "Retry-After: 7", status=said)
    assert await result_of(data, http_statuses={status: word}) == result
    assert isinstance(await result_of(page(b"", status="504 Late"), http_statuses={status: word}), Unknown)


@pytest.mark.parametrize(
    "table", [{"200": "deferred"}, {"5xx": "deferred"}, {"503": "retry"}, "503", {"99": "halted"}]
)
async def test_a_table_of_statuses_that_can_not_be_meant_names_the_setting(table: object) -> None:
    with pytest.raises(LinkError, match="http_statuses must"):
        async with link("http://127.0.0.1:9", http_statuses=table):
            pass


def sms(phone: str, text: str = "A", sender: str = "CONGAN") -> OutboundSms:
    return OutboundSms(phone, text, sender)


async def test_neighbours_of_one_text_and_sender_go_out_together() -> None:
    parcel = [
        *(sms(f"84912340{n:03d}") for n in range(5)),
        sms("84912340010", "B"),
        *(sms(f"84912340{n:03d}", "B", "LOA") for n in (11, 12, 13)),
        sms("84912340014"),
    ]
    async with Peer() as peer, link(peer.url, per_submit=3, in_flight=1) as carrier:
        assert carrier.limits.per_submit == 3
        assert await carrier.submit(parcel) == [Accepted()] * 10
        groups = [[phone[-2:] for phone in request.said["to"]] for request in peer.requests]
    assert groups == [["00", "01", "02"], ["03", "04"], ["10"], ["11", "12", "13"], ["14"]]


async def test_a_fault_of_an_adapter_is_raised_when_nothing_is_under_way_any_more() -> None:
    async def slow(wire, request) -> None:  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.05)
        wire.send(OK)

    broken = OutboundSms("84912340001", object(), "CONGAN")  # type: ignore[arg-type]
    async with Peer(slow) as peer, link(peer.url, in_flight=1) as carrier:
        with pytest.raises(TypeError):
            await carrier.submit([broken, *letters(3)])
        assert len(peer.requests) == 3
        assert await carrier.submit(letters(1)) == [Accepted()]


def test_a_quotation_is_short_and_holds_neither_secrets_nor_numbers() -> None:
    words = "User loa\r\n with s3cr3t!! may not send to 84912340001 \x00" + "x" * 200
    assert (
        quoted(words, "s3cr3t!!", "")
        == ("User loa with [redacted] may not send to [number] " + "x" * 200)[:80]
    )


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("trace f0143856475b of 84912340001", "trace f0143856475b of [number]"),
        ("402 0912 340 001 and +84 91-234-00-01", "402 [number] and +[number]"),
        ("account0912340001 at 10.20.30.40:8080", "account[number] at 10.20.30.40:8080"),
    ],
)
def test_a_quotation_keeps_the_hexadecimal_id_of_a_request(words: str, kept: str) -> None:
    assert quoted(words) == kept
