"""What the base of simulated carriers does to requests: every trouble, by share, by order and by flag."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from carriers.simulators.web import HttpTrouble, WebBehaviour
from tests.long.carriers.simulators.esme import until
from tests.long.carriers.simulators.plain import PHONE, plain, send

ANSWERS = [
    (HttpTrouble.NONE, 200, b"taken", "text/plain"),
    (HttpTrouble.ERROR_500, 500, b"<!DOCTYPE html>", "text/html"),
    (HttpTrouble.ERROR_502, 502, b"<!DOCTYPE html>", "text/html"),
    (HttpTrouble.GZIP, 200, b"taken", "text/plain"),
    (HttpTrouble.CHUNKED, 200, b"taken", "text/plain"),
    (HttpTrouble.PAGE, 200, b"<!DOCTYPE html>", "text/html"),
    (HttpTrouble.EMPTY, 200, b"", "text/plain"),
    (HttpTrouble.HUGE, 200, b"taken", "text/plain"),
]
BREAKS = [HttpTrouble.BREAK_BEFORE, HttpTrouble.BREAK_AFTER, HttpTrouble.CUT, HttpTrouble.NOISE]


@pytest.mark.parametrize(
    ("trouble", "status", "begin", "kind"), ANSWERS, ids=[row[0].value for row in ANSWERS]
)
async def test_an_answer_comes_in_the_guise_of_its_trouble(
    trouble: HttpTrouble, status: int, begin: bytes, kind: str
) -> None:
    async with plain() as (carrier, client):
        carrier.next(trouble)
        answer = await client.post("/send", data={"to": PHONE, "text": "a"})
        assert answer.status_code == status
        assert answer.content.startswith(begin)
        assert answer.headers["content-type"].startswith(kind)
        assert (len(answer.content) > 10_000_000) == (trouble is HttpTrouble.HUGE)
        assert carrier.copies(PHONE) == 1
        assert await send(client) == "taken"  # and only this one met it


@pytest.mark.parametrize("trouble", BREAKS, ids=lambda each: each.value)
async def test_a_connection_is_broken_where_its_trouble_says(trouble: HttpTrouble) -> None:
    async with plain() as (carrier, client):
        carrier.next(trouble)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await send(client)
        assert carrier.copies(PHONE) == (trouble is not HttpTrouble.BREAK_BEFORE)
        assert carrier.report()["never_answered"] == 1
        assert await send(client) == "taken"


async def test_garbage_is_random_and_the_same_for_the_same_request() -> None:
    bodies = []
    for _ in range(2):
        async with plain(garbage=1.0) as (_, client):
            bodies.append([(await client.get("/send?to=84901230001&text=a")).content for _ in range(2)])
    assert bodies[0] == bodies[1]
    assert bodies[0][0] != bodies[0][1]
    assert len(bodies[0][0]) == 512


async def test_a_hanging_answer_never_comes_and_its_message_was_taken() -> None:
    async with plain(hang=1.0) as (carrier, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/send", data={"to": PHONE, "text": "a"}, timeout=httpx.Timeout(10.0, read=0.2))
        assert carrier.copies(PHONE) == 1
        await asyncio.sleep(0.05)
        assert carrier.messages[0].status == "DELIVRD"  # its fate does not wait for the answer


async def test_chunks_have_no_length_and_gzip_says_so() -> None:
    async with plain(next_troubles="chunked=1,gzip=1") as (_, client):
        first, second = [await client.get("/send?to=84901230001&text=a") for _ in range(2)]
    assert "content-length" not in first.headers
    assert second.headers["content-encoding"] == "gzip"


async def test_shares_are_kept_and_repeat_with_their_seed() -> None:
    found = []
    for _ in range(2):
        async with plain(seed=5, error_500=0.2, page=0.1) as (carrier, client):
            found.append([(await client.get("/send?to=84901230001&text=a")).text[:5] for _ in range(100)])
            troubles = carrier.report()["troubles"]
    assert found[0] == found[1]
    assert 10 <= troubles["error_500"] <= 30
    assert 3 <= troubles["page"] <= 18


@pytest.mark.parametrize(
    ("on", "meets"), [("submits", (500, 200)), ("others", (200, 500)), ("all", (500, 500))]
)
async def test_troubles_meet_the_requests_that_they_shall(on: str, meets: tuple[int, int]) -> None:
    async with plain(error_500=1.0, trouble_on=on) as (_, client):
        sent, asked = await client.get("/send?to=84901230001&text=a"), await client.get("/hello")
    assert (sent.status_code, asked.status_code) == meets


async def test_the_first_requests_meet_what_the_flag_says() -> None:
    async with plain(next_troubles="error_500=2, page=1") as (_, client):
        answers = [await client.get("/send?to=84901230001&text=a") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 500, 200, 200]
    assert answers[2].text != answers[3].text == "taken"


async def test_answers_take_their_time() -> None:
    async with plain(answer_delay_s=0.5) as (_, client):
        started = time.monotonic()
        await asyncio.gather(*(send(client) for _ in range(10)))
        assert 0.5 <= time.monotonic() - started < 4.5  # one after the other they would take five seconds


async def test_behaviour_change_while_it_runs() -> None:
    async with plain(error_500=1.0) as (carrier, client):
        assert (await client.get("/send?to=84901230001&text=a")).status_code == 500
        carrier.change(error_500=0.0)
        assert await send(client) == "taken"
        with pytest.raises(ValueError, match="the shares of troubles"):
            carrier.change(error_500=2.0)


async def test_it_can_go_away_and_come_back_on_its_port() -> None:
    async with plain() as (carrier, client):
        await send(client)
        carrier.stop_accepting()
        carrier.drop_all()
        with pytest.raises(httpx.TransportError):
            await send(client)
        with pytest.raises(httpx.ConnectError):
            await send(client)
        await carrier.start_accepting()
        assert await send(client) == "taken"
        assert carrier.copies(PHONE) == 2


async def test_leaving_ends_what_hangs() -> None:
    async with plain(hang=1.0) as (carrier, client):
        hanging = asyncio.create_task(send(client))
        await until(lambda: carrier.messages)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await hanging


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"hang": 0.6, "cut": 0.5}, "the shares of troubles must be 0 or more, and 1 or less together"),
        ({"trouble_on": "mondays"}, "trouble_on: 'mondays' is not known; give one of submits, others, all"),
        ({"next_troubles": "flood=1"}, "next_troubles: 'flood' is not known; give one of none, hang"),
        ({"next_troubles": "hang"}, "next_troubles: 'hang' must be NAME=SHARE"),
        ({"outcomes": "LOST=0.1"}, "outcomes: 'LOST' is not known; give one of DELIVRD"),
        ({"early": 0.7, "twice": 0.7}, "the shares of reporting"),
    ],
)
def test_wrong_behaviour_are_refused_in_a_sentence(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its words are compared
        WebBehaviour(**wrong)  # type: ignore[arg-type]
    assert sentence in str(refused.value)
