"""Sessions, pages and texts of a MobiFone link, against its simulator."""

from __future__ import annotations

import asyncio
import logging

import pytest

from carriers.contract import (
    Accepted,
    Checked,
    Deferred,
    Encoding,
    Halted,
    Reason,
    ReceiptLevel,
    Rejected,
    Unknown,
)
from carriers.mobifone.carrier import ENDED_TWICE
from carriers.simulators.mobifone import Mobifone, MobifoneBehaviour
from carriers.simulators.web import HttpTrouble
from tests.carriers.http.peer import Peer, Request, Wire, page
from tests.carriers.mobifone.links import ACCENTED, PASSWORD, letters, link
from tests.carriers.smpp.peer import until

ACCOUNT = f"loa:{PASSWORD}"


def mobifone(**behaviour: object) -> Mobifone:
    return Mobifone(MobifoneBehaviour(account=ACCOUNT, **behaviour))  # type: ignore[arg-type]


@pytest.mark.prove
async def test_many_messages_at_once_cause_one_login() -> None:
    async with mobifone(answer_delay_s=0.02) as carrier, link(carrier.url, in_flight=50) as mobi:
        parcels = await asyncio.gather(*(mobi.submit(letters(20)) for _ in range(5)))
        assert [each for results in parcels for each in results] == [Accepted()] * 100
        assert carrier.logins == 1


async def test_a_session_is_left_when_it_is_too_old() -> None:
    async with mobifone() as carrier, link(carrier.url, session_s=0.3) as mobi:
        for _ in range(3):
            assert await mobi.submit(letters(1)) == [Accepted()]
            await asyncio.sleep(0.35)
        assert carrier.logins == 3
        assert carrier.report()["answers"] == {"login": 3, "200": 3}


@pytest.mark.parametrize("in_flight", [1, 8])
async def test_a_session_that_ended_is_renewed_once_for_all_and_nobody_gets_two(in_flight: int) -> None:
    async with mobifone() as carrier, link(carrier.url, in_flight=in_flight) as mobi:
        assert await mobi.submit(letters(1)) == [Accepted()]
        carrier.expire_sessions()
        assert await mobi.submit(letters(30)[1:]) == [Accepted()] * 29
        assert carrier.logins == 2
        assert carrier.report()["copies_max"] == 1
        assert 1 <= carrier.report()["answers"]["SessionExpired"] <= in_flight


async def test_a_session_that_never_holds_defers_after_one_renewal() -> None:
    async with mobifone(forget_sessions=True) as carrier, link(carrier.url) as mobi:
        assert await mobi.submit(letters(1)) == [ENDED_TWICE]
        assert carrier.logins == 2
        assert carrier.report()["answers"]["SessionExpired"] == 2
        assert mobi.halted() is None


async def test_a_carrier_that_has_forgotten_us_lets_us_in_again() -> None:
    async with mobifone() as carrier, link(carrier.url) as mobi:
        assert await mobi.submit(letters(1)) == [Accepted()]
        carrier.logins = 0
        carrier.expire_sessions()
        assert await mobi.submit(letters(1)) == [Accepted()]
        assert carrier.report()["answers"]["NotLoggedIn"] == 1


async def test_two_links_on_one_account_take_the_session_from_each_other_and_lose_nothing() -> None:
    async with mobifone() as carrier, link(carrier.url) as one, link(carrier.url) as other:
        messages = letters(60)
        left = {sms.phone: sms for sms in messages}
        for _ in range(50):
            todo = list(left.values())
            halves = todo[::2], todo[1::2]
            results = await asyncio.gather(one.submit(halves[0]), other.submit(halves[1]))
            for half, answers in zip(halves, results, strict=True):
                for sms, result in zip(half, answers, strict=True):
                    assert result in (Accepted(), ENDED_TWICE)
                    if result == Accepted():
                        del left[sms.phone]
        assert not left
        assert carrier.report()["copies_max"] == 1


async def test_a_lost_login_is_asked_for_again_and_no_message_is_unknown() -> None:
    async with mobifone(trouble_on="others") as carrier:
        carrier.next(HttpTrouble.BREAK_AFTER)
        async with link(carrier.url) as mobi:
            assert await mobi.submit(letters(1)) == [Accepted()]
            assert carrier.logins == 2


async def test_a_login_that_stays_lost_defers() -> None:
    async with mobifone(trouble_on="others", cut=1.0) as carrier, link(carrier.url, login_tries=3) as mobi:
        results = await mobi.submit(letters(4))
        assert all(isinstance(each, Deferred) and not each.counts for each in results)
        assert carrier.logins == 3
        assert carrier.report()["submits"] == 0


async def test_whoever_is_cancelled_takes_the_login_from_nobody_else() -> None:
    async with mobifone(answer_delay_s=0.5) as carrier, link(carrier.url) as mobi:
        first = asyncio.create_task(mobi.submit(letters(1)))
        second = asyncio.create_task(mobi.submit(letters(2)[1:]))
        await until(lambda: carrier.logins == 1)  # it is heard and not yet answered
        first.cancel()
        assert await second == [Accepted()]
        assert carrier.logins == 1
        assert carrier.report()["submits"] == 1


async def test_closing_during_a_login_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    async with mobifone(trouble_on="others", hang=1.0) as carrier:
        async with link(carrier.url, answer_timeout_s=0.5) as mobi:
            sending = asyncio.create_task(mobi.submit(letters(2)))
            await asyncio.sleep(0.05)
            sending.cancel()
        assert not {task for task in asyncio.all_tasks() - before if "_renew" in repr(task)}


async def test_a_wrong_password_halts_until_it_is_opened_again() -> None:
    async with mobifone() as carrier, link(carrier.url, password="wrong") as mobi:
        assert [type(each) for each in await mobi.submit(letters(3))] == [Halted] * 3
        carrier.change(account="loa:wrong")
        assert isinstance((await mobi.submit(letters(1)))[0], Halted)
        await mobi.open()
        assert await mobi.submit(letters(1)) == [Accepted()]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_texts_arrive_as_they_were_written_by_the_page_of_their_alphabet(method: str) -> None:
    texts = [
        "Canh bao & canh giac: 100% la lua dao? #1+1=2",
        ACCENTED,
        "Là",
        "a\nb",
        "gia `mao`",
        "Cảnh báo 🚨",
    ]
    async with mobifone() as carrier, link(carrier.url, method=method) as mobi:
        for text in texts:
            assert await mobi.submit(letters(1, text)) == [Accepted()]
        assert [message.text for message in carrier.messages] == texts
        sends = [asked for asked in carrier.requests if "login" not in asked.path]
    pages = [asked.path.rpartition("/")[2] for asked in sends]
    assert pages == ["send.jsp", "send_2.jsp", "send_2.jsp", "send.jsp", "send_2.jsp", "send_2.jsp"]
    assert all(("enCoding" in asked.fields) == asked.path.endswith("_2.jsp") for asked in sends)
    assert {asked.method for asked in carrier.requests} == {method}


async def test_by_post_no_address_holds_a_secret_or_a_number() -> None:
    async with mobifone() as carrier, link(carrier.url) as mobi:
        await mobi.submit(letters(3))
        assert {asked.query_string for asked in carrier.requests} == {""}


@pytest.mark.parametrize("trouble", ["none", "hang", "cut", "break_after", "error_500"])
async def test_by_get_no_log_holds_a_secret_or_a_number(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    behaviour = {} if trouble == "none" else {trouble: 1.0, "trouble_on": "all"}
    async with (
        mobifone(**behaviour) as carrier,
        link(carrier.url, method="GET", answer_timeout_s=0.5) as mobi,
    ):
        results = await mobi.submit(letters(2))
        assert any(PASSWORD in asked.query_string for asked in carrier.requests)
    written = f"{caplog.text}{results}{mobi!r}{mobi.settings!r}"
    assert PASSWORD not in written
    assert "8490123" not in written
    assert "sid=" not in written


async def test_a_link_without_ucs2_refuses_accents_here() -> None:
    async with mobifone() as carrier, link(carrier.url, ucs2=False) as mobi:
        assert mobi.limits.encodings == {Encoding.GSM7}
        (result,) = await mobi.submit(letters(1, ACCENTED))
        assert result == Rejected("text: this link does not support accents", Reason.WRONG_REQUEST)
        assert carrier.report()["requests"] == 0


async def test_a_text_of_too_many_parts_is_refused_here() -> None:
    async with mobifone() as carrier, link(carrier.url, max_segments=2) as mobi:
        results = await mobi.submit([*letters(1, "a" * 306), *letters(1, "a" * 307), *letters(1, "ạ" * 135)])
        assert [type(each) for each in results] == [Accepted, Rejected, Rejected]
        assert carrier.report()["submits"] == 1


async def test_segments_are_those_of_the_page_that_is_used() -> None:
    async with mobifone() as carrier, link(carrier.url) as mobi:
        assert [mobi.segments(text) for text in ("a" * 160, "à" * 70, "à" * 71, "ạ" * 71)] == [1, 1, 2, 2]


async def test_a_lost_answer_is_unknown_and_was_not_sent_again() -> None:
    async with mobifone(break_after=1.0) as carrier, link(carrier.url) as mobi:
        (result,) = await mobi.submit(letters(1))
        assert isinstance(result, Unknown)
        assert carrier.copies("84901230000") == 1


async def test_the_check_says_whether_mobifone_lets_us_in() -> None:
    async with mobifone() as carrier:
        async with link(carrier.url) as mobi:
            assert isinstance(mobi, Checked)
            assert [each.good for each in await mobi.check()] == [True, True]
        async with link(carrier.url, password="wrong") as mobi:
            (found,) = await mobi.check()
        assert not found.good
        assert "login 401" in found.what
        assert "Correct user and password" in found.what
        assert carrier.report()["submits"] == 0
    async with link(carrier.url, login_tries=1) as mobi:
        (found,) = await mobi.check()
        assert not found.good
        assert "no connection" in found.what


async def test_receipts_prove_nothing_unless_the_contract_says_so() -> None:
    async with link("http://127.0.0.1") as mobi:
        assert mobi.receipt_level is ReceiptLevel.NONE
        assert mobi.limits.one_receipt
    async with link("http://127.0.0.1", receipt_level="operator") as mobi:
        assert mobi.receipt_level is ReceiptLevel.OPERATOR


def json_page(body: bytes) -> bytes:
    return page(body, "Content-Type: application/json")


async def test_the_end_of_a_session_that_is_said_of_the_message_before_sends_none_twice() -> None:
    """A surplus answer under the next message: its own follows, so it was taken."""
    taken = json_page(b'{"status":"200","message":"OK"}')
    over = page(b"SessionExpired", status="401 Unauthorized")

    async def answers_once_too_often(wire: Wire, request: Request) -> None:
        sends = [each for each in peer.requests if "/send.jsp" in each.line]
        if "/login.jsp" in request.line:
            wire.send(json_page(b'{"status":"200","message":"OK","sid":"s1"}'))
        else:
            wire.send(over + taken if len(sends) == 2 else taken)

    async with Peer(answers_once_too_often) as peer, link(peer.url, in_flight=1) as mobi:
        results = []
        for _ in range(3):
            results += await mobi.submit(letters(1))
        assert [type(each) for each in results] == [Accepted, Unknown, Accepted]
        assert sum("/send.jsp" in each.line for each in peer.requests) == 3


async def test_a_login_that_outlives_its_message_gives_its_connection_back() -> None:
    """One connection for the message and one beside it: two that are kept for good would be all there are."""
    logins: list[asyncio.Event] = []

    async def slow_login(wire: Wire, request: Request) -> None:
        if "/login.jsp" in request.line:
            logins.append(asyncio.Event())
            await logins[-1].wait()
            wire.send(json_page(b'{"status":"200","message":"OK","sid":"s1"}'))
        else:
            wire.send(json_page(b'{"status":"200","message":"OK"}'))

    async with Peer(slow_login) as peer, link(peer.url, in_flight=1, session_s=0.1) as mobi:
        for round_ in range(1, 6):
            calling = asyncio.create_task(mobi.submit(letters(1)))
            await until(lambda number=round_: len(logins) == number)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            logins[-1].set()
            await asyncio.sleep(0.15)  # the session is too old
        last = asyncio.create_task(mobi.submit(letters(1)))
        await until(lambda: len(logins) == 6)
        logins[-1].set()
        assert await last == [Accepted()]
