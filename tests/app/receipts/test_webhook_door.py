"""Who may bring receipts, how much at once, and what strangers learn: nothing."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
from typing import Any

import pytest
from sqlalchemy import select, update

from app.api.client_address import peer_of
from app.core import clock
from app.core.config import Settings
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import links, webhook_clocks
from app.observability import logs
from app.observability.link_status import facts
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from tests.app.dispatch.paper import until
from tests.app.receipts.hooks import (
    ACKNOWLEDGED,
    DOOR,
    SECRET,
    TOKEN,
    door,
    event,
    kept,
    problem,
    sent,
    settings_of,
    signed,
)
from tests.engines import sqlite_alone

database_url = sqlite_alone

LOGIN = {"basic_user": "carrier", "basic_password": "basic-password-01"}
BODY = json.dumps(event(2)).encode()
DELIVERED, SUBMITTED = int(DeliveryState.DELIVERED), int(DeliveryState.SUBMITTED)


def text_of(answer: Any) -> dict[str, Any]:
    """The problem without its request id, which differs each time."""
    return {name: value for name, value in answer.json().items() if name != "request_id"}


@pytest.mark.longer
async def test_a_forged_call_is_refused_counted_and_changes_nothing(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        for path in (DOOR, f"{DOOR}/another-token-0123", f"{DOOR}/{TOKEN[:-1]}"):
            problem(await there.http.post(path, content=BODY), 403, "webhook-refused")
        assert 'loa_webhooks_total{answer="refused"} 3.0' in there.counted()
    assert world.delivery(2)["state"] == SUBMITTED
    assert kept(db) == (0, 0)


@pytest.mark.longer
async def test_nobody_learns_which_links_there_are(db: Database) -> None:
    world = sent(db, 1)
    paths = [DOOR, f"/webhooks/viettel/other/{TOKEN}", f"/webhooks/vnpt/viettel-1/{TOKEN}", "/webhooks/x/y/z"]
    async with door(db, world) as there:
        answers = [await there.http.request(how, path) for path in paths for how in ("GET", "POST")]
    assert {answer.status_code for answer in answers} == {403}
    assert all(text_of(answer) == text_of(answers[0]) for answer in answers)
    assert all(set(answer.headers) == set(answers[0].headers) for answer in answers)


@pytest.mark.longer
async def test_a_stranger_s_body_is_not_even_looked_at(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        for body in (b"{", b"[" * 100_000, b"\xff", b"[]"):
            problem(await there.http.post(DOOR, content=body), 403, "webhook-refused")


async def test_a_signed_call_is_taken_and_its_repetition_is_harmless(db: Database) -> None:
    world = sent(db, 1)
    headers = signed(BODY)
    async with door(db, world, settings_of({"hmac_secret": SECRET})) as there:
        for _ in range(2):
            assert (await there.http.post(DOOR, content=BODY, headers=headers)).content == ACKNOWLEDGED
        assert 'loa_webhooks_total{answer="repeated"} 1.0' in there.counted()
    assert world.delivery(2)["state"] == DELIVERED
    assert kept(db) == (1, 0)
    world.check()


@pytest.mark.longer
async def test_a_signature_is_refused_when_body_or_time_are_not_its_own(db: Database) -> None:
    world = sent(db, 1)
    old = signed(BODY, clock.now().timestamp() - 400)
    async with door(db, world, settings_of({"hmac_secret": SECRET})) as there:
        for body, headers in ((BODY + b" ", signed(BODY)), (BODY + b" ", old), (BODY, {})):
            problem(await there.http.post(DOOR, content=body, headers=headers), 403, "webhook-refused")
        problem(await there.http.post(DOOR, content=BODY, headers=old), 503, "webhook-clock")
    assert kept(db) == (0, 0)
    wider = settings_of({"hmac_secret": SECRET, "replay_window_s": 1000})
    async with door(db, world, wider) as there:
        assert (await there.http.post(DOOR, content=BODY, headers=old)).content == ACKNOWLEDGED


@pytest.mark.longer
async def test_a_carrier_whose_clock_is_a_day_wrong_is_told_and_is_seen_until_it_is_right(
    db: Database,
) -> None:
    world = sent(db, 1)
    late = signed(BODY, clock.now().timestamp() - 86_400)

    def remark() -> str:
        return db.read(facts)[world.link.id].remark or ""

    async with door(db, world, settings_of({"hmac_secret": SECRET})) as there:
        for _ in range(3):
            answer = await there.http.post(DOOR, content=BODY, headers=late)
            assert re.search(
                r"864\d\d seconds before Loa's clock", problem(answer, 503, "webhook-clock")["detail"]
            )
            assert int(answer.headers["Retry-After"]) > 0
        await until(lambda: "(3 calls so far)" in remark())
        assert re.search(r"clock is 144\d min behind Loa's", remark())
        assert db.read(facts)[world.link.id].remark_since is not None
        assert 'loa_webhooks_total{answer="clock"} 3.0' in there.counted()
        answer = await there.http.post(DOOR, content=BODY, headers=signed(BODY))
        assert answer.content == ACKNOWLEDGED
        count = select(webhook_clocks.c.times, webhook_clocks.c.over_at)
        times, over_at = db.read(lambda c: tuple(c.execute(count).one()))
        assert (times, over_at is not None) == (3, True)
    db.write(lambda c: c.execute(update(webhook_clocks).values(last_at=webhook_clocks.c.last_at - 61_000)))
    assert remark() == ""
    assert world.delivery(2)["state"] == DELIVERED


@pytest.mark.longer
async def test_of_several_credentials_all_must_be_right(db: Database) -> None:
    world = sent(db, 1)
    everything = {"hmac_secret": SECRET, "token": TOKEN, "networks": ["203.0.113.0/24"], **LOGIN}
    path, login = f"{DOOR}/{TOKEN}", ("carrier", "basic-password-01")
    async with door(db, world, settings_of(everything)) as there:
        post = there.http.post
        for answer in (
            await post(path, content=BODY, headers=signed(BODY)),
            await post(path, content=BODY, auth=login),
            await post(DOOR, content=BODY, headers=signed(BODY), auth=login),
        ):
            problem(answer, 403, "webhook-refused")
        assert (await post(path, content=BODY, headers=signed(BODY), auth=login)).content == ACKNOWLEDGED


@pytest.mark.parametrize(("network", "status"), [("203.0.113.7/32", 200), ("198.51.100.0/24", 403)])
async def test_the_address_of_the_connection_counts_not_what_the_caller_writes(
    db: Database, network: str, status: int
) -> None:
    world = sent(db, 1)
    said = {"X-Forwarded-For": "198.51.100.9"}
    async with door(db, world, settings_of({"networks": [network]})) as there:
        assert (await there.http.post(DOOR, content=BODY, headers=said)).status_code == status


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("198.51.100.9", 200),
        ("198.51.100.9, 203.0.113.8", 200),
        ("198.51.100.9, 192.0.2.1", 403),
        ("192.0.2.1", 403),
        ("", 403),
        ("rubbish", 403),
    ],
)
async def test_behind_a_trusted_proxy_the_last_untrusted_address_counts(
    db: Database, forwarded: str, status: int
) -> None:
    world = sent(db, 1)
    settings = settings_of({"networks": ["198.51.100.0/24"]}, trusted_proxies=["203.0.113.0/24"])
    async with door(db, world, settings) as there:
        answer = await there.http.post(DOOR, content=BODY, headers={"X-Forwarded-For": forwarded})
        assert answer.status_code == status


def test_an_address_is_the_same_over_an_ipv6_socket() -> None:
    trusted = settings_of(trusted_proxies=["10.0.0.1"]).trusted_proxies
    assert peer_of("::ffff:203.0.113.7", "", ()) == "203.0.113.7"
    assert peer_of("::ffff:10.0.0.1", "2001:db8::7", trusted) == "2001:db8::7"
    assert peer_of("::ffff:rubbish", "", trusted) == "::ffff:rubbish"


@pytest.fixture
def log() -> io.StringIO:
    """All that is logged, as in production."""
    said = io.StringIO()
    logs.configure(Settings(), said)
    return said


@pytest.mark.longer
async def test_no_secret_and_no_phone_reaches_the_log(db: Database, log: io.StringIO) -> None:
    world = sent(db, 1)
    everything = {"hmac_secret": SECRET, "token": TOKEN, **LOGIN}
    login = ("carrier", "basic-password-01")
    async with door(db, world, settings_of(everything)) as there:
        await there.http.post(f"{DOOR}/{TOKEN}", content=BODY, headers=signed(BODY), auth=login)
        await there.http.get(f"{DOOR}/{TOKEN}", params=event(2), headers=signed(BODY))
        await there.http.post(f"/webhooks/viettel/{TOKEN}/{TOKEN}/{TOKEN}", content=BODY)
        shown = (
            json.dumps(there.app.openapi())
            + repr(there.app.state.webhook_handler)
            + repr(settings_of(everything))
        )
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["path"] for line in lines if line["event"] == "request"][:2] == [f"{DOOR}/[redacted]"] * 2
    said = log.getvalue() + shown
    secrets = (SECRET, "basic-password-01", signed(BODY)["X-Loa-Signature"], str(event(2)["msisdn"]))
    assert not [secret for secret in secrets if secret in said]


@pytest.mark.longer
async def test_a_secret_in_the_wrong_place_of_the_path_is_not_logged_either(
    db: Database, log: io.StringIO
) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        for path in (
            f"/webhooks/viettel/viettel-1/{TOKEN}/more",
            f"/webhooks/viettel/{TOKEN}",
            f"/webhooks/{TOKEN}",
            f"/webhook/viettel/viettel-1/{TOKEN}",
            f"/x/webhooks/viettel/viettel-1/{TOKEN}",
        ):
            await there.http.post(path, content=BODY)
    assert TOKEN not in log.getvalue()


async def test_a_body_beyond_the_limit_is_refused_as_it_comes_in(db: Database) -> None:
    world = sent(db, 1)

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 100

    async with door(db, world, settings_of(webhook_limit_kb=1)) as there:
        for content in (b" " * 1025, endless()):
            found = problem(await there.http.post(f"{DOOR}/{TOKEN}", content=content), 413, "too-large")
            assert found["detail"] == "The request body is larger than 1024 bytes."
        full = BODY.ljust(1024)
        assert (await there.http.post(f"{DOOR}/{TOKEN}", content=full)).content == ACKNOWLEDGED


@pytest.mark.longer
async def test_webhooks_may_be_larger_than_other_bodies(db: Database) -> None:
    world = sent(db, 1)
    padded = BODY + b" " * 2_000_000
    async with door(db, world) as there:
        assert (await there.http.post(f"{DOOR}/{TOKEN}", content=padded)).content == ACKNOWLEDGED
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = await there.http.post(f"{DOOR}/{TOKEN}", content=b" " * 5_000_000, headers=kind)
        problem(answer, 413, "too-large")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip"])
async def test_a_compressed_body_is_refused(db: Database, coding: str) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        headers = {"Content-Encoding": coding}
        answer = await there.http.post(f"{DOOR}/{TOKEN}", content=gzip.compress(BODY), headers=headers)
        problem(answer, 415, "encoded")
        plain = await there.http.post(
            f"{DOOR}/{TOKEN}", content=BODY, headers={"Content-Encoding": "identity"}
        )
        assert plain.content == ACKNOWLEDGED


async def test_a_full_inbox_asks_the_carrier_to_repeat(db: Database) -> None:
    world = sent(db, 5)
    async with door(db, world, running=False, room=3) as there:
        answer = await there.post([event(seq) for seq in (2, 3, 4, 5)])
        problem(answer, 503, "receipts-busy")
        assert answer.headers["retry-after"]
        assert kept(db) == (0, 0)


@pytest.mark.longer
async def test_what_is_not_committed_in_time_is_not_acknowledged_and_not_lost(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world, settings_of(webhook_patience_s=0.1), running=False) as there:
        problem(await there.post(event(2)), 503, "receipts-busy")
        assert 'loa_webhooks_total{answer="busy"} 1.0' in there.counted()
        assert world.delivery(2)["state"] == SUBMITTED
    assert world.delivery(2)["state"] == DELIVERED


async def test_a_process_without_an_inbox_takes_nothing(db: Database) -> None:
    world = sent(db, 1)
    async with door(db, world) as there:
        there.app.state.webhook_handler.inbox = None
        problem(await there.post(event(2)), 503, "receipts-busy")


async def test_an_inbox_that_closes_asks_the_carrier_to_repeat(db: Database) -> None:
    world = sent(db, 1)
    box = Inbox(db, world.ledger, Metrics())
    box.stop()
    async with door(db, world) as there:
        there.app.state.webhook_handler.inbox = box
        problem(await there.post(event(2)), 503, "receipts-busy")


@pytest.mark.longer
async def test_a_link_whose_receipts_prove_nothing_is_named_in_the_log_once(
    db: Database, log: io.StringIO
) -> None:
    world = sent(db, 1)
    db.write(lambda c: c.execute(update(links).values(receipt_level=0)))
    async with door(db, world) as there:
        for _ in range(3):
            assert (await there.post(event(2))).content == ACKNOWLEDGED
    assert log.getvalue().count("receipts of this link are ignored") == 1


@pytest.mark.longer
async def test_a_call_that_comes_again_while_it_waits_adds_no_work(db: Database) -> None:
    world = sent(db, 4)
    impatient = settings_of(webhook_patience_s=0.1)
    async with door(db, world, impatient, running=False, room=3) as there:
        for _ in range(3):
            problem(await there.post([event(2), event(3)]), 503, "receipts-busy")
        problem(await there.post([event(4), event(5)]), 503, "receipts-busy")
        there.app.state.webhook_handler.patience_s = 10.0
        again = asyncio.create_task(there.post([event(2), event(3)]))
        await asyncio.sleep(0.02)
        there.inbox.stop()
        await there.inbox.run()
        assert (await again).content == ACKNOWLEDGED
        assert kept(db) == (2, 0)
    assert world.states() == {DELIVERED: 2, SUBMITTED: 2}


@pytest.mark.longer
async def test_a_signed_call_that_comes_many_times_at_once_is_one_row(db: Database) -> None:
    world = sent(db, 1)
    headers = signed(BODY)
    async with door(db, world, settings_of({"hmac_secret": SECRET})) as there:
        calls = [there.http.post(DOOR, content=BODY, headers=headers) for _ in range(20)]
        assert {answer.content for answer in await asyncio.gather(*calls)} == {ACKNOWLEDGED}
    assert kept(db) == (1, 0)


@pytest.mark.longer
async def test_what_was_not_committed_may_come_again_with_its_signature(db: Database) -> None:
    world = sent(db, 1)
    headers = signed(BODY)
    settings = settings_of({"hmac_secret": SECRET}, webhook_patience_s=0.1)
    async with door(db, world, settings, running=False) as there:
        problem(await there.http.post(DOOR, content=BODY, headers=headers), 503, "receipts-busy")
        there.app.state.webhook_handler.patience_s = 10.0
        again = asyncio.create_task(there.http.post(DOOR, content=BODY, headers=headers))
        await asyncio.sleep(0.02)
        there.inbox.stop()
        await there.inbox.run()
        assert (await again).content == ACKNOWLEDGED
    assert world.delivery(2)["state"] == DELIVERED


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.9:5555", "198.51.100.9"),
        ("[2001:db8::9]:5555", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
        ("198.51.100.9:x", "198.51.100.9:x"),
    ],
)
def test_a_port_behind_a_forwarded_address_makes_no_other_caller(written: str, address: str) -> None:
    trusted = settings_of(trusted_proxies=["10.0.0.1"]).trusted_proxies
    assert peer_of("10.0.0.1", f"192.0.2.1, {written}", trusted) == address
