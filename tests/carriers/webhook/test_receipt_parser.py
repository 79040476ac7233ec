"""What can't be read is named by its place; whatever else was sent is still taken, and nothing raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import ReceiptsRead
from carriers.webhook import PRESETS, shape_of
from carriers.webhook.events import take
from tests.carriers.webhook.asking import FORM, asked, posted, told

GOOD = {"request_id": "a", "status": "DELIVRD"}


def faults(found: ReceiptsRead) -> list[tuple[str, str]]:
    return [(one.field, one.what) for one in found.misread]


@pytest.mark.parametrize(
    ("event", "field", "what"),
    [
        ({"request_id": "a"}, "status", "is missing."),
        ({"request_id": "a", "status": ""}, "status", "is missing."),
        ({"request_id": "a", "status": {}}, "status", "must be text or a whole number."),
        ({"request_id": "a", "status": 1.5}, "status", "must be text or a whole number."),
        ({"request_id": "a", "status": "x" * 41}, "status", "must have at most 40 characters"),
        ({"status": "DELIVRD"}, "request_id or message_id or msisdn", "is missing: the message"),
        (GOOD | {"request_id": float("nan")}, "request_id", "must be text or a whole number."),
        (GOOD | {"request_id": "x" * 129}, "request_id", "must have at most 128 characters"),
        (GOOD | {"request_id": "a\x00b"}, "request_id", "all of them printable"),
        (GOOD | {"request_id": "\ud800"}, "request_id", "all of them printable"),
        (GOOD | {"request_id": ["a"]}, "request_id", "must be text or a whole number."),
        (GOOD | {"msisdn": "12"}, "msisdn", "must be a number of Vietnam, such as 84912345678."),
        (GOOD | {"msisdn": "8491234567890"}, "msisdn", "must be a number of Vietnam"),
        ("DELIVRD", "status", "is missing."),
        (None, "status", "is missing."),
    ],
)
def test_the_field_and_its_place_are_named(event: object, field: str, what: str) -> None:
    found = told("generic", posted([GOOD, event, GOOD]))
    assert len(found.receipts) == 2
    ((where, said),) = faults(found)
    assert where == f"[1].{field}"
    assert what in said


def test_a_single_event_has_no_place() -> None:
    assert faults(told("generic", posted({"request_id": "a"}))) == [("status", "is missing.")]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_that_says_nothing_lacks_its_status(method: str) -> None:
    assert faults(told("generic", asked(method), source="any")) == [("status", "is missing.")]


def test_the_way_to_the_array_is_part_of_the_place() -> None:
    assert faults(told("vietguys", posted({"data": [{"message_id": "a"}]}))) == [
        ("data[0].status", "is missing.")
    ]


def test_what_was_sent_is_never_repeated() -> None:
    found = told("generic", posted(GOOD | {"msisdn": "84912345678901"}))
    assert "84912345678901" not in str(found)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"9" * 10_000, "not valid JSON"),
        (b"17", "must be a JSON object, or an array"),
        (b'"DELIVRD"', "must be a JSON object, or an array"),
        (b"null", "must be a JSON object, or an array"),
    ],
)
def test_a_body_that_is_no_json_of_events_is_refused_whole(body: bytes, words: str) -> None:
    found = told("generic", asked(body=body, content_type="application/json"))
    assert not found.receipts
    ((field, what),) = faults(found)
    assert field == ""
    assert words in what


@pytest.mark.parametrize("body", [b"status=%ff&request_id=a", b"\xff=1", b"&a=" * 300 + b"&b=1" * 300])
def test_a_form_that_is_none_is_refused_whole(body: bytes) -> None:
    found = told("generic", asked(body=body, content_type=FORM))
    assert not found.receipts
    assert faults(found) == [("", "The form must be UTF-8, of at most 200 fields.")]


@pytest.mark.longer
def test_an_array_beyond_the_limit_is_refused_whole() -> None:
    assert len(told("generic", posted([GOOD] * 5000)).receipts) == 5000
    found = told("generic", posted([GOOD] * 5001))
    assert not found.receipts
    assert faults(found) == [("", "The array has 5001 events; send at most 5000 at once.")]
    assert told("generic", posted([GOOD] * 3), most_events=2).misread


def test_an_empty_array_says_nothing_and_is_no_fault() -> None:
    assert told("generic", posted([])) == ReceiptsRead([], [])


def test_the_carriers_own_words_become_storable() -> None:
    (receipt,) = told("generic", posted(GOOD | {"error": "a\x00b\nc\ud800d" + "x" * 200})).receipts
    assert receipt.code == ("DELIVRD/a b c d" + "x" * 200)[:80]
    assert "\x00" not in receipt.raw
    receipt.raw.encode()


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["request_id", "message_id", "msisdn", "status", "error", "done_at", "data", "Status"]
)
EVENTS = st.dictionaries(NAMES, ANY)


def storable(found: ReceiptsRead) -> None:
    """What any database takes: nothing without a name, no NUL, no half character, bounded."""
    for receipt in found.receipts:
        assert receipt.reference or receipt.phone
        for text in (receipt.reference or "", receipt.code, receipt.raw):
            assert "\x00" not in text
            text.encode()
            assert len(text) <= 1000
        assert receipt.phone is None or 84_100_000_000 <= int(receipt.phone) <= 84_999_999_999
        assert receipt.done_at is None or 2000 <= receipt.done_at.year < 2100


@pytest.mark.longer
@given(st.sampled_from(list(PRESETS)), EVENTS | st.lists(EVENTS, max_size=5) | ANY)
def test_any_document_gives_receipts_or_faults(format_: str, document: object) -> None:
    found = told(format_, asked(body=json.dumps(document).encode(), content_type="application/json"))
    storable(found)
    no_events = take(document, shape_of("x", format_, {}).events) == []
    assert found.receipts or found.misread or no_events


@pytest.mark.longer
@given(st.sampled_from(list(PRESETS)), st.binary(), st.text(), st.sampled_from([FORM, "text/plain", ""]))
def test_any_bytes_give_receipts_or_faults(format_: str, body: bytes, query: str, kind: str) -> None:
    storable(told(format_, asked(body=body, query=query, content_type=kind)))
