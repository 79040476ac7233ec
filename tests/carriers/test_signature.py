"""Signatures are those of any other program, and compare without telling anything of the secret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given
from hypothesis import strategies as st

from carriers.signature import fresh, same, sign, signed

BODY = b'{"request_id":"SLA-1","status":"DELIVRD"}'


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    openssl = HMAC(b"s3cret", SHA256())
    openssl.update(b"1706500000." + BODY)
    assert sign("s3cret", "1706500000", BODY) == openssl.finalize().hex()


@pytest.mark.parametrize("spelling", ["{}", "sha256={}", "SHA256={}"])
def test_usual_spellings_of_a_signature_are_taken(spelling: str) -> None:
    made = sign("s3cret", "1706500000", BODY)
    assert signed("s3cret", "1706500000", BODY, spelling.format(made))
    assert signed("s3cret", "1706500000", BODY, spelling.format(made.upper()))


@pytest.mark.parametrize(
    ("secret", "timestamp", "body"),
    [("s3creT", "1706500000", BODY), ("s3cret", "1706500001", BODY), ("s3cret", "1706500000", BODY + b" ")],
)
def test_any_change_spoils_the_signature(secret: str, timestamp: str, body: bytes) -> None:
    assert not signed(secret, timestamp, body, sign("s3cret", "1706500000", BODY))


@pytest.mark.parametrize(
    ("timestamp", "good"),
    [
        ("1000", True),
        ("700", True),
        ("1300", True),
        ("699", False),
        ("1301", False),
        ("", False),
        ("-1000", False),
        ("1000.5", False),
        ("1e3", False),
        ("9" * 5000, False),
        ("\u0661\u0660\u0660\u0660", False),
    ],
)
def test_a_timestamp_is_fresh_within_the_window_on_either_side(timestamp: str, good: bool) -> None:
    assert fresh(timestamp, 1000.0, 300) is good


@pytest.mark.longer
@given(st.text(), st.text())
def test_only_equal_texts_are_the_same(one: str, other: str) -> None:
    assert same(one, other) is (one == other)
    assert same(one, one)


@pytest.mark.longer
@given(st.text(), st.binary(), st.text())
def test_nothing_that_is_sent_raises(timestamp: str, body: bytes, signature: str) -> None:
    assert not signed("s3cret", timestamp, body, signature)
    assert fresh(timestamp, 1000.0, 300) in (True, False)
