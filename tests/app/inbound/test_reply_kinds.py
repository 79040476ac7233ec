"""What a message asks for: forty spellings of an opt-out, forty near misses, and reports of scams."""

from __future__ import annotations

import pytest

from app.core.config import ReplySettings
from app.inbound.reply_kinds import ReplyKind, kind_of, report
from tests.engines import sqlite_alone

database_url = sqlite_alone
WORDS = ReplySettings().opt_out

OPT_OUTS = (
    *("TU CHOI", "tu choi", "Tu choi", "TỪ CHỐI", "Từ chối", "từ chối", "tuchoi", "TUCHOI", "TừChối"),
    *(
        "  TU CHOI  ",
        "TU  CHOI",
        "TU\tCHOI",
        "TU CHOI\n",
        "\r\nTU CHOI",
        "STOP" + " " * 156,
        "TU-CHOI",
        "TU_CHOI",
        "TU.CHOI",
    ),
    *("Tu choi!", "TU CHOI.", "“Từ chối”", "(TU CHOI)", "T U C H O I", "tư\u0300 chô\u0301i", "TU CHOI"),
    *("ＴＵ ＣＨＯＩ", "TU\u200b CHOI", "TU\u00a0CHOI", "*TU CHOI*", "tU cHoI", "từ chối!!!"),
    *(
        "STOP",
        "stop",
        "Stop.",
        " s t o p ",
        "STOP!",
        "TC",
        "tc.",
        "Dừng gửi",
        "ngừng gửi",
        "KHÔNG NHẬN TIN",
        "Hủy nhận tin",
    ),
)
NEAR_MISSES = (
    *(
        "toi khong tu choi",
        "STOPPED",
        "tuchoi gi",
        "tu choi gi",
        "TU CHOI cai gi",
        "khong tu choi",
        "tuchoii",
    ),
    *("stopp", "STOP IT", "non stop", "nonstop", "STOPS", "please stop", "bus stop", "tu", "choi", "chối từ"),
    *(
        "tu choi 1",
        "STOP 2",
        "1 STOP",
        "TUCHOI123",
        "tu choj",
        "tu chọi gà",
        "TC1",
        "ATC",
        "TCB",
        "T",
        "ST0P",
    ),
    *(
        "ST OP sign",
        "dung",
        "dung gui nua",
        "ngung",
        "khong",
        "khong nhan duoc",
        "da nhan",
        "",
        " ",
        "!!!",
        "??",
    ),
    *("Toi da doc, cam on", "STOP LUA DAO", "TU CHOI TU CHOI", "id:1 stat:DELIVRD err:000", "TU CHOI" * 20),
)


@pytest.mark.parametrize("text", OPT_OUTS)
def test_an_opt_out_is_recognised_however_it_is_spelt(text: str) -> None:
    assert kind_of(text, WORDS) is ReplyKind.OPT_OUT


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert kind_of(text, WORDS) is not ReplyKind.OPT_OUT


def test_the_words_are_those_of_the_settings() -> None:
    assert kind_of("thôi nhé", ("Thoi nhe",)) is ReplyKind.OPT_OUT
    assert kind_of("STOP", ("Thoi nhe",)) is ReplyKind.OTHER
    assert kind_of("!!!", ("!!",)) is ReplyKind.OTHER  # a word without a letter is none


@pytest.mark.parametrize(
    ("text", "form", "number", "content"),
    [
        ("S (0912345678) (Vay tien nhanh)", "S", "0912345678", "Vay tien nhanh"),
        ("LD 0912345678 xung la cong an", "LD", "0912345678", "xung la cong an"),
        ("ld(0912 345 678)(Xưng là công an)", "LD", "0912345678", "Xưng là công an"),
        ("V 0912 345 678 goi doi no", "V", "0912345678", "goi doi no"),
        ("V:+84912345678: đòi nợ", "V", "+84912345678", "đòi nợ"),
        ("S 1234 (quang cao)", "S", "1234", "quang cao"),
        ("LD 0912345678 100 trieu dong", "LD", "0912345678", "100 trieu dong"),
    ],
)
def test_a_report_has_a_form_a_number_and_a_content(text: str, form: str, number: str, content: str) -> None:
    assert report(text) == (form, number, content)
    assert kind_of(text, WORDS) is ReplyKind.REPORT


@pytest.mark.parametrize(
    "text",
    [
        "S",
        "LD 0912345678",
        "S 10 nguoi",
        "V la gi",
        "LDX 0912345678 a",
        "bao LD 0912345678 a",
        "S () (a)",
        "V 0912345678 123",
    ],
)
def test_what_lacks_one_of_them_is_read_by_a_person(text: str) -> None:
    assert report(text) is None
    assert kind_of(text, WORDS) is ReplyKind.OTHER
