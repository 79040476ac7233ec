"""One answer for a list: results are found by id and number, and nothing else is ever taken for accepted."""

from __future__ import annotations

import random
from xml.etree.ElementTree import Element

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import Accepted, Deferred, Halted, OutboundSms, Reason, Rejected, SubmitResult, Unknown
from carriers.viettel.carrier import ListAnswer
from carriers.viettel.codes import CodeTable
from carriers.xml import child_text, children, find, read_xml
from tests.carriers.viettel.answers import TAKEN, TEXT, detail, link, listed, operation_of, sms

BOOK = CodeTable({}, [])
BAD = "Check ReceiverID: FORMAT_ERROR"
REFUSED = Rejected("RECEIVER_ID FORMAT_ERROR", Reason.NO_SUCH_NUMBER)
COUNT = 6
MESSAGES = [sms(number) for number in range(COUNT)]


def read(answer: bytes, messages: list[OutboundSms] = MESSAGES) -> list[SubmitResult]:
    said = find(read_xml(answer), "return")
    assert isinstance(said, Element)
    read_answer = ListAnswer(said, len(messages), BOOK)
    return [read_answer.result(message, message.key) for message in messages]


def own(message: OutboundSms, words: str = TAKEN, result: object = 1) -> str:
    return detail(words, result, message.key, message.phone)


def is_unknown(result: SubmitResult, message: OutboundSms) -> bool:
    return isinstance(result, Unknown) and result.refs == (message.key,)


def test_details_in_any_order_find_their_messages() -> None:
    details = [own(each, BAD, 0) if number % 2 else own(each) for number, each in enumerate(MESSAGES)]
    random.Random(3).shuffle(details)
    expected = [REFUSED if number % 2 else Accepted((each.key,)) for number, each in enumerate(MESSAGES)]
    assert read(listed(details)) == expected


def test_a_missing_detail_is_unknown_under_its_id() -> None:
    results = read(listed([own(each) for each in MESSAGES[1:]]))
    assert is_unknown(results[0], MESSAGES[0])
    assert results[1:] == [Accepted((each.key,)) for each in MESSAGES[1:]]


@pytest.mark.parametrize(
    "details",
    [
        [detail(TAKEN, 1, "k-0", "84981239999")],
        [detail(TAKEN, 1, "k-0", "")],
        [detail(TAKEN, 1, "k-99", MESSAGES[0].phone)],
        [detail(TAKEN, 1, "", MESSAGES[0].phone)],
        [detail(TAKEN, 1, "K-0", MESSAGES[0].phone)],
        [own(MESSAGES[0]), own(MESSAGES[0], BAD, 0)],
        [own(MESSAGES[0]), detail(TAKEN, 1, "k-0", "84981239999")],
        [own(MESSAGES[0], TAKEN, 0)],
        [own(MESSAGES[0], BAD, 1)],
        [own(MESSAGES[0], TAKEN, "")],
    ],
)
def test_a_detail_that_is_not_exactly_ours_makes_nothing_accepted(details: list[str]) -> None:
    results = read(listed([*details, *map(own, MESSAGES[1:])]))
    assert is_unknown(results[0], MESSAGES[0])
    assert all(isinstance(result, Accepted) for result in results[1:])


def test_the_same_detail_twice_is_one() -> None:
    assert read(listed([own(MESSAGES[0]), own(MESSAGES[0])]), MESSAGES[:1]) == [Accepted(("k-0",))]


@pytest.mark.parametrize("top", [0, "", 2, "x"])
def test_a_list_that_was_not_taken_has_no_message_that_was(top: object) -> None:
    results = read(listed([own(MESSAGES[0]), own(MESSAGES[1], BAD, 0)], "", top), MESSAGES[:2])
    assert is_unknown(results[0], MESSAGES[0])
    assert results[1] == REFUSED


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Authenticate: WRONG_INFORMATION_AUTHENTICATE", Halted),
        ("Check CommandCode: COMMAND_CODE_ERROR", Halted),
        ("Check information error", Deferred),
        ("Check template: CONTENT_NOT_MATCH_TEMPLATE", Rejected),
        ("Check Content: MAXLENGTH_LIMIT_480_BYTE (YOUR_CONTENT: 500 BYTE)", Rejected),
        # These speak of one number, and nobody says of which; the others may have been taken.
        (BAD, Unknown),
        ("Check ServiceID: DUPLICATE MESSAGE", Unknown),
        ("Check ServiceID: ALIAS_INVALID:TELCO=VN", Unknown),
        ("Words that nobody has listed", Unknown),
        (TAKEN, Unknown),
    ],
)
def test_a_refusal_of_the_whole_list_holds_for_all_where_it_can(words: str, kind: type) -> None:
    assert {type(result) for result in read(listed([], words, 0))} == {kind}
    contradicted = read(listed([own(MESSAGES[0])], words, 0))
    assert {type(result) for result in contradicted} == {Unknown}


def test_a_list_of_one_is_refused_by_its_head_but_never_taken_by_it() -> None:
    one = MESSAGES[:1]
    assert read(listed([], BAD, 0), one) == [REFUSED]
    assert read(listed([], "Words that nobody has listed", 0), one) == [
        Rejected("Words that nobody has listed", Reason.OTHER)
    ]
    assert is_unknown(read(listed([], TAKEN, 1), one)[0], one[0])


def test_a_duplicate_is_rejected_by_its_own_detail_and_never_by_the_head() -> None:
    one = [sms(0)]
    assert is_unknown(read(listed([], "DUPLICATE MESSAGE", 0), one)[0], one[0])
    details = [own(one[0], "DUPLICATE MESSAGE", 0)]
    for top in (0, 1):
        assert read(listed(details, "DUPLICATE MESSAGE", top), one) == [
            Rejected("DUPLICATE_MESSAGE", Reason.FILTERED)
        ]


FINE = (TAKEN, "", "Words that nobody has listed")
DETAIL = st.tuples(
    st.integers(0, COUNT + 2),  # whose id
    st.integers(0, COUNT + 2),  # whose number
    st.sampled_from([*FINE, BAD, "DUPLICATE MESSAGE"]),
    st.sampled_from(["1", "0", "", "7"]),
)


@pytest.mark.longer
@given(st.lists(DETAIL, max_size=12), st.sampled_from(["1", "0", ""]), st.sampled_from(["", BAD, TAKEN]))
def test_only_an_exact_and_uncontradicted_detail_of_a_taken_list_is_accepted(
    drawn: list[tuple[int, int, str, str]], top: str, words: str
) -> None:
    details = [detail(said, result, f"k-{who}", sms(where).phone) for who, where, said, result in drawn]
    for number, result in enumerate(read(listed(details, words, top))):
        mine = {each[1:] for each in drawn if each[0] == number}
        taken = top == "1" and bool(mine) and mine <= {(number, words, "1") for words in FINE}
        assert isinstance(result, Accepted) is taken
        if isinstance(result, Accepted):
            assert result.refs == (f"k-{number}",)


async def test_a_list_goes_out_as_the_service_takes_it() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        sent = children(operation_of(request), "Msg")
        details = [detail(TAKEN, 1, child_text(each, "msgId"), child_text(each, "receiver")) for each in sent]
        return httpx.Response(200, content=listed(details))

    async with link(answer, per_submit=4, request_id="4") as carrier:
        results = await carrier.submit([sms(number) for number in range(6)])
    assert results == [Accepted((f"k-{number}",)) for number in range(6)]
    assert [len(list(children(operation_of(request), "Msg"))) for request in requests] == [4, 2]
    body = requests[0].content.decode()
    assert body.startswith('<?xml version="1.0" encoding="UTF-8"?><S:Envelope')
    assert '<ws:wsCpMt4 xmlns:ws="http://impl.bulkSms.ws/"><User>loa</User>' in body
    head = "<RequestID>4</RequestID><ServiceID>CA SONLA</ServiceID><CommandCode>bulksms</CommandCode>"
    assert f"{head}<ContentType>0</ContentType><Msg><message>{TEXT}</message><msgId>k-0</msgId>" in body
    assert "<receiver>84981230000</receiver></Msg>" in body
    assert requests[0].headers["content-type"] == "text/xml;charset=UTF-8"
    assert requests[0].headers["soapaction"] == '""'


async def test_messages_of_two_texts_never_share_a_request() -> None:
    async with link(listed([])) as carrier:
        messages = [sms(1), sms(2, text="Khac"), sms(3, text="Khac"), sms(4)]
        assert [result.refs for result in await carrier.submit(messages)] == [  # type: ignore[union-attr]
            (message.key,) for message in messages
        ]


async def test_ids_may_be_numbers_that_are_the_same_for_the_same_key() -> None:
    async with link(b"", msg_id="number") as carrier:
        results = await carrier.submit([sms(1), sms(2), sms(1)])
    ids = [result.refs[0] for result in results if isinstance(result, Unknown)]
    assert all(each is not None and each.isdecimal() and int(each) < 2**63 for each in ids)
    assert ids[0] == ids[2] != ids[1]


async def test_a_message_without_a_key_gets_an_id_of_its_own() -> None:
    async with link(b"") as carrier:
        results = await carrier.submit(
            [OutboundSms(f"8498123000{number}", TEXT, "CA") for number in range(2)]
        )
    first, second = [result.refs[0] for result in results if isinstance(result, Unknown)]
    assert first != second
    assert first is not None
    assert first.isalnum()
