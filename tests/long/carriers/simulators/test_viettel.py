"""The simulated Viettel takes and refuses messages in the order and the words of its error list."""

from __future__ import annotations

import pytest

from tests.long.carriers.simulators.viettel_client import (
    ACCOUNT,
    ONE,
    PHONE,
    TAKEN,
    details,
    envelope,
    running,
    said,
)

# ---- single messages


async def test_a_message_is_taken_and_kept() -> None:
    async with running() as client:
        assert await client.one(Content="Cảnh báo <&>", ContentType="1") == (TAKEN, "1")
        (message,) = client.viettel.messages
        assert (message.phone, message.text, message.sender) == (PHONE, "Cảnh báo <&>", "CA SONLA")
        assert client.viettel.copies(PHONE) == 1


WORDS = [
    ({"CPCode": ""}, "Authenticate: Cp_code: NULL_OR_BLANK"),
    ({"User": ""}, "Authenticate: UserName: NULL_OR_BLANK"),
    ({"Password": ""}, "Authenticate: Password: NULL_OR_BLANK"),
    ({"CPCode": "X"}, "Authenticate: CP_CODE_NOT_FOUND"),
    ({"Password": "x"}, "Authenticate: WRONG_INFORMATION_AUTHENTICATE"),
    ({"RequestID": ""}, "Check RequestID: NULL_OR_BLANK"),
    ({"RequestID": "SLA-1"}, "Check RequestID: REQUEST_ID_NOT_NUMBER"),
    ({"UserID": ""}, "Check UserID: NULL_OR_BLANK"),
    ({"ReceiverID": ""}, "Check ReceiverID: NULL_OR_BLANK"),
    ({"ReceiverID": "0x981230001"}, "Check ReceiverID: FORMAT_ERROR"),
    ({"ReceiverID": "84981230066", "UserID": "84981230066"}, "Check ReceiverID: FORMAT_ERROR"),
    ({"ReceiverID": "8498123000"}, "Length of ReceiverID is invalid."),
    ({"UserID": "84981230009"}, "UserID_NOT_EQUAL_ReceiverID"),
    ({"ReceiverID": "84101230001", "UserID": "84101230001"}, "Unable to check telco from input receiver"),
    ({"ServiceID": "CA SONLA 2"}, "Check ServiceID: ALIAS_INVALID:TELCO=VT"),
    ({"ServiceID": ""}, "Check ServiceID: ALIAS_INVALID:TELCO=VT"),
    ({"ReceiverID": "84911230001", "UserID": "84911230001"}, "Check ServiceID: ALIAS_INVALID:TELCO=VN"),
    ({"ReceiverID": "84901230001", "UserID": "84901230001"}, "Check ServiceID: ALIAS_INVALID:TELCO=MB"),
    ({"ReceiverID": "84981230077", "UserID": "84981230077"}, "Check ServiceID: ALIAS_INVALID:TELCO=VM"),
    ({"CommandCode": ""}, "Check CommandCode: NULL_OR_BLANK"),
    ({"CommandCode": "sms"}, "Check CommandCode: COMMAND_CODE_ERROR"),
    ({"Content": ""}, "Check Content: NULL_OR_BLANK"),
    ({"Content": "x" * 481}, "Check Content: MAXLENGTH_LIMIT_480_BYTE (YOUR_CONTENT: 481 BYTE)"),
]


@pytest.mark.parametrize(("fields", "words"), WORDS, ids=[words for _, words in WORDS])
async def test_what_is_wrong_is_refused_in_the_documented_words(fields: dict[str, str], words: str) -> None:
    behaviour = {"senders": "VT=CA SONLA", "refused": "66", "ported": "77=VM"}
    async with running(**behaviour) as client:
        assert await client.one(**fields) == (words, "0")
        assert client.viettel.messages == []
        # A stranger's message is not looked at; every other is counted.
        expected = 0 if words.startswith("Authenticate") else 1
        assert client.viettel.report()["refused"] == expected
        assert client.viettel.report()["answers"] == {words: 1}


async def test_the_first_fault_in_the_documented_order_is_the_one_that_is_said() -> None:
    wrong = {
        "RequestID": "x",
        "UserID": "",
        "ReceiverID": "1",
        "ServiceID": "",
        "CommandCode": "",
        "Content": "",
    }
    order = [
        "REQUEST_ID_NOT_NUMBER",
        "UserID: NULL",
        "Length",
        "EQUAL",
        "telco",
        "ALIAS",
        "CommandCode",
        "Content",
    ]
    mended = [
        ("RequestID", "1"),
        ("UserID", "2"),
        ("ReceiverID", "84101230001"),
        ("UserID", "84101230001"),
        ("ReceiverID", PHONE),
        ("ServiceID", "CA SONLA"),
        ("CommandCode", "bulksms"),
        ("Content", "Canh bao"),
    ]
    async with running() as client:
        heard = []
        for name, value in mended:
            heard.append((await client.one(**wrong))[0])
            wrong[name] = value
            if name == "ReceiverID" and value == PHONE:
                wrong["UserID"] = PHONE
        assert await client.one(**wrong) == (TAKEN, "1")
    assert [word in words for word, words in zip(order, heard, strict=True)] == [True] * len(order), heard


async def test_the_same_text_to_the_same_number_is_a_duplicate_for_some_minutes() -> None:
    async with running() as client:
        assert await client.one() == (TAKEN, "1")
        assert await client.one() == ("Check ServiceID: DUPLICATE MESSAGE", "0")
        assert await client.one(Content="another") == (TAKEN, "1")
        assert await client.one(ServiceID="CA SLA") == (TAKEN, "1")
        assert await client.one(ReceiverID="84981230002", UserID="84981230002") == (TAKEN, "1")
        client.viettel.change(duplicate_min=0.0)
        assert await client.one() == (TAKEN, "1")
        assert client.viettel.copies(PHONE) == 4


async def test_throttling_has_a_status_or_words() -> None:
    async with running(throttle=1.0) as client:
        response = await client.post(envelope("wsCpMt", ONE))
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        client.viettel.change(too_fast="OVER_SPEED")
        assert await client.one() == ("OVER_SPEED", "0")
        assert client.viettel.report()["throttled"] == 2


async def test_the_balance_comes_to_an_end() -> None:
    async with running(balance=3) as client:
        assert await client.one(Content="x" * 200) == (TAKEN, "1")  # two segments
        assert await client.one(Content="y" * 200) == ("BALANCE_NOT_ENOUGH", "0")
        assert await client.one(Content="z") == (TAKEN, "1")
        found = (await client.ask("checkBalance", ACCOUNT))[0]
        texts = {each.tag: each.text for each in found}
        space = "{http://smsbrand.viettel.com/}"
        assert texts == {f"{space}balance": "0", f"{space}errCode": "0", f"{space}errDesc": "OK"}
        wrong = (await client.ask("checkBalance", {**ACCOUNT, "Password": "x"}))[0]
        assert [each.text for each in wrong] == ["1", "Authenticate: WRONG_INFORMATION_AUTHENTICATE"]


# ---- lists


async def test_a_list_has_a_result_for_each_message_under_its_own_id() -> None:
    async with running(refused="2") as client:
        messages = [("Canh bao", f"id-{number}", f"8498123000{number}") for number in range(4)]
        found = await client.list(*messages)
        assert said(found) == (TAKEN, "1")
        assert details(found) == [
            ("id-0", "84981230000", "1", TAKEN),
            ("id-1", "84981230001", "1", TAKEN),
            ("id-2", "84981230002", "0", "Check ReceiverID: FORMAT_ERROR"),
            ("id-3", "84981230003", "1", TAKEN),
        ]
        assert [each.request_id for each in client.viettel.messages] == ["id-0", "id-1", "id-3"]


async def test_a_list_may_repeat_a_number_and_the_copy_is_a_duplicate() -> None:
    async with running() as client:
        found = await client.list(("a", "1", PHONE), ("a", "2", PHONE))
        assert [each[2:] for each in details(found)] == [
            ("1", TAKEN),
            ("0", "Check ServiceID: DUPLICATE MESSAGE"),
        ]


async def test_a_stranger_s_list_is_refused_as_a_whole() -> None:
    async with running() as client:
        found = await client.list(("a", "1", PHONE), Password="x")
        assert said(found) == ("Authenticate: WRONG_INFORMATION_AUTHENTICATE", "0")
        assert details(found) == []
        assert client.viettel.report()["submits"] == 0


async def test_an_answer_may_leave_messages_out() -> None:
    async with running(details_missing=1.0) as client:
        assert details(await client.list(("a", "1", PHONE))) == []
        assert client.viettel.copies(PHONE) == 1
