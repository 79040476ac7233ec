"""Webhooks to a real endpoint: signed as the specification's own library reads it, to open addresses only."""

from __future__ import annotations

import base64
import json
from ipaddress import ip_address

import pytest
from standardwebhooks.webhooks import Webhook

from app.core.config import EndpointSettings
from app.notifications import sender
from app.notifications.outbox import Later, Never, Notice, NotificationChannel, Outcome, Sent
from app.notifications.sender import AddressRefused, is_open, resolve
from tests.app.notifications.servers import endpoint
from tests.ports import refusing

SECRET = "whsec_" + base64.b64encode(b"an invented secret of 32 bytes!!").decode()
PAYLOAD = {
    "type": "directive.due",
    "timestamp": "2024-02-21T17:00:00+07:00",
    "data": {"missing": ["Sở Tư pháp"]},
}
NOTICE = Notice(
    "directive/1/due/3/endpoint/desk", "directive.due", NotificationChannel.WEBHOOK, "desk", PAYLOAD
)


async def posted(url: str, *, private: bool = True) -> Outcome:
    return await sender.post(EndpointSettings(url=url, secret=SECRET), NOTICE, private=private)


async def test_the_specifications_own_library_takes_the_signature() -> None:
    with endpoint() as told:
        assert await posted(told.url) == Sent()
    [(headers, body)] = told.requests
    assert Webhook(SECRET).verify(body, headers) == PAYLOAD
    assert json.loads(body) == PAYLOAD
    assert headers["host"] == f"127.0.0.1:{told.port}"


async def test_a_repetition_bears_the_same_id_and_bytes() -> None:
    with endpoint(500) as told:
        assert isinstance(await posted(told.url), Later)
        assert await posted(told.url) == Sent()
    (first, body), (second, again) = told.requests
    assert first["webhook-id"] == second["webhook-id"]
    assert body == again


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Sent()),
        (503, {"Retry-After": "120"}, Later("The endpoint answered with status 503.", 120.0)),
        (503, {"Retry-After": "tomorrow"}, Later("The endpoint answered with status 503.", 0.0)),
        (429, {"Retry-After": "999999999"}, Later("The endpoint answered with status 429.", 86_400.0)),
        (400, {}, Later("The endpoint answered with status 400.")),
        (302, {"Location": "http://127.0.0.1:1/"}, Later("The endpoint answered with status 302.")),
        (410, {}, Never("The endpoint answered with status 410.")),
    ],
)
async def test_what_the_endpoint_answers_decides(
    status: int, headers: dict[str, str], outcome: Outcome
) -> None:
    with endpoint((status, headers)) as told:
        assert await posted(told.url) == outcome


async def test_an_endpoint_that_is_away_is_tried_again_later() -> None:
    with refusing() as port:
        found = await posted(f"http://127.0.0.1:{port}/")
    assert isinstance(found, Later)
    assert SECRET not in found.reason


async def test_an_inner_address_gets_nothing() -> None:
    with endpoint() as told:
        found = await posted(told.url, private=False)
        named = await posted(f"http://localhost:{told.port}/", private=False)
    assert told.requests == []
    for refused in (found, named):
        assert isinstance(refused, Later)  # its settings may be corrected meanwhile
        assert "private_endpoints" in refused.reason


async def test_a_name_is_looked_up_and_judged() -> None:
    assert await resolve("localhost", 80, private=True) in ("127.0.0.1", "::1")
    with pytest.raises(AddressRefused):
        await resolve("localhost", 80, private=False)


@pytest.mark.parametrize(
    ("address", "open_"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("10.0.0.1", False),
        ("172.16.5.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("192.0.0.192", False),
        ("192.88.99.1", False),
        ("168.63.129.16", False),
        ("100.100.100.200", False),
        ("::ffff:192.0.0.192", False),
        ("64:ff9b::c000:c0", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("::8.8.8.8", False),
        ("64:ff9b:1::1", False),
        ("fec0::1", False),
        ("::ffff:0:127.0.0.1", False),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),
        ("3fff::1", False),
        ("3fff:fff::1", False),
        ("5f00::1", False),
    ],
)
def test_only_addresses_of_the_open_internet_are_taken(address: str, open_: bool) -> None:
    assert is_open(ip_address(address)) is open_


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "plain", "whsec_" + "!" * 40])
def test_a_weak_secret_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        EndpointSettings(url="https://x.example/", secret=secret)
