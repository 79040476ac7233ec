"""The simulated MobiFone: what it looks at first, and the shapes of its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from carriers.simulators.mobifone import Mobifone, MobifoneBehaviour

PHONE = "84901230001"
LETTER = {"sender": "CONGAN", "recipient": PHONE, "content": "Canh bao lua dao"}
ACCENTED = {**LETTER, "content": "Cảnh báo lừa đảo", "enCoding": "ALPHA_UCS2"}


@asynccontextmanager
async def mobifone(**behaviour: object) -> AsyncIterator[tuple[Mobifone, httpx.AsyncClient]]:
    carrier = Mobifone(MobifoneBehaviour(account="loa:pw", **behaviour))  # type: ignore[arg-type]
    async with carrier, httpx.AsyncClient(base_url=carrier.url, timeout=10, trust_env=False) as client:
        yield carrier, client


async def log_in(client: httpx.AsyncClient, password: str = "pw") -> httpx.Response:
    return await client.get("/login.jsp", params={"userName": "loa", "password": password, "bindMode": "T"})


async def sid(client: httpx.AsyncClient) -> str:
    return str((await log_in(client)).json()["sid"]).strip()


async def test_a_login_gives_a_session_with_a_tail() -> None:
    async with mobifone() as (_, client):
        answer = await log_in(client)
        assert answer.json()["status"] == "200"
        assert answer.json()["sid"].endswith("\r\n")
        assert answer.headers["content-type"].startswith("text/html")
    async with mobifone(status_as_number=True) as (_, client):
        answer = await log_in(client)
        assert answer.json()["status"] == 200


async def test_a_bad_login_is_refused_with_status_200_of_http() -> None:
    async with mobifone() as (carrier, client):
        answer = await log_in(client, "wrong")
        assert (answer.status_code, answer.json()["status"]) == (200, "401")
        assert carrier.report()["answers"] == {"401": 1}


async def test_messages_are_taken_by_get_and_by_post_and_fields_are_in_order() -> None:
    async with mobifone() as (carrier, client):
        fields = {**LETTER, "sid": await sid(client)}
        answers = [await client.get("/send.jsp", params=fields), await client.post("/send.jsp", data=fields)]
        accented = {**ACCENTED, "sid": fields["sid"]}
        answers.append(await client.post("/send_2.jsp", data=accented))
        assert [list(json.loads(answer.text).items()) for answer in answers] == [
            [("message", "OK"), ("status", "200")]
        ] * 3
        assert [message.text for message in carrier.messages] == [LETTER["content"]] * 2 + [
            ACCENTED["content"]
        ]
        assert carrier.report()["copies_max"] == 3


async def test_without_a_session_the_word_is_plain_text() -> None:
    async with mobifone(session_age_s=0.2) as (carrier, client):
        words = []
        for problem in ({}, {"sid": "x"}):
            words.append(await client.post("/send.jsp", data={**LETTER, **problem}))
        old = await sid(client)
        words.append(await client.post("/send.jsp", data={**LETTER, "sid": "x"}))
        await asyncio.sleep(0.3)
        words.append(await client.post("/send.jsp", data={**LETTER, "sid": old}))
        assert [answer.text for answer in words] == [
            "SidNotPassed",
            "NotLoggedIn",
            "SessionExpired",
            "SessionExpired",
        ]
        assert {answer.status_code for answer in words} == {401}
        assert {answer.headers["content-type"] for answer in words} == {"text/plain; charset=UTF-8"}
        assert carrier.messages == []


WRONG = [
    ("send.jsp", {"sender": ""}, "403", "Sender"),
    ("send.jsp", {"sender": "OTHER"}, "403", "Sender"),
    ("send.jsp", {"sender": "OTHER", "recipient": "1"}, "403", "Sender"),  # the sender comes first
    ("send.jsp", {"recipient": "0901230001"}, "400", "Recipient"),
    ("send.jsp", {"recipient": "84901230007"}, "400", "Recipient"),
    ("send.jsp", {"recipient": "1", "content": ""}, "400", "Recipient"),  # then the number
    ("send.jsp", {"content": ""}, "403", "Content"),
    ("send.jsp", {"content": "Khac han"}, "403", "Content"),
    ("send.jsp", {"content": "Canh báo"}, "400", "Content has characters"),
    ("send_2.jsp", {"enCoding": "UTF8"}, "400", "enCoding"),
    ("send_2.jsp", {"enCoding": "UTF8", "content": "Khac"}, "403", "Content"),  # last
]


@pytest.mark.parametrize(("page", "wrong", "status", "word"), WRONG)
async def test_a_message_is_refused_for_the_first_thing_that_is_wrong(
    page: str, wrong: dict[str, str], status: str, word: str
) -> None:
    async with mobifone(senders="CONGAN,LOA", template="Canh", refused="7") as (carrier, client):
        right = {**LETTER, "enCoding": "ALPHA_UCS2", "content": "Canh bao"}
        answer = await client.post(f"/{page}", data={**right, **wrong, "sid": await sid(client)})
        assert answer.status_code == 200
        assert answer.json()["status"] == status
        assert answer.json()["message"].startswith(word)
        assert carrier.messages == []
        assert carrier.report()["refused"] == 1


async def test_too_fast_is_a_status_of_its_own() -> None:
    async with mobifone(throttle=1.0) as (carrier, client):
        answer = await client.post("/send.jsp", data={**LETTER, "sid": await sid(client)})
        assert (answer.status_code, answer.json()["status"]) == (200, "429")
        assert carrier.report()["throttled"] == 1


async def test_troubles_spare_the_login_unless_they_are_asked_not_to() -> None:
    async with mobifone(error_500=1.0) as (_, client):
        assert (await log_in(client)).status_code == 200
        assert (await client.post("/send.jsp", data=LETTER)).status_code == 500
    async with mobifone(error_500=1.0, trouble_on="others") as (_, client):
        assert (await log_in(client)).status_code == 500


async def test_another_page_is_not_there() -> None:
    async with mobifone() as (_, client):
        answer = await client.get("/send_3.jsp")
        assert answer.status_code == 404
        assert "<html>" in answer.text
