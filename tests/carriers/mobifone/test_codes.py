"""Every documented answer of MobiFone, and what it becomes; the answers are made by hand."""

from __future__ import annotations

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import Accepted, Deferred, Halted, LinkError, Reason, Rejected, SubmitResult, Unknown
from carriers.http import HttpAnswer
from carriers.mobifone import codes
from carriers.mobifone.carrier import ENDED_TWICE, MobifoneCarrier
from tests.carriers.mobifone.links import PASSWORD, letters, link, options

BASE = "http://sms.example.vn/smsg"
SID = "0a1b2c3d4e5f"
LOGGED_IN = httpx.Response(200, text='{"sid":"' + SID + '\\r\\n","status":"200"}\r\n')
PAGE = "<html><body>Error</body></html>"
UNREADABLE = Unknown("the answer cannot be read")


def saying(status: str, message: str = "said") -> httpx.Response:
    """What send.jsp says, in the order of its fields (M2)."""
    return httpx.Response(200, text=f'{{"message":"{message}","status":{status}}}')


async def result_of(answer: httpx.Response, **more: object) -> SubmitResult:
    with respx.mock(base_url=BASE) as mocked:
        mocked.post("/login.jsp").mock(return_value=LOGGED_IN)
        mocked.post("/send.jsp").mock(return_value=answer)
        async with link(BASE, **more) as carrier:
            (result,) = await carrier.submit(letters(1))
    return result


SENDS: list[tuple[str, httpx.Response, SubmitResult]] = [
    # 3.2: evidenced
    ("taken, status as a string (M1 M4)", saying('"200"', "OK"), Accepted()),
    ("taken, status as a number (M3)", saying("200", "OK"), Accepted()),
    ("taken, with blanks around", httpx.Response(200, text='\r\n {"status":" 200 "} \r\n'), Accepted()),
    ("session expired (M1)", httpx.Response(401, text="SessionExpired"), ENDED_TWICE),
    ("no sid (M1)", httpx.Response(401, text="SidNotPassed\r\n"), ENDED_TWICE),
    ("never logged in (M4)", httpx.Response(401, text='"NotLoggedIn"'), ENDED_TWICE),
    ("session expired, with status 200", httpx.Response(200, text="SessionExpired"), ENDED_TWICE),
    # 3.2 and 3.4: any other status is a refusal that is kept in its words
    (
        "a bad number",
        saying('"400"', "Recipient 84901230000 bad"),
        Rejected("400 Recipient [number] bad", Reason.OTHER),
    ),
    ("a bad sender", saying('"403"', "Sender not allowed"), Rejected("403 Sender not allowed", Reason.OTHER)),
    ("a status of words", saying('"FAIL"', "no"), Rejected("FAIL no", Reason.OTHER)),
    ("a negative status", saying("-1", ""), Rejected("-1", Reason.OTHER)),
    ("201 is not 200", saying("201", "Queued"), Rejected("201 Queued", Reason.OTHER)),
    # 3.4: not evidenced
    ("too fast", saying('"429"'), Unknown("MobiFone answered with status 429", throttled=True)),
    ("session, as a status", saying('"401"', "SessionExpired"), ENDED_TWICE),
    ("trouble, as a status", saying('"500"'), Unknown("MobiFone answered with status 500")),
    ("trouble behind it, as a status", saying('"502"'), Unknown("MobiFone answered with status 502")),
    ("not now, as a status", saying('"503"'), Unknown("MobiFone answered with status 503")),
    ("too slow, as a status", saying("408"), Unknown("MobiFone answered with status 408")),
    ("another trouble, as a status", saying('"520"'), Unknown("MobiFone answered with status 520")),
    ("no answer behind it, as a status", saying('"504"'), Unknown("MobiFone answered with status 504")),
    # HTTP's own
    (
        "an error page",
        httpx.Response(500, html="<html>500</html>"),
        Unknown("the carrier answered with HTTP 500"),
    ),
    (
        "a gateway's page",
        httpx.Response(502, html="<html></html>"),
        Unknown("the carrier answered with HTTP 502"),
    ),
    ("not now", httpx.Response(503), Unknown("the carrier answered with HTTP 503")),
    ("elsewhere", httpx.Response(302), Unknown("the carrier answered with HTTP 302")),
    ("too many", httpx.Response(429), Unknown("the carrier answered with HTTP 429", throttled=True)),
    # nothing that can be read
    ("a page with status 200", httpx.Response(200, html="<html>Login</html>"), UNREADABLE),
    ("nothing", httpx.Response(200, text=""), UNREADABLE),
    ("no status", httpx.Response(200, text='{"message":"OK"}'), UNREADABLE),
    ("a status that is neither", httpx.Response(200, text='{"status":true}'), UNREADABLE),
    ("a list", httpx.Response(200, text='[{"status":"200"}]'), UNREADABLE),
    ("half an object", httpx.Response(200, text='{"status":"200"'), UNREADABLE),
    ("too deep", httpx.Response(200, text="[" * 100_000), UNREADABLE),
]


@pytest.mark.parametrize(("answer", "result"), [row[1:] for row in SENDS], ids=[row[0] for row in SENDS])
async def test_every_answer_to_a_message_becomes_one_result(
    answer: httpx.Response, result: SubmitResult
) -> None:
    assert await result_of(answer) == result


def test_every_row_of_the_table_is_one_of_these_answers() -> None:
    tested = {row.status for row in codes.TABLE for _, answer, _ in SENDS if f'"{row.status}"' in answer.text}
    assert tested == {row.status for row in codes.TABLE}
    assert all(row.source for row in codes.TABLE)


@pytest.mark.parametrize(
    "answer", [httpx.Response(401, text="Unauthorized"), httpx.Response(403), httpx.Response(404)]
)
async def test_a_refusal_of_our_account_or_address_halts(answer: httpx.Response) -> None:
    assert isinstance(await result_of(answer), Halted)


@pytest.mark.parametrize(
    ("error", "kind"), [(httpx.ConnectError("x"), Deferred), (httpx.ReadTimeout("x"), Unknown)]
)
async def test_no_answer_is_deferred_before_the_request_and_unknown_after(
    error: Exception, kind: type
) -> None:
    with respx.mock(base_url=BASE) as mocked:
        mocked.post("/login.jsp").mock(return_value=LOGGED_IN)
        mocked.post("/send.jsp").mock(side_effect=error)
        async with link(BASE) as carrier:
            assert [type(each) for each in await carrier.submit(letters(1))] == [kind]


LOGINS: list[tuple[str, httpx.Response, type]] = [
    ("a session", LOGGED_IN, Accepted),
    ("a session, status as a number", httpx.Response(200, text='{"sid":"x","status":200}'), Accepted),
    ("bad login", saying('"401"', "Invalid user or password"), Halted),
    ("locked", saying('"403"', "Locked"), Halted),
    ("unknown status", saying('"999"', "?"), Halted),
    ("address not let in", httpx.Response(403), Halted),
    ("no such page", httpx.Response(404), Halted),
    ("elsewhere", httpx.Response(302, headers={"Location": "/"}), Halted),
    ("too fast", saying('"429"'), Deferred),
    ("trouble", saying('"500"'), Deferred),
    ("trouble of the server", httpx.Response(500, html="<html></html>"), Deferred),
    ("a gateway's page", httpx.Response(502, html="<html></html>"), Deferred),
    ("not now", httpx.Response(503), Deferred),
    ("no sid", httpx.Response(200, text='{"sid":" \\r\\n","status":"200"}'), Deferred),
    ("a page", httpx.Response(200, html="<html></html>"), Deferred),
    ("nothing", httpx.Response(200), Deferred),
]


@pytest.mark.parametrize(("answer", "kind"), [row[1:] for row in LOGINS], ids=[row[0] for row in LOGINS])
async def test_without_a_session_nothing_is_sent_and_nothing_is_unknown(
    answer: httpx.Response, kind: type
) -> None:
    with respx.mock(base_url=BASE, assert_all_called=False) as mocked:
        mocked.post("/login.jsp").mock(return_value=answer)
        sends = mocked.post("/send.jsp").mock(return_value=saying('"200"'))
        async with link(BASE) as carrier:
            (result,) = await carrier.submit(letters(1))
            assert type(result) is kind
            assert (carrier.halted() is not None) == (kind is Halted)
    assert sends.call_count == (kind is Accepted)


async def test_a_refused_login_is_tried_once_and_says_what_to_do() -> None:
    with respx.mock(base_url=BASE) as mocked:
        logins = mocked.post("/login.jsp").mock(return_value=saying('"401"', f"Invalid {PASSWORD} of loa"))
        async with link(BASE) as carrier:
            (result,) = await carrier.submit(letters(1))
    assert result == Halted(
        "login 401",
        "MobiFone rejects the login (401 Invalid [redacted] of loa). Correct user and password, "
        "then resume the link.",
    )
    assert logins.call_count == 1


async def test_words_that_quote_our_session_or_number_are_kept_without_them() -> None:
    result = await result_of(saying('"400"', f"sid {SID}, password {PASSWORD}, to 84901230000"))
    assert result == Rejected("400 sid [redacted], password [redacted], to [number]", Reason.OTHER)


OWN = {"402": "halted", "420": "throttled", "421": "deferred", "430": "no_such_number", "-5": "filtered"}


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("420", Deferred("420", 1.0, throttled=True)),
        ("421", Deferred("421", 1.0, counts=True)),
        ("430", Rejected("430", Reason.NO_SUCH_NUMBER)),
        ("-5", Rejected("-5", Reason.FILTERED)),
    ],
)
async def test_the_contracts_own_statuses_go_before_the_table(status: str, result: SubmitResult) -> None:
    assert await result_of(saying(f'"{status}"'), statuses=OWN) == result


async def test_a_status_that_the_contract_has_halt_halts() -> None:
    result = await result_of(saying('"402"'), statuses=OWN)
    assert isinstance(result, Halted)
    assert result.code == "402"


async def test_refusal_after_refusal_without_a_known_reason_halts_the_link() -> None:
    with respx.mock(base_url=BASE) as mocked:
        mocked.post("/login.jsp").mock(return_value=LOGGED_IN)
        sends = mocked.post("/send.jsp").mock(return_value=saying('"998"', "Het tien"))
        async with link(BASE, strange_in_a_row=5, in_flight=1) as carrier:
            results = await carrier.submit(letters(20))
    assert [type(each) for each in results] == [Rejected] * 5 + [Halted] * 15
    assert "998 Het tien" in results[5].reason  # type: ignore[union-attr]
    assert sends.call_count == 6


async def test_one_message_taken_ends_the_row() -> None:
    answers = [saying('"998"')] * 3 + [saying('"200"')]
    with respx.mock(base_url=BASE) as mocked:
        mocked.post("/login.jsp").mock(return_value=LOGGED_IN)
        mocked.post("/send.jsp").mock(side_effect=answers * 3)
        async with link(BASE, strange_in_a_row=3, in_flight=1) as carrier:
            results = await carrier.submit(letters(12))
    assert not any(isinstance(each, Halted) for each in results)


@pytest.mark.longer
@given(st.integers(200, 599), st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_no_answer_raises_and_only_status_200_is_taken(status: int, body: bytes) -> None:
    answer = HttpAnswer(status, body)
    assert codes.verdict(answer, {}, (PASSWORD,)) != Accepted()
    codes.login_verdict(answer, (PASSWORD,))


@pytest.mark.longer
@given(
    st.dictionaries(
        st.sampled_from(["status", "sid", "message"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2),
    )
)
def test_no_object_raises_and_only_status_200_is_taken(fields: dict[str, object]) -> None:
    answer = HttpAnswer(200, httpx.Response(200, json=fields).content)
    taken = codes.verdict(answer, {}, ()) == Accepted()
    assert taken == (str(fields.get("status")).strip() == "200")
    assert not isinstance(codes.login_verdict(answer, ()), str) or taken


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"method": "PUT"}, "method must be one of: POST, GET"),
        ({"session_s": "long"}, "session_s must be a number of seconds"),
        ({"statuses": {"402": "stop"}}, "statuses must be a table of statuses with words out of: halted"),
        ({"statuses": {200: "halted"}}, "statuses must not name 200"),
        ({"user": ""}, "user must be plain text of 1 to 64 characters"),
        ({"receipt_level": "sure"}, "receipt_level must be one of: handset, operator, none"),
        ({"system_id": "loa"}, "a MobiFone link has no setting system_id"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(more: dict[str, object], sentence: str) -> None:
    with pytest.raises(LinkError, match="Link mobifone-1: ") as refused:
        MobifoneCarrier(options(BASE, **more))
    assert sentence in str(refused.value)
    assert PASSWORD not in str(refused.value)
