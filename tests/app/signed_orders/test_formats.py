"""The formats: canonical, strict, refused in words; a parser raises nothing else, whatever it is given."""

from __future__ import annotations

import copy
import inspect
import json
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.bodies import filled
from app.core import words
from app.core.errors import Invalid
from app.reports.figures import labels
from app.reports.intake import statement_input
from app.signed_orders import formats, loa_carrier
from app.signed_orders.loa_carrier import ORDER, RESULT, Refused
from app.signed_orders.orders import OrderIssueBody
from carriers.contract import Reason
from tests.app.signed_orders.documents import (
    CARRIER,
    NOW,
    POLICE,
    STRANGER,
    keys,
    order,
    result,
    row,
    signed_order,
    signed_result,
)
from tests.reference.__main__ import SCHEMA_FOLDER, schemas

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def refused(change: Any, form: str = RESULT, now: Any = NOW) -> str:
    content = result() if form == RESULT else order()
    change(content)
    with pytest.raises(Refused) as found:
        (loa_carrier.check_result if form == RESULT else formats.check_order)(content, now)
    return str(found.value)


def test_a_document_of_each_format_is_taken() -> None:
    for content, form, signer in ((signed_order(), ORDER, POLICE), (signed_result(), RESULT, CARRIER)):
        signed = formats.read(content, form)
        formats.check(signed, NOW)
        assert loa_carrier.verify(signed, keys(POLICE, CARRIER)) == list(keys(signer))
    loa_carrier.match(result(), loa_carrier.read(signed_order()))


def test_canonical_json_is_that_of_rfc_8785() -> None:
    said = {
        "\u20ac": "Euro",
        "\r": "CR",
        "\ufb33": "Hebrew",
        "1": "One",
        "\U0001f600": "Emoji",
        "\u0080": "C",
    }
    names = ["\r", "1", "\u0080", "\u20ac", "\U0001f600", "\ufb33"]  # the order of RFC 8785, 3.2.3
    assert list(json.loads(loa_carrier.canonical(said))) == names
    text = {"b": [1, True, None], "a": '\u20ac$\u000f\nA\'B"\\\\"/\u007f'}
    assert loa_carrier.canonical(text).decode() == (
        '{"a":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u007f","b":[1,true,null]}'
    )


def test_the_key_of_rfc_8037_has_its_thumbprint() -> None:
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    found = loa_carrier.kid(loa_carrier.read_jwk(key))
    assert found == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert loa_carrier.fingerprint(found) == "90fa cafe a9b1 5566 9854 0f70 c011 7a22"


def test_the_schemas_of_the_repository_are_those_of_the_code() -> None:
    for file, text in schemas().items():
        assert (SCHEMA_FOLDER / file).read_text("utf-8") == text, "make reference"


def test_a_schema_takes_what_the_code_takes() -> None:
    for form, content in ((ORDER, order()), (RESULT, result())):
        schema = jsonschema_rs.validator_for(formats.SCHEMAS[form])
        assert schema.is_valid(content)
        for name in content:
            lacking = copy.deepcopy(content)
            del lacking[name]
            assert not schema.is_valid(lacking)
            assert not schema.is_valid(copy.deepcopy(content) | {name: [[]]})


def test_causes_and_levels_are_those_of_loas_forms() -> None:
    assert tuple(statement_input.EXCLUDED) == loa_carrier.EXCLUDED
    assert tuple(statement_input.REASONS) == loa_carrier.FAILED
    assert {each.name.lower() for each in labels.REASONS} - {Reason.WRONG_REQUEST.name.lower()} == set(
        loa_carrier.FAILED
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a":1,"a":2}', "given twice"),
        (b'{"a":1.0}', "whole numbers"),
        (b'{"a":1e3}', "whole numbers"),
        (b'{"a":NaN}', "whole numbers"),
        (b'{"a":' + b"9" * 5000 + b"}", "whole numbers"),
        (b"[" * 100_000, "damaged"),
        (b"{", "damaged"),
        (b"\xff", "damaged"),
        (b"\xef\xbb\xbf{}", "damaged"),
        (b" " * 1_100_000, "larger"),
        (b"{}", "payload and signatures"),
        (b'{"payload":"","signatures":[]}', "1 to 10 signatures"),
        (b'{"payload":"===","signatures":[{}]}', "base64url"),
        (b'{"payload":"","signatures":[{"protected":"","signature":"","header":{}}]}', "exactly the fields"),
    ],
)
def test_what_is_no_signed_document_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        loa_carrier.read(content)


def test_a_document_that_was_altered_or_signed_by_another_is_refused() -> None:
    signed = loa_carrier.read(loa_carrier.sign(result(), STRANGER))
    with pytest.raises(Refused, match="not trusted here"):
        loa_carrier.verify(signed, keys(POLICE, CARRIER))
    honest, other = json.loads(signed_result()), json.loads(signed_result(remarks="khác"))
    mixed = honest | {"payload": other["payload"]}
    with pytest.raises(Refused, match="altered"):
        loa_carrier.verify(loa_carrier.read(json.dumps(mixed).encode()), keys(CARRIER))
    several = loa_carrier.read(loa_carrier.sign(result(), STRANGER, CARRIER))
    assert loa_carrier.verify(several, keys(CARRIER)) == list(keys(CARRIER))


def test_a_payload_that_is_not_canonical_and_a_foreign_type_are_refused() -> None:
    honest = json.loads(signed_result())
    loose = json.dumps(json.loads(loa_carrier.unb64(honest["payload"], "x"))).encode()
    with pytest.raises(Refused, match="canonical"):
        loa_carrier.read(json.dumps(honest | {"payload": loa_carrier.b64(loose)}).encode())
    as_order = loa_carrier.b64(
        loa_carrier.canonical({"alg": "EdDSA", "kid": next(iter(keys(CARRIER))), "typ": "loa-order/1"})
    )
    honest["signatures"][0]["protected"] = as_order
    with pytest.raises(Refused, match="typ"):
        loa_carrier.read(json.dumps(honest).encode())
    with pytest.raises(Invalid, match="must be of the format loa-order/1"):
        formats.read(signed_result(), ORDER)


SPELLINGS = [
    "0912345678", "84912345678", "+84912345678", "0084912345678", "+84 912 345 678", "0912.345.678",
    "0912 345 678", "0912-345-678", "(091) 234 5678", "091_234_5678", "0 9 1 2 3 4 5 6 7 8", "٠٩١٢٣٤٥٦٧٨",
    "０９１２３４５６７８", "0912\u200b345\u200b678", "0912/345/678", "912345678", "912 345 678",
    "+84(0)912345678", "84-912-345-678", "+85620123456", "số:0912345678.",
    "912–345–678", "912  345  678", "912...345...678", "912_345_678", "912\u2011345\u2011678",
    "không chín một hai ba bốn năm sáu bảy tám", "Chin, mot, hai, ba, bon, nam, sau, bay, tam",
]  # fmt: skip


@pytest.mark.parametrize("phone", SPELLINGS)
def test_a_phone_number_is_refused_wherever_it_is(phone: str) -> None:
    assert "contains a phone number" in refused(lambda content: content.update(remarks=f"gọi {phone} nhé"))
    assert "contains a phone number" in refused(lambda content: content.update(reason=f"Tel {phone}"), ORDER)
    unknown = refused(lambda content: content.update({phone: 1}))
    assert "unknown field" in unknown
    assert not any(digits in unknown for digits in ("912345678", "345.678", "345 678"))


FIGURES = [
    "8. 12.345.678 tin",
    "một hai ba bốn năm sáu bảy xã",
    "08:00-17:30 5/2/2031",
    "350.000 thuê bao",
    "02123852345",
    "sửa ngày 2031-02-05 08:00",
]


@pytest.mark.parametrize("said", FIGURES)
def test_times_dates_and_fixed_lines_are_no_mobile_numbers(said: str) -> None:
    loa_carrier.check_result(result(remarks=said))


def test_a_number_as_a_count_is_out_of_range() -> None:
    assert "between 0 and" in refused(lambda content: content["totals"].update(sent=84_912_345_678))
    assert "between 0 and" in refused(lambda content: content.update(parts=9_123_456_789))


RESULTS: list[tuple[Any, str]] = [
    (lambda c: c["totals"].update(sent=1), "eligible minus excluded"),
    (lambda c: c["totals"].update(no_receipt=7), "add up to sent"),
    (lambda c: c["areas"][0].update(received=189_000, no_receipt=6_000), "by area does not add up"),
    (lambda c: c["excluded"][0].update(count=1), "do not add up to 4000"),
    (lambda c: c["excluded"].append({"cause": "barred", "count": 0}), "the same cause twice"),
    (lambda c: c["areas"].append(dict(c["areas"][0])), "given twice"),
    (lambda c: c.update(version=2), "from version 2 on"),
    (lambda c: c.update(changes="sửa"), "from version 2 on"),
    (lambda c: c.update(version=2, changes=" \n"), "from version 2 on"),
    (lambda c: c.update(began_at=None), "needs began_at"),
    (lambda c: c.update(began_at=None, ended_at=None, final=False), "needs began_at"),
    (
        lambda c: c.update(
            proves="none",
            totals=c["totals"] | dict.fromkeys(loa_carrier.COUNTS[3:]),
            areas=[],
            failed=[{"cause": "other", "count": 5}],
        ),
        "causes of failed must be empty",
    ),
    (lambda c: c.update(version=True), "must be of the type"),
    (lambda c: c.update(made_at="2031-02-30T01:00:00Z"), "is not a valid time"),
    (lambda c: c.update(made_at="2032-02-09T01:00:00Z"), "in the future"),
    (lambda c: c.update(ended_at="2031-02-04T01:00:00Z"), "must be in this order"),
    (lambda c: c.update(ended_at=None), "must state when sending ended"),
    (lambda c: c.update(began_at=None), "needs began_at"),
    (lambda c: c.update(proves="none"), "without receipts"),
    (lambda c: c["totals"].update(received=None), "write 0 for none"),
    (lambda c: c.update(parts=5), "1 to 10 times"),
    (lambda c: c["withheld"].update(areas=["03646"]), "given twice|otherwise it must have none"),
    (lambda c: c.update(remarks="a\x1b[31m"), "control character"),
    (lambda c: c.update(carrier="VNPT"), "not written as required"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), RESULTS)
def test_a_result_that_can_not_be_is_refused_in_words(change: Any, sentence: str) -> None:
    assert re.search(sentence, refused(change))


def _withdrawn(content: dict[str, Any]) -> None:
    content.update(kind="withdrawal", content=None)


ORDERS: list[tuple[Any, str]] = [
    (lambda c: c["content"]["texts"][0].update(text="Khác"), "SHA-256 of a text"),
    (lambda c: c["content"]["areas"].append(dict(c["content"]["areas"][0])), "names an area twice"),
    (lambda c: c["content"].update(ends_at="2031-02-01T00:00:00Z"), "ends before it begins"),
    (lambda c: c["content"].update(valid_until="2031-02-09T00:00:00Z"), "valid until"),
    (lambda c: c.update(issued_at="2031-03-01T00:00:00Z"), "in the future"),
    (lambda c: c.update(content=None), "must be null"),
    (lambda c: c.update(kind="withdrawal"), "must be null"),
    (_withdrawn, "must name the order"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), ORDERS)
def test_an_order_that_can_not_be_is_refused_in_words(change: Any, sentence: str) -> None:
    assert sentence in refused(change, ORDER)


def test_small_cells_are_withheld_and_the_sums_stay_right() -> None:
    rows = [
        row("03646", 900, 890, 10),
        row("03985", 700, 697, 3),
        row("03664", 800, 780, 5),
        row("?", 9, 9, 0),
    ]
    shown, hidden = loa_carrier.withhold(rows)
    assert hidden == [
        "03664",
        "03985",
        "?",
    ]  # the area itself, and those without which it could be subtracted
    assert [each["area"] for each in shown] == ["03646", "*"]
    for name in loa_carrier.COUNTS:
        assert sum(each[name] for each in shown) == sum(each[name] for each in rows)
    total = {name: sum(each[name] for each in rows) for name in loa_carrier.COUNTS}
    held = {"rule": "fewer-than-5", "areas": hidden}
    good = result(totals=total, areas=shown, withheld=held, parts=None, excluded=[])
    loa_carrier.check_result(good)
    with pytest.raises(Refused, match="1 to 4 persons"):
        loa_carrier.check_result(good | {"areas": rows, "withheld": held | {"areas": []}})


@given(st.lists(st.tuples(*[st.integers(0, 40)] * 3), max_size=12))
def test_withholding_leaves_no_small_cell_beside_others(cells: list[tuple[int, int, int]]) -> None:
    rows = [row(f"{n:05}", a + b + c, a, b) for n, (a, b, c) in enumerate(cells)]
    shown, hidden = loa_carrier.withhold(rows)
    if len(shown) > 1:
        assert not any(0 < each[name] < 5 for each in shown for name in loa_carrier.COUNTS)
    assert len(hidden) != 1 or len(rows) == 1
    for name in loa_carrier.COUNTS:
        assert sum(each[name] for each in shown) == sum(each[name] for each in rows)


# ---- nothing but a refusal leaves the parsers


@given(st.binary(max_size=400))
@example(b'{"payload":"bnVsbA","signatures":[{"protected":"e30","signature":""}]}')
def test_no_bytes_raise_anything_but_a_refusal(content: bytes) -> None:
    for form in (ORDER, RESULT):
        with suppress(Invalid):
            formats.check(formats.read(content, form), NOW)


@given(JSON, JSON, JSON)
def test_no_signed_content_raises_anything_but_a_refusal(payload: Any, header: Any, signature: Any) -> None:
    def text(value: Any) -> Any:
        with suppress(ValueError):
            return loa_carrier.b64(json.dumps(value).encode())
        return value

    outer = {"payload": text(payload), "signatures": [{"protected": text(header), "signature": signature}]}
    for content in (outer, {"payload": payload, "signatures": signature}):
        with suppress(Invalid):
            formats.check(formats.read(json.dumps(content).encode(), RESULT), NOW)


@given(st.data())
def test_no_change_of_a_field_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    form, content = data.draw(st.sampled_from([(ORDER, order()), (RESULT, result())]))
    at: Any = content
    while isinstance(at, dict | list) and at:
        place = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if data.draw(st.booleans()) or not isinstance(at[place], dict | list):
            at[place] = data.draw(JSON)
            break
        at = at[place]
    check = formats.check_order if form == ORDER else loa_carrier.check_result
    with suppress(Refused):
        check(content, NOW + timedelta(days=data.draw(st.integers(-400, 400))))


HIDDEN = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u3164", "\u2800", "\u202e", "\u2067", "\u2028"]


@pytest.mark.parametrize("char", HIDDEN)
def test_a_character_that_nobody_sees_is_refused_in_each_document(char: str) -> None:
    code = f"U\\+{ord(char):04X}"
    assert re.search(f"invisible character {code}", refused(lambda c: c.update(remarks=f"tốt{char} đẹp")))
    assert "invisible character" in refused(lambda c: c.update(version=2, changes=char))
    assert "invisible character" in refused(lambda c: c.update(reason=char), ORDER)


def test_marks_without_a_letter_are_not_a_reason() -> None:
    assert "invisible character" in refused(lambda c: c.update(version=2, changes="\u0301 \ufe0f"))
    assert loa_carrier.unseen("Đã gửi ⚠\ufe0f xong") == ""


def test_documents_and_every_other_door_refuse_the_same_characters() -> None:
    assert inspect.getsource(loa_carrier.unseen) == inspect.getsource(words.unseen)
    assert loa_carrier.UNSEEN == words.UNSEEN
    for char in HIDDEN:
        with pytest.raises(Invalid):
            filled(OrderIssueBody, {"reason": f"a{char}b"})


@pytest.mark.parametrize("fields", [{"signature": "AAAA"}, {"protected": "kid"}])
def test_a_signature_of_another_form_is_refused_beside_a_good_one(fields: dict[str, str]) -> None:
    """The page requires the form of every signature, also of those that prove nothing."""
    outer = json.loads(loa_carrier.sign(result(), CARRIER, STRANGER))
    if "protected" in fields:
        head = {"alg": "EdDSA", "kid": "nobody", "typ": RESULT}
        fields = {"protected": loa_carrier.b64(loa_carrier.canonical(head))}
    outer["signatures"][1] |= fields
    with pytest.raises(Refused, match=r"A signature has 64 bytes|not base64url"):
        loa_carrier.read(json.dumps(outer).encode())


@pytest.mark.parametrize(
    ("reported", "remarks", "sentence"),
    [
        (("116", "118"), "", "no row for the ordered area 119"),
        (("122",), "", "no row for the ordered area 116"),
        (("116", "122"), "", "no row for the ordered area 118"),
        (("116", "118", "119", "122"), " ", "area 122 was not ordered"),
        (("116", "118", "119", "122"), "Trạm giáp ranh", ""),
        (("116", "118", "119"), "", ""),
        (("?",), "", ""),
        ((), "", ""),
    ],
)
def test_one_code_that_was_not_ordered_switches_off_no_rule(
    reported: tuple[str, ...], remarks: str, sentence: str
) -> None:
    asked = order()
    asked["content"]["areas"] = [{"code": code, "name": code} for code in ("116", "118", "119")]
    about = loa_carrier.sign(asked, POLICE)
    areas = [row(code, 500, 400, 90) for code in reported]
    content = result(about, areas=areas, remarks=remarks)
    if not sentence:
        loa_carrier.match(content, loa_carrier.read(about))
        return
    with pytest.raises(Refused, match=sentence):
        loa_carrier.match(content, loa_carrier.read(about))
