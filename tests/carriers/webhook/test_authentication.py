"""Who may call: all that is configured must be right, in any combination, and nothing of it is shown."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import WebhookRequest
from carriers.signature import sign
from carriers.webhook import MappedWebhook, WebhookCredentials, shape_of
from tests.carriers.webhook.asking import NOW, asked

SECRET, LOGIN, TOKEN = "hmac-secret-0123456", "carrier:basic-password-01", "path-token-0123456"
ALL = WebhookCredentials(SECRET, basic=LOGIN, token=TOKEN, networks=(ip_network("203.0.113.0/24"),))
BODY = b'{"request_id":"a","status":"DELIVRD"}'


def right(at: float = NOW, payload: bytes = BODY, **more: str) -> WebhookRequest:
    """A request with everything that is asked for."""
    stamp = str(int(at))
    headers = {
        "x_loa_timestamp": stamp,
        "x_loa_signature": sign(SECRET, stamp, payload),
        "authorization": "Basic " + b64encode(LOGIN.encode()).decode(),
        "token": TOKEN,
        "peer": "203.0.113.7",
    }
    return asked(body=BODY, **headers | more)


WRONG = {
    "hmac_secret": {"x_loa_signature": sign("another-secret-01234", str(int(NOW)), BODY)},
    "basic": {"authorization": "Basic " + b64encode(b"carrier:no").decode()},
    "token": {"token": TOKEN + "x"},
    "networks": {"peer": "198.51.100.7"},
}


@pytest.mark.parametrize("asked_for", list(product([False, True], repeat=4)))
def test_all_that_is_configured_must_be_right_and_nothing_else(asked_for: tuple[bool, ...]) -> None:
    names = [name for name, wanted in zip(WRONG, asked_for, strict=True) if wanted]
    locks = replace(WebhookCredentials(), **{name: getattr(ALL, name) for name in names})
    assert locks.any() is bool(names)
    assert locks.admit(right(), BODY)
    for name, wrong in WRONG.items():
        assert locks.admit(right(**wrong), BODY) is (name not in names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x_loa_signature": ""},
        {"x_loa_timestamp": ""},
        {"x_loa_timestamp": "yesterday"},
        {"authorization": ""},
        {"authorization": "Bearer abc"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic /w=="},
        {"token": ""},
        {"peer": ""},
        {"peer": "nowhere"},
        {"peer": "::1"},
    ],
)
def test_what_is_missing_or_senseless_is_wrong(wrong: dict[str, str]) -> None:
    assert ALL.admit(right(), BODY)
    assert not ALL.admit(right(**wrong), BODY)


@pytest.mark.parametrize(
    ("age_s", "good"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_a_signature_is_good_for_the_replay_window(age_s: int, good: bool) -> None:
    assert ALL.admit(right(at=NOW - age_s), BODY) is good
    assert replace(ALL, replay_window_s=400).admit(right(at=NOW - age_s), BODY)


def test_the_names_of_the_headers_are_settings() -> None:
    locks = WebhookCredentials(SECRET, timestamp_header="x-time", signature_header="x-hub-signature-256")
    request = asked(
        body=BODY, x_time="1706500000", x_hub_signature_256="sha256=" + sign(SECRET, "1706500000", BODY)
    )
    assert locks.admit(request, BODY)


def test_where_the_query_is_read_it_is_what_is_signed() -> None:
    webhook = MappedWebhook(WebhookCredentials(SECRET), shape_of("x", "esms", {}))
    stamp, query = str(int(NOW)), "SMSID=e1&SendStatus=5"
    headers = {"x_loa_timestamp": stamp, "x_loa_signature": sign(SECRET, stamp, query.encode())}
    assert webhook.authenticate(asked("GET", query=query, **headers))
    assert not webhook.authenticate(asked("GET", query=query + "&SendSuccess=1", **headers))
    assert not webhook.authenticate(asked("POST", body=query.encode(), query="SMSID=other", **headers))


def test_no_secret_is_in_a_repr() -> None:
    shown = repr(MappedWebhook(ALL, shape_of("x", "generic", {})))
    assert not any(secret in shown for secret in (SECRET, LOGIN, "basic-password-01", TOKEN))


@pytest.mark.longer
@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_no_stranger_gets_in(stamp: str, signature: str, authorization: str, token: str, peer: str) -> None:
    request = right(
        x_loa_timestamp=stamp, x_loa_signature=signature, authorization=authorization, token=token, peer=peer
    )
    assert not ALL.admit(request, BODY)
