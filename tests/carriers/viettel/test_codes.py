"""Every message that Viettel is known to answer becomes one result, alone and in a list."""

from __future__ import annotations

import pytest

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.viettel.codes import TABLE, CodeTable, bare
from tests.carriers.viettel.answers import PASSWORD, TAKEN, detail, link, listed, single, sms

OURS = "Loa did not fill in a field that this link requires. Compare the settings with the contract."
NO_NUMBER, FILTERED, ELSEWHERE = Reason.NO_SUCH_NUMBER, Reason.FILTERED, Reason.OTHER_NETWORK
# What the service says, in its full and its bare forms, and what it becomes.
MESSAGES: list[tuple[str, SubmitResult]] = [
    (
        "Authenticate: Cp_code: NULL_OR_BLANK",
        Halted("CP_CODE NULL_OR_BLANK", "The setting cp_code is empty."),
    ),
    (
        "Authenticate: UserName: NULL_OR_BLANK",
        Halted("USERNAME NULL_OR_BLANK", "The setting user is empty."),
    ),
    ("Authenticate: Password: NULL_OR_BLANK", Halted("PASSWORD NULL_OR_BLANK", "The password is empty.")),
    (
        "Authenticate: CP_CODE_NOT_FOUND",
        Halted("CP_CODE_NOT_FOUND", "The carrier does not know the CP code. Correct cp_code."),
    ),
    (
        "CP_CODE_NOT_FOUND",
        Halted("CP_CODE_NOT_FOUND", "The carrier does not know the CP code. Correct cp_code."),
    ),
    (
        "Authenticate: WRONG_INFORMATION_AUTHENTICATE",
        Halted("WRONG_INFORMATION_AUTHENTICATE", "The user name or password is wrong. Correct the settings."),
    ),
    (
        "Authenticate: IP_INVALID (YOUR IP: 203.0.113.9)",
        Halted(
            "IP_INVALID",
            "The carrier does not allow 203.0.113.9. Ask the carrier to add this address to its list.",
        ),
    ),
    (
        "IP_INVALID",
        Halted(
            "IP_INVALID",
            "The carrier does not allow this server's address. Ask the carrier to add it to its list.",
        ),
    ),
    ("Check RequestID: NULL_OR_BLANK", Halted("REQUEST_ID NULL_OR_BLANK", OURS)),
    ("Check RequestID: REQUEST_ID_NOT_NUMBER", Halted("REQUEST_ID_NOT_NUMBER", OURS)),
    ("Check UserID: NULL_OR_BLANK", Halted("USER_ID NULL_OR_BLANK", OURS)),
    ("Check ReceiverID: NULL_OR_BLANK", Halted("RECEIVER_ID NULL_OR_BLANK", OURS)),
    ("Check ReceiverID: FORMAT_ERROR", Rejected("RECEIVER_ID FORMAT_ERROR", NO_NUMBER)),
    ("Length of ReceiverID is invalid.", Rejected("RECEIVER_ID LENGTH_INVALID", NO_NUMBER)),
    ("Check UserID: UserID_NOT_EQUAL_ReceiverID", Halted("USER_ID_NOT_EQUAL_RECEIVER_ID", OURS)),
    ("Unable to check telco from input receiver", Rejected("UNABLE_TO_CHECK_TELCO", ELSEWHERE)),
    ("Check ServiceID: DUPLICATE MESSAGE", Rejected("DUPLICATE_MESSAGE", FILTERED)),
    (
        "Check ServiceID: ALIAS_INVALID:TELCO=VT",
        Halted(
            "ALIAS_INVALID:TELCO=VT",
            "The sender ID is not registered. Ask the carrier to register it, then resume the link.",
        ),
    ),
    ("Check ServiceID: ALIAS_INVALID:TELCO=VN", Rejected("ALIAS_INVALID:TELCO=VN", ELSEWHERE, "vnpt")),
    ("Check ServiceID: ALIAS_INVALID:TELCO=MB", Rejected("ALIAS_INVALID:TELCO=MB", ELSEWHERE, "mobifone")),
    (
        "Check ServiceID: ALIAS_INVALID:TELCO=VM",
        Rejected("ALIAS_INVALID:TELCO=VM", ELSEWHERE, "vietnamobile"),
    ),
    ("Check ServiceID: ALIAS_INVALID:TELCO=XY", Rejected("ALIAS_INVALID:TELCO=XY", ELSEWHERE)),
    ("ALIAS_INVALID", Rejected("ALIAS_INVALID", FILTERED)),
    ("Check CommandCode: NULL_OR_BLANK", Halted("COMMAND_CODE NULL_OR_BLANK", OURS)),
    ("Check CommandCode: COMMAND_CODE_ERROR", Halted("COMMAND_CODE_ERROR", OURS)),
    ("Check Content: NULL_OR_BLANK", Rejected("CONTENT NULL_OR_BLANK", Reason.WRONG_REQUEST)),
    (
        "Check Content: MAXLENGTH_LIMIT_480_BYTE (YOUR_CONTENT: 500 BYTE)",
        Rejected("CONTENT MAXLENGTH_LIMIT", FILTERED),
    ),
    ("Check Content: MSG_ERROR_CONTAIN_BLACKLIST", Rejected("CONTENT BLACKLIST", FILTERED)),
    (
        "Check template: CONTENT_NOT_MATCH_TEMPLATE",
        Rejected("CONTENT_NOT_MATCH_TEMPLATE", FILTERED),
    ),
    ("Check information error", Deferred("CHECK_INFORMATION_ERROR", 10.0, counts=True)),
]


@pytest.mark.parametrize(
    ("message", "expected"), MESSAGES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_message_becomes_one_result_alone(message: str, expected: SubmitResult) -> None:
    async with link(single(message, 0), operation="wsCpMt") as carrier:
        assert await carrier.submit([sms()]) == [expected]
        assert (carrier.halted() == expected) is isinstance(expected, Halted)


@pytest.mark.parametrize(
    ("message", "expected"), MESSAGES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_message_becomes_the_same_result_in_a_list_and_leaves_the_others_alone(
    message: str, expected: SubmitResult
) -> None:
    details = [detail(message, 0, "k-2", sms(2).phone), detail(TAKEN, 1, "k-1", sms(1).phone)]
    async with link(listed(details)) as carrier:
        assert await carrier.submit([sms(1), sms(2)]) == [Accepted(("k-1",)), expected]


def test_every_row_of_the_table_has_a_message_here_and_a_source() -> None:
    book = CodeTable({}, [])
    assert all(row.source for row in TABLE)
    assert len({bare(row.words) for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert any(bare(row.words) in bare(message) for message, _ in MESSAGES), row.words
    for message, expected in MESSAGES:
        assert book.refusal(message.lower()) == book.refusal(f"x {message.upper()} x") == expected


async def test_a_message_is_taken_by_result_1() -> None:
    async with link(single(TAKEN, 1), operation="wsCpMt") as carrier:
        assert await carrier.submit([sms()]) == [Accepted()]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (0, TAKEN),
        ("", TAKEN),
        ("", "Check ReceiverID: FORMAT_ERROR"),
        (2, TAKEN),
        (-1, "error"),
        ("true", TAKEN),
        (1, "Check ReceiverID: FORMAT_ERROR"),
    ],
)
async def test_words_against_their_result_are_unknown(result: object, message: str) -> None:
    async with link(single(message, result), operation="wsCpMt") as carrier:
        (got,) = await carrier.submit([sms()])
    assert isinstance(got, Unknown)
    assert got.refs == ()


async def test_a_duplicate_is_rejected_and_never_taken() -> None:
    words = "Check ServiceID: DUPLICATE MESSAGE"
    async with link(single(words, 0), operation="wsCpMt") as carrier:
        assert await carrier.submit([sms()]) == [Rejected("DUPLICATE_MESSAGE", Reason.FILTERED)]
    async with link(listed([detail(words, 0, "k-1", sms().phone)])) as carrier:
        assert await carrier.submit([sms()]) == [Rejected("DUPLICATE_MESSAGE", Reason.FILTERED)]


async def test_unlisted_words_are_shown_and_neither_repeated_nor_whole() -> None:
    words = f"Tai khoan {PASSWORD} khong du\nso du, so 84981230001"
    async with link(single(words, 0), operation="wsCpMt") as carrier:
        assert await carrier.submit([sms()]) == [
            Rejected("Tai khoan [redacted] khong du so du, so [number]", Reason.OTHER)
        ]


async def test_refusal_after_refusal_in_unlisted_words_halts_the_link() -> None:
    async with link(
        single("Khong du so du", 0), operation="wsCpMt", strange_in_a_row=3, in_flight=1
    ) as carrier:
        results = await carrier.submit([sms(number) for number in range(5)])
        halted = carrier.halted()
        assert [type(result) for result in results] == [Rejected, Rejected, Rejected, Halted, Halted]
        assert halted is not None
        assert halted.code == "Khong du so du"
        await carrier.open()  # a person resumes: three more are borne
        assert isinstance((await carrier.submit([sms()]))[0], Rejected)


@pytest.mark.parametrize(
    "words", ["CONTENT_NOT_MATCH_TEMPLATE", "MSG_ERROR_CONTAIN_BLACKLIST", "Content: NULL_OR_BLANK"]
)
async def test_refusal_after_refusal_of_the_text_halts_the_link_as_well(words: str) -> None:
    async with link(
        single(f"Check {words}", 0), operation="wsCpMt", strange_in_a_row=3, in_flight=1
    ) as carrier:
        results = await carrier.submit([sms(number) for number in range(5)])
        assert [type(result) for result in results] == [Rejected] * 3 + [Halted] * 2
        assert carrier.halted() is not None


async def test_a_carrier_in_trouble_is_asked_by_single_messages_and_gives_none_up() -> None:
    answer = single("Check information error", 0)
    async with link(answer, operation="wsCpMt", strange_in_a_row=3, in_flight=1) as carrier:
        results = await carrier.submit([sms(number) for number in range(6)])
        borne = Deferred("CHECK_INFORMATION_ERROR", 10.0, counts=True)
        assert results[:3] == [borne] * 3
        assert results[3] == Deferred("CHECK_INFORMATION_ERROR", 10.0)
        assert [type(each) for each in results[4:]] == [Deferred] * 2
        assert all(each.code == "link held back" for each in results[4:] if isinstance(each, Deferred))
        assert carrier.halted() is None
        assert carrier.health().probing == "every message is deferred (CHECK_INFORMATION_ERROR)"


async def test_a_refused_number_in_between_does_not_start_the_count_anew() -> None:
    strange, listed_words = single("Khong du so du", 0), single("Check ReceiverID: FORMAT_ERROR", 0)
    answers = [strange, listed_words, strange, strange]
    async with link(answers, operation="wsCpMt", strange_in_a_row=1, in_flight=1) as carrier:
        results = await carrier.submit([sms(number) for number in range(4)])
    assert [type(result) for result in results] == [Rejected, Rejected, Halted, Halted]


@pytest.mark.longer
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("halted", Halted),
        ("throttled", Deferred("Over speed", 1.0, throttled=True)),
        ("deferred", Deferred("Over speed", 1.0, counts=True)),
        ("barred", Rejected("Over speed", Reason.BARRED)),
    ],
)
async def test_a_contract_may_add_messages_of_its_own(word: str, expected: object) -> None:
    async with link(
        single("OVER SPEED: 35", 0), operation="wsCpMt", messages={"Over speed": word}
    ) as carrier:
        (result,) = await carrier.submit([sms()])
    assert result == expected or type(result) is expected
