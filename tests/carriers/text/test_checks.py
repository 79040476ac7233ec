"""Checks that keep a warning from looking like the fraud."""

import unicodedata

import pytest
from hypothesis import given

from carriers.text import Severity, lint, nfc, unaccent
from tests.carriers.text import alphabets


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in lint(text)]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Xem https://vay-nhanh.top/x?y=1 ngay", "vay-nhanh.top"),
        ("Vào www.ngan-hang.example ngay", "www.ngan-hang.example"),
        ("bit.ly/abc", "bit.ly"),
        ("Bấm congan-gov.vn.", "congan-gov.vn"),
        ("Vào congan.gov.vn.abc.top", "congan.gov.vn.abc.top"),
        ("https://congan.gov.vn@evil.top/a", "evil.top"),
        ("http://evil.top\\@congan.gov.vn", "evil.top"),
        ("https://evil.top:8443#congan.gov.vn", "evil.top"),
        ("https://evil.top/://congan.gov.vn", "evil.top"),
        ("Thư gửi ai@evil.com", "evil.com"),
        ("Nhóm T.ME/VIECNHE", "t.me"),
        ("lừa.Co nguoi", "lừa.co"),  # telephones make a link of a forgotten blank as well
    ],
)
def test_a_link_is_an_error_that_names_the_host_a_browser_would_open(text: str, host: str) -> None:
    (finding,) = lint(text)
    assert (finding.kind, finding.severity) == ("link", Severity.ERROR)
    assert f"links to {host}. Links" in finding.message


def test_a_link_is_marked_where_it_stands_without_the_full_stop_behind_it() -> None:
    text = unicodedata.normalize("NFD", "Cảnh báo: xem abc.vn/x.")
    (finding,) = lint(text)
    assert nfc(text)[finding.position : finding.position + finding.length] == "abc.vn/x"


def test_a_state_host_needs_confirmation_and_passes_once_confirmed() -> None:
    (finding,) = lint("Xem https://bocongan.gov.vn/tin")
    assert finding.severity is Severity.WARNING
    assert "The text contains bocongan.gov.vn" in finding.message
    assert lint("Xem https://bocongan.gov.vn/tin", allowed_hosts=frozenset({"bocongan.gov.vn"})) == []
    assert kinds("gov.vn") == ["link"]


def test_no_confirmation_makes_another_host_pass() -> None:
    assert lint("abc.com", allowed_hosts=frozenset({"abc.com"}))[0].severity is Severity.ERROR


@pytest.mark.parametrize("text", ["Mất tiền.Không nghe", "Ăn cơm.Cơm", "ngày 01.02.2024", "TP. HCM", "v.v."])
def test_a_full_stop_without_a_blank_is_no_link(text: str) -> None:
    assert lint(text) == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Gọi 0912345601", "8491*****01"),
        ("Gọi 0912.345.601 ngay", "8491*****01"),
        ("Gọi 0912 345 601", "8491*****01"),
        ("Gọi +84 912-345-601", "8491*****01"),
        ("Gọi 0084912345601", "8491*****01"),
        ("SDT0912345601", "8491*****01"),
        ("Gọi (0212) 385 2001", "8421******01"),
        ("Gọi +44 20 7946 0018", "4420******18"),
        ("Gọi 0912 345 67", "8491****67"),
        ("Gọi 1900 1234", "19001234"),
        ("Gọi tổng đài 18001234", "18001234"),
        ("Soạn tin gửi 8088", "8088"),
        ("Goi duong day nong: 9090", "9090"),
    ],
)
def test_a_number_that_nobody_approved_is_an_error_and_masked(text: str, masked: str) -> None:
    (finding,) = lint(text)
    assert (finding.kind, finding.severity) == ("phone", Severity.ERROR)
    assert finding.message.startswith(f"{masked} is not an approved number")


@pytest.mark.parametrize("written", ["02123852001", "0212.3852.001", "+84 212 3852 001", "842123852001"])
def test_an_approved_number_passes_in_any_writing(written: str) -> None:
    assert lint("Gọi (0212) 385 2001 hoặc 842123852001", allowed_numbers=frozenset({written})) == []


@pytest.mark.parametrize(
    "text",
    [
        "Gọi 113 hoặc 114",
        "Nghi ngờ, gọi 156",
        "Nhắn tin 5656",
        "Gửi 5000 đồng",
        "Gửi 200 người",
        "Lừa 84.000.000.000 đồng",
        "Ngày 08-02-2024 10:00",
        "Công văn số 303/CAT-PA05",
        "Từ 01.02.2024 - 15.02.2024",
        "Mã 12345678901234567",
    ],
)
def test_public_numbers_amounts_and_dates_pass(text: str) -> None:
    assert lint(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Đề nghị cung cấp mã OTP",
        "Quý khách gửi số căn cước để xác minh",
        "Nếu không muốn bị khóa, hãy nhập mật khẩu",
        "Neu khong muon bi khoa, hay nhap mat khau",
        "Dùng máy để đọc OTP",  # dùng is "use", not đừng, "don't"
        "KHÔNG bấm link. Hãy nhập mã PIN",
    ],
)
def test_a_demand_for_data_is_a_warning(text: str) -> None:
    (finding,) = lint(text)
    assert (finding.kind, finding.severity) == ("data_request", Severity.WARNING)


def test_a_demand_is_quoted_as_it_was_written_and_marked_from_its_verb() -> None:
    text = "Hãy đọc mã OTP"
    (finding,) = lint(text)
    assert '"OTP"' in finding.message
    assert text[finding.position : finding.position + finding.length] == "đọc mã OTP"


def test_a_short_number_is_marked_without_the_words_before_it() -> None:
    text = "Soạn tin gửi 8088 ngay"
    (finding,) = lint(text)
    assert text[finding.position : finding.position + finding.length] == "8088"


@pytest.mark.parametrize(
    "text",
    [
        "KHÔNG đọc OTP cho bất kỳ ai",
        "Đừng cung cấp mật khẩu",
        "Dung cung cap mat khau",
        "Kẻ gian giả danh công an yêu cầu đọc OTP",
        "Cong an khong yeu cau gui ma OTP",
        "Mọi yêu cầu cung cấp số thẻ đều là lừa đảo",
    ],
)
def test_a_warning_of_demands_is_no_demand(text: str) -> None:
    assert lint(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Quảng cáo: khuyến mại và khuyến mãi", ["Quảng cáo", "khuyến mại", "khuyến mãi"]),
        ("quang cao giam gia", ["quang cao", "giam gia"]),
        ("Không tin lời mời khuyến mại, quà tặng.", []),
        ("Kẻ gian giả danh ưu đãi để lừa", []),
        ("Không nghe kẻ gian. Nhận quà tặng", ["quà tặng"]),
        ("Công an cảnh báo lừa đảo", []),
    ],
)
def test_words_of_advertising_are_warnings_unless_a_text_warns_of_them(text: str, words: list[str]) -> None:
    found = [each for each in lint(text) if each.kind == "advertising"]
    assert [text[each.position : each.position + each.length] for each in found] == words
    assert {each.severity for each in found} <= {Severity.WARNING}


@pytest.mark.parametrize(
    ("text", "marks"), [("Cảnh báo!!", 2), ("Gì?!", 2), ("A! ! !", 5), ("A!", 0), ("A?? B", 0), ("A! B!", 0)]
)
def test_a_chain_of_exclamation_marks_is_one_warning(text: str, marks: int) -> None:
    assert [(f.kind, f.length) for f in lint(text)] == ([("exclamation", marks)] if marks else [])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cоng an", "CYRILLIC SMALL LETTER O"),
        ("Αn", "GREEK CAPITAL LETTER ALPHA"),
        ("OΔ", "GREEK CAPITAL LETTER DELTA"),
        ("Ðã", "LATIN CAPITAL LETTER ETH"),
        ("bı", "LATIN SMALL LETTER DOTLESS I"),
        ("OＴP", "FULLWIDTH LATIN CAPITAL LETTER T"),
    ],
)
def test_a_letter_that_only_looks_right_is_an_error_by_name(text: str, name: str) -> None:
    (finding,) = lint(text)
    assert (finding.kind, finding.severity, finding.length) == ("false_letter", Severity.ERROR, 1)
    assert name in finding.message


@pytest.mark.parametrize("text", ["Đặt cọc, ẵm, Ỹ", "è ò ù", "ꪼꪕ OTP", "Москва", "Ø ß ñ"])
def test_vietnamese_gsm_letters_and_other_languages_are_no_false_letters(text: str) -> None:
    assert lint(text) == []


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\ufeff", "\u202e", "\u00ad", "\ud83d", "\ue000", "\x00"]
)
def test_what_can_not_be_seen_is_an_error(hidden: str) -> None:
    (finding,) = lint(f"O{hidden}TP")
    assert (finding.kind, finding.position, finding.length) == ("invisible", 1, 1)


def test_findings_come_in_order_of_position() -> None:
    found = lint("Gọi 0912345601!! Xem abc.top, gửi mã OTP")
    assert [f.kind for f in found] == ["phone", "exclamation", "link", "data_request"]
    assert [f.position for f in found] == sorted(f.position for f in found)


@pytest.mark.longer
@given(alphabets.anything)
def test_every_finding_lies_within_the_text(text: str) -> None:
    for finding in lint(text):
        assert 0 <= finding.position < finding.position + finding.length <= len(nfc(text))


@given(alphabets.vietnamese)
def test_accents_do_not_hide_a_number(text: str) -> None:
    def found(form: str) -> list[str]:
        return [f.message for f in lint(form) if f.kind == "phone"]

    assert found(text) == found(unaccent(text))
