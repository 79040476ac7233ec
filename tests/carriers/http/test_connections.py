"""Connections: kept, closed under us, bounded; TLS, proxies and redirects."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from carriers.contract import Accepted, Deferred, Halted, LinkError, Unknown
from carriers.http import HttpAnswer
from tests.carriers.http.peer import OK, QUICK, Peer, Request, Wire, answering, letters, link, page, silent
from tests.carriers.smpp.peer import until
from tests.certificates import HERE, self_signed, server_context


@pytest.mark.longer
async def test_one_connection_serves_one_message_after_the_other() -> None:
    async with Peer() as peer, link(peer.url) as carrier:
        for _ in range(5):
            assert await carrier.submit(letters(1)) == [Accepted()]
        assert (peer.connections, len(peer.requests)) == (1, 5)


async def test_a_connection_that_the_carrier_closed_while_idle_is_not_used() -> None:
    async with Peer(answering(OK, then_close=True)) as peer, link(peer.url) as carrier:
        for _ in range(5):
            assert await carrier.submit(letters(1)) == [Accepted()]
            await asyncio.sleep(0.05)
        assert (peer.connections, len(peer.requests)) == (5, 5)


async def test_a_connection_that_is_closed_under_a_message_makes_it_unknown_and_sends_it_once() -> None:
    async def second_breaks(wire: Wire, request: Request) -> None:
        if len(peer.requests) == 2:
            wire.close()
        else:
            wire.send(OK)

    async with Peer(second_breaks) as peer, link(peer.url) as carrier:
        results = [(await carrier.submit(letters(1)))[0] for _ in range(3)]
        assert [type(each) for each in results] == [Accepted, Unknown, Accepted]
        assert len(peer.requests) == 3


@pytest.mark.parametrize("pause_s", [0.0, 0.02])
@pytest.mark.parametrize("more", [OK, b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n"], ids=["taken", "429"])
async def test_an_answer_too_many_is_nobodys_and_the_next_message_is_unknown(
    pause_s: float, more: bytes
) -> None:
    async def first_answers_twice(wire: Wire, request: Request) -> None:
        if len(peer.requests) == 1:
            wire.send(OK + more)
        elif len(peer.requests) == 2:
            await asyncio.sleep(0.1)
            wire.close()
        else:
            wire.send(OK)

    async with Peer(first_answers_twice) as peer, link(peer.url) as carrier:
        results = []
        for _ in range(4):
            results += await carrier.submit(letters(1))
            await asyncio.sleep(pause_s)
        assert [type(each) for each in results] == [Accepted, Unknown, Accepted, Accepted]
        assert len(peer.requests) == 4


@pytest.mark.longer
async def test_answers_that_come_in_pieces_or_at_once_are_no_answers_too_many() -> None:
    async def in_pieces(wire: Wire, request: Request) -> None:
        for n in range(len(OK)):
            wire.send(OK[n : n + 1])
            if n % 40 == len(peer.requests):
                await asyncio.sleep(0)

    async with Peer(in_pieces) as peer, link(peer.url) as carrier:
        for _ in range(50):
            assert await carrier.submit(letters(1)) == [Accepted()]


async def test_a_connection_is_left_before_the_carrier_closes_it() -> None:
    async with Peer() as peer, link(peer.url, keep_alive_s=0.05) as carrier:
        for _ in range(3):
            assert await carrier.submit(letters(1)) == [Accepted()]
            await asyncio.sleep(0.15)
        assert peer.connections == 3


@pytest.mark.longer
async def test_no_more_requests_are_under_way_than_the_link_may_have() -> None:
    under_way, most = 0, 0

    async def slow(wire: Wire, request: Request) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        wire.send(OK)

    async with Peer(slow) as peer, link(peer.url, in_flight=3) as carrier:
        lists = await asyncio.gather(*(carrier.submit(letters(10)) for _ in range(3)))
        assert [each for results in lists for each in results] == [Accepted()] * 30
        assert most == 3
        assert peer.connections == 3


async def test_close_lets_what_is_in_flight_finish_and_defers_the_rest() -> None:
    answer = asyncio.Event()

    async def slow(wire: Wire, request: Request) -> None:
        await answer.wait()
        wire.send(OK)

    async with Peer(slow) as peer, link(peer.url, in_flight=2) as carrier:
        under_way = asyncio.create_task(carrier.submit(letters(5)))
        await until(lambda: len(peer.requests) == 2)
        closing = asyncio.create_task(carrier.close())
        await asyncio.sleep(0.05)  # it waits for what is in flight
        answer.set()
        await closing
        assert [type(each) for each in await under_way] == [Accepted] * 2 + [Deferred] * 3
        assert len(peer.requests) == 2


async def test_a_cancelled_call_sends_nothing_that_has_not_begun() -> None:
    async with Peer(silent) as peer, link(peer.url, in_flight=1, answer_timeout_s=5) as carrier:
        calling = asyncio.create_task(carrier.submit(letters(5)))
        await until(lambda: peer.requests)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        peer.handle = answering(OK)
        assert await carrier.submit(letters(1)) == [Accepted()]
        assert len(peer.requests) == 2


async def test_a_redirect_is_not_followed_and_stops_the_link_though_its_message_is_unknown() -> None:
    async with Peer() as other:
        moved = page(b"", f"Location: {other.url}/send", status="307 Temporary Redirect")
        async with Peer(answering(moved)) as peer, link(peer.url) as carrier:
            (result,) = await carrier.submit(letters(1))
            assert isinstance(result, Unknown)
            halted = carrier.halted()
            assert halted is not None
            assert "base_url" in halted.reason
            assert await carrier.submit(letters(2)) == [halted] * 2
            peer.handle = answering(OK)
            await carrier.open()
            assert await carrier.submit(letters(1)) == [Accepted()]
        assert other.requests == []


async def test_a_question_that_is_sent_elsewhere_stops_no_link_whose_messages_are_answered() -> None:
    async with Peer(answering(page(b"", status="302 Found"))) as peer, link(peer.url) as carrier:
        assert isinstance(await carrier.exchange("GET", "/status"), HttpAnswer)
        peer.handle = answering(OK)
        assert await carrier.submit(letters(3)) == [Accepted()] * 3
        assert carrier.halted() is None


async def test_a_halted_link_sends_nothing_until_it_is_opened_again() -> None:
    async with Peer(answering(page(b"", status="403 Forbidden"))) as peer, link(peer.url) as carrier:
        assert isinstance((await carrier.submit(letters(1)))[0], Halted)
        assert [type(each) for each in await carrier.submit(letters(3))] == [Halted] * 3
        assert len(peer.requests) == 1
        peer.handle = answering(OK)
        await carrier.open()
        assert await carrier.submit(letters(1)) == [Accepted()]


# ---- TLS


OUR_CERTIFICATE = {"client_cert": "client.pem", "client_key": "client.key"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed certificates for 127.0.0.1, for another name, and for us as a client."""
    folder = tmp_path_factory.mktemp("tls")
    for stem, name in (("server", HERE), ("other", "other.example"), ("client", "loa")):
        self_signed(folder, name, stem)
    return folder


def serving(folder: Path, name: str = "server", client_ca: str = "") -> ssl.SSLContext:
    context = server_context(folder, name)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / f"{client_ca}.pem")
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_said(certificates: Path) -> None:
    async with Peer(tls=serving(certificates)) as peer, link(peer.url) as carrier:
        (result,) = await carrier.submit(letters(1))
        assert isinstance(result, Deferred)
        assert "certificate is not trusted" in result.code
        assert peer.requests == []


async def test_the_carriers_own_authority_can_be_named(certificates: Path) -> None:
    ca = str(certificates / "server.pem")
    async with Peer(tls=serving(certificates)) as peer, link(peer.url, ca_file=ca) as carrier:
        assert await carrier.submit(letters(1)) == [Accepted()]


async def test_a_certificate_for_another_name_is_refused(certificates: Path) -> None:
    ca = str(certificates / "other.pem")
    async with Peer(tls=serving(certificates, "other")) as peer, link(peer.url, ca_file=ca) as carrier:
        (result,) = await carrier.submit(letters(1))
        assert isinstance(result, Deferred)
        assert "certificate is not trusted" in result.code
        assert peer.requests == []


async def test_our_certificate_is_shown_where_the_carrier_wants_one(certificates: Path) -> None:
    tls, ca = serving(certificates, client_ca="client"), str(certificates / "server.pem")
    async with Peer(tls=tls) as peer:
        async with link(peer.url, ca_file=ca) as carrier:
            (without,) = await carrier.submit(letters(1))
        own = {
            "client_cert": str(certificates / "client.pem"),
            "client_key": str(certificates / "client.key"),
        }
        async with link(peer.url, ca_file=ca, **own) as carrier:
            assert await carrier.submit(letters(1)) == [Accepted()]
        assert len(peer.requests) == 1
    # TLS 1.3 refuses a client after its first words: whether anybody has read them can't be told from here.
    assert isinstance(without, Unknown)


# ---- proxies


async def test_the_link_goes_through_its_proxy() -> None:
    async with Peer() as proxy, link("http://sms.example.vn:8888", proxy=proxy.url) as carrier:
        assert await carrier.submit(letters(1)) == [Accepted()]
        (request,) = proxy.requests
        assert request.line == "POST http://sms.example.vn:8888/send HTTP/1.1"


@pytest.mark.parametrize("handle", [answering(page(b"", status="403 Forbidden")), silent])
async def test_what_a_proxy_does_not_let_through_was_not_written(handle) -> None:  # type: ignore[no-untyped-def]
    async with Peer(handle) as proxy, link("https://sms.example.vn", proxy=proxy.url, **QUICK) as carrier:
        (result,) = await carrier.submit(letters(1))
        assert isinstance(result, Deferred)
        assert not result.counts
        assert [request.line for request in proxy.requests] == ["CONNECT sms.example.vn:443 HTTP/1.1"]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Peer() as peer, link(peer.url) as carrier:
        assert await carrier.submit(letters(1)) == [Accepted()]


# ---- settings


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_url": "sms.example.vn"}, "base_url must be an address such as"),
        ({"base_url": "https://sms.example.vn:99999"}, "base_url must be an address such as"),
        ({"base_url": "https://sms.example.vn/a?password=x"}, "base_url must be an address such as"),
        ({"base_url": "https://loa:pw@sms.example.vn"}, "base_url must hold no user name and no password"),
        ({"proxy": "socks5://127.0.0.1:1080"}, "proxy must be the address of an HTTP proxy"),
        ({"in_flight": 0}, "in_flight must be a whole number from 1 to 500"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file names a file that is not there"),
        ({"client_key": __file__}, "client_key needs client_cert beside it"),
        ({"ca_file": __file__}, "must be PEM without a password"),
        ({"client_cert": __file__}, "must be PEM without a password"),
        ({"sender": "X"}, "a plain link has no setting sender"),
    ],
)
async def test_a_wrong_setting_is_refused_in_a_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(LinkError) as refused:
        async with link(str(options.pop("base_url", "http://127.0.0.1")), **options):
            pass
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("Link plain-1: ")
