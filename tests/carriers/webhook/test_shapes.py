"""Every shipped shape: each word of the carrier becomes one of ours, and nothing is claimed beyond it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from carriers.contract import LinkError, Reason, ReceiptStatus, WebhookRequest
from carriers.webhook import PRESETS, MappedWebhook, WebhookCredentials, shape_of
from tests.carriers.webhook.asking import filled_in, posted, queried, read, told

DELIVERED, UNDELIVERED = ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED
EXPIRED, ON_THE_WAY, UNKNOWN = ReceiptStatus.EXPIRED, ReceiptStatus.IN_TRANSIT, ReceiptStatus.UNKNOWN
EVENT = {
    "request_id": "SLA-20240129-000017",
    "message_id": "7f",
    "msisdn": "84912345678",
    "status": "DELIVRD",
    "error": "000",
    "mt_count": 1,
    "done_at": "2024-01-29T10:05:00+07:00",
}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("DELIVRD", DELIVERED),
        ("delivrd", DELIVERED),
        ("UNDELIV", UNDELIVERED),
        ("REJECTD", UNDELIVERED),
        ("DELETED", UNDELIVERED),
        ("EXPIRED", EXPIRED),
        ("SENT", ON_THE_WAY),
        ("ACCEPTD", ON_THE_WAY),
        ("ENROUTE", ON_THE_WAY),
        ("UNKNOWN", UNKNOWN),
        ("something new", UNKNOWN),
        (17, UNKNOWN),
    ],
)
def test_generic_words(word: object, status: ReceiptStatus) -> None:
    receipt = read("generic", posted(EVENT | {"status": word}))
    assert receipt.status is status
    assert receipt.code == f"{word}/000"


@pytest.mark.parametrize("carried", [posted, queried, filled_in])
def test_the_same_event_as_json_as_query_and_as_form(carried: Any) -> None:
    receipt = read("generic", carried(EVENT), source="any")
    assert receipt.reference == "SLA-20240129-000017"
    assert receipt.phone == "84912345678"
    assert receipt.status is DELIVERED
    assert receipt.done_at == datetime(2024, 1, 29, 3, 5, tzinfo=UTC)
    assert "SLA-20240129-000017" in receipt.raw


def test_a_query_is_read_only_where_the_link_says_so() -> None:
    """Numbers in an address are written down on the way."""
    assert not told("generic", queried(EVENT)).receipts


@pytest.mark.parametrize(
    ("ids", "reference"),
    [
        ({"request_id": "a", "message_id": "b"}, "a"),
        ({"request_id": "", "message_id": "b"}, "b"),
        ({"request_id": None, "message_id": 17}, "17"),
        ({"message_id": "0007f"}, "0007f"),
        ({}, None),
    ],
)
def test_the_request_id_is_the_reference_else_the_message_id(ids: dict[str, object], reference: str) -> None:
    event = {"msisdn": "84912345678", "status": "DELIVRD"} | ids
    assert read("generic", posted(event)).reference == reference


def test_which_field_is_the_reference_is_a_setting() -> None:
    assert read("generic", posted(EVENT), reference="message_id").reference == "7f"
    assert read("generic", posted(EVENT), reference=[]).reference is None


@pytest.mark.parametrize(
    "spelling",
    ["84912345678", "+84912345678", "0084912345678", "0912345678", "912345678", "0912 345 678", 84912345678],
)
def test_phones_in_any_usual_spelling(spelling: object) -> None:
    assert read("generic", posted(EVENT | {"msisdn": spelling})).phone == "84912345678"


@pytest.mark.parametrize(
    ("said", "own", "utc"),
    [
        ("2024-01-29T10:05:00+07:00", {}, (3, 5)),
        ("2024-01-29T03:05:00Z", {}, (3, 5)),
        ("2024-01-29 10:05:00", {}, (3, 5)),
        ("2024-01-29 10:05", {}, (3, 5)),
        ("2024-01-29 10:05:00", {"zone": "+00:00"}, (10, 5)),
        (1_706_497_500, {"time_format": "unix"}, (3, 5)),
        ("1706497500000", {"time_format": "unix_ms"}, (3, 5)),
        ("29/01/2024 10:05:00", {"time_format": "%d/%m/%Y %H:%M:%S"}, (3, 5)),
    ],
)
def test_times_with_and_without_zone(said: object, own: dict[str, str], utc: tuple[int, int]) -> None:
    receipt = read("generic", posted(EVENT | {"done_at": said}), **own)
    assert receipt.done_at == datetime(2024, 1, 29, *utc, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    ["", "0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon", 17, None, {"a": 1}],
)
@pytest.mark.parametrize("time_format", ["iso", "unix", "unix_ms", "%d/%m/%Y"])
def test_a_receipt_is_worth_more_than_its_time(said: object, time_format: str) -> None:
    receipt = read("generic", posted(EVENT | {"done_at": said}), time_format=time_format)
    assert receipt.status is DELIVERED
    assert receipt.done_at is None


@pytest.mark.parametrize("count", ["1e308", "9" * 400, "-1e30", "nan", "inf"])
def test_a_time_beyond_all_years_is_none(count: str) -> None:
    assert read("generic", posted(EVENT | {"done_at": count}), time_format="unix").done_at is None


def esms(**more: object) -> WebhookRequest:
    fields = {"SMSID": "e1", "SendStatus": "5", "phonenumber": "0912345678", "RequestId": "r1"}
    return queried(fields | {"SendSuccess": "1", "SendFailed": "0", "TotalSent": "1"} | more)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, DELIVERED),
        ({"SendSuccess": "0", "SendFailed": "1"}, UNDELIVERED),
        ({"SendSuccess": "0", "SendFailed": "0"}, UNKNOWN),
        ({"SendSuccess": "", "SendFailed": ""}, UNKNOWN),
        ({"SendSuccess": "2", "SendFailed": "1"}, UNKNOWN),
        ({"phonenumber": ""}, UNKNOWN),
        ({"phonenumber": "", "SendSuccess": "0", "SendFailed": "9"}, UNKNOWN),
        ({"SendStatus": "4"}, UNDELIVERED),
        ({"SendStatus": "4", "phonenumber": ""}, UNKNOWN),
        ({"SendStatus": "1"}, ON_THE_WAY),
        ({"SendStatus": "2"}, ON_THE_WAY),
        ({"SendStatus": "7"}, ON_THE_WAY),
        ({"SendStatus": "99"}, UNKNOWN),
    ],
)
def test_esms_finished_is_no_success_without_its_counts(said: dict[str, str], status: ReceiptStatus) -> None:
    receipt = read("esms", esms(**said))
    assert receipt.status is status
    assert receipt.reference == "e1"


@pytest.mark.parametrize(
    ("format_", "event", "status", "reference"),
    [
        ("fpt", {"smsid": 8, "status": 1, "telco": "VT", "error": "0"}, DELIVERED, "8"),
        ("fpt", {"smsid": "8", "status": 0, "error": "27"}, UNDELIVERED, "8"),
        ("fpt", {"smsid": "8", "status": 2}, ON_THE_WAY, "8"),
        ("fpt", {"smsid": "8", "status": -11}, ON_THE_WAY, "8"),
        ("vietguys", {"data": {"message_id": "v", "status": "delivered"}}, DELIVERED, "v"),
        ("vietguys", {"data": {"message_id": "v", "status": "sent"}}, ON_THE_WAY, "v"),
        ("vietguys", {"data": [{"message_id": "v", "status": "fail"}]}, UNDELIVERED, "v"),
        ("incom", {"IdOmniMess": "i", "Status": "SUCCESS", "ErrorCode": "0"}, DELIVERED, "i"),
        ("incom", {"IdOmniMess": "i", "Status": "Fail", "ErrorCode": "9"}, UNDELIVERED, "i"),
        ("incom", {"IdOmniMess": "i", "Status": "PROCESSING"}, ON_THE_WAY, "i"),
    ],
)
def test_json_shapes(format_: str, event: object, status: ReceiptStatus, reference: str) -> None:
    receipt = read(format_, posted(event))
    assert (receipt.status, receipt.reference) == (status, reference)


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("3", DELIVERED, Reason.NONE),
        ("4", UNDELIVERED, Reason.NONE),
        ("5", UNDELIVERED, Reason.NO_SUCH_NUMBER),
        ("6", UNDELIVERED, Reason.WRONG_REQUEST),
        ("7", UNDELIVERED, Reason.WRONG_REQUEST),
        ("8", UNDELIVERED, Reason.WRONG_REQUEST),
        ("9", UNDELIVERED, Reason.SYSTEM),
        ("10", UNDELIVERED, Reason.FILTERED),
        ("13", UNDELIVERED, Reason.FILTERED),
        ("14", UNKNOWN, Reason.NONE),
    ],
)
def test_abenla_says_it_in_the_query_of_a_post(code: str, status: ReceiptStatus, reason: Reason) -> None:
    receipt = read("abenla", queried({"SMSGUID": "g", "SMSSTATUS": code, "SECRECTSIGN": "x"}, "POST"))
    assert (receipt.status, receipt.reason, receipt.reference) == (status, reason, "g")


@pytest.mark.parametrize(
    ("format_", "body", "kind"),
    [(name, b'{"status":1}', "application/json") for name in PRESETS if name != "abenla"]
    + [
        (
            "abenla",
            b'<?xml version="1.0" encoding="utf-8"?><Response><Status>2</Status></Response>',
            "application/xml",
        )
    ],
)
def test_each_hears_what_it_wants_to_hear(format_: str, body: bytes, kind: str) -> None:
    answer = MappedWebhook(WebhookCredentials(), shape_of("x", format_, {})).acknowledgement
    assert (answer.body, answer.content_type) == (body, kind)


@pytest.mark.longer
def test_a_carrier_of_ones_own_is_described_by_a_table() -> None:
    own: dict[str, Any] = {
        "events": "report.items",
        "reference": "ref.id",
        "phone": "to",
        "status": "st.word",
        "statuses": {"ok": "delivered", "ko": "undelivered"},
        "code": "st.err",
        "reasons": {"017": "barred"},
        "answer": "OK",
        "answer_type": "text/plain",
    }
    items = [
        {"ref": {"id": "a"}, "to": "0912345678", "st": {"word": "OK", "err": 0}},
        {"ref": {"id": "b"}, "to": "0912345679", "st": {"word": "ko", "err": "17"}},
    ]
    found = told("generic", posted({"report": {"items": items}}), **own)
    assert [(one.reference, one.status, one.reason, one.code) for one in found.receipts] == [
        ("a", DELIVERED, Reason.NONE, "OK/0"),
        ("b", UNDELIVERED, Reason.BARRED, "ko/17"),
    ]
    assert MappedWebhook(WebhookCredentials(), shape_of("x", "generic", own)).acknowledgement.body == b"OK"


@pytest.mark.parametrize(
    ("format_", "own", "words"),
    [
        ("fax", {}, "there is no webhook format 'fax'; there are: generic, esms"),
        ("generic", {"colour": "red"}, "webhook.map has no setting colour. It knows: source"),
        ("generic", {"statuses": {"1": "arrived"}}, "statuses must be a table of the carrier's words"),
        ("generic", {"status": "a..b"}, "status must be the name of a field"),
        ("generic", {"status": ""}, "needs status and statuses"),
        ("generic", {"reference": [], "phone": ""}, "needs reference or phone"),
        ("generic", {"time_format": "yyyy-MM-dd"}, "time_format must be one of iso, unix, unix_ms"),
        ("generic", {"reasons": {"1": "bad luck"}}, "reasons must be a table of error codes"),
        ("generic", {"zone": "Hanoi"}, "zone must be an offset"),
        ("generic", {"answer_type": "a\r\nb"}, "answer_type must be plain text"),
        ("generic", {"most_events": 0}, "most_events must be a whole number"),
    ],
)
def test_a_wrong_table_is_refused_in_words(format_: str, own: dict[str, Any], words: str) -> None:
    with pytest.raises(LinkError, match=f"Link x: .*{words}"):
        shape_of("x", format_, own)
