"""What verbs tell is told in Vietnamese: every sentence of the code, and none that it no longer says."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import starlette.formparsers
from markupsafe import Markup

from app.core.states import DeliveryState
from app.web import error_translation
from app.web.error_translation import PLACE, patterns
from app.web.translations import Speaker, read
from tests.long.app.web.fields import SENTENCES as FIELDS
from tests.long.app.web.fields import names_of_fields
from tests.long.app.web.spoken import ROOT, Spoken, said_in, shape, spoken
from tests.long.app.web.spoken_elsewhere import MODULES, WORDS
from tests.trees import nodes

FILES = sorted((error_translation.FOLDER / "vi").glob("*.po"))
NOUNS = {"batch", "receipt file"}  # what is imported: at a sentence's beginning, too


def shapes() -> set[str]:
    """Every string of the code, of the framework's refusals and of pydantic's, with its places emptied."""
    files = [file for folder in ("app", "carriers") for file in (ROOT / folder).rglob("*.py")]
    found = {said for file in files for node in _nodes(file) if (said := shape(node)) is not None}
    found |= {each.capitalize() for each in found if each in NOUNS}
    return found | set(_of_forms()) | FIELDS | names_of_fields() | set(DeliveryState.__members__)


def _nodes(file: Path) -> Iterable[ast.AST]:
    return nodes(file.read_text("utf-8"))


def _of_forms() -> Iterator[str]:
    """What starlette says of a form that it can't read."""
    for node in _nodes(Path(starlette.formparsers.__file__)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "MultiPartException":
            yield shape(node.args[0]) or ""


def sentences() -> dict[str, str]:
    return {str(each.id): str(each.string) for file in FILES for each in read(file, "vi") if each.id}


def known() -> set[str]:
    """The sentences that are translated, with their places emptied."""
    return {PLACE.sub("{}", each) for each in (*sentences(), *(each.en for each in error_translation.BOTH))}


def untold() -> list[Spoken]:
    said = known()
    return [each for each in spoken() if each.words not in said]


def _is_elsewhere(each: Spoken) -> bool:
    return each.file.startswith(tuple(MODULES)) or each.words in WORDS


# ---- every sentence is told ------------------------------------------------------------------------------


def test_every_sentence_of_the_code_is_told_in_vietnamese() -> None:
    assert len(spoken()) > 500
    missing = [f"{each.file}:{each.line}: {each.words}" for each in untold() if not _is_elsewhere(each)]
    assert missing == [], "\n".join(("say these in app/web/refusals/vi/", *missing))


def test_what_the_framework_refuses_is_told_in_vietnamese() -> None:
    said = set(_of_forms())
    assert len(said) > 5
    assert said - known() == set()


def test_what_is_said_elsewhere_is_still_said_there() -> None:
    missing = untold()
    needless = [path for path in MODULES if not any(each.file.startswith(path) for each in missing)]
    rest = {each.words for each in missing if not each.file.startswith(tuple(MODULES))}
    assert (needless, sorted(set(WORDS) - rest)) == ([], [])
    assert all(reason for reason in (*MODULES.values(), *WORDS.values()))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise Conflict("Not so.")', ["Not so."]),
        ('raise Invalid(f"{a} is no name of {b}.", field="x")', ["{} is no name of {}."]),
        (
            'TABLE = (StatusCode("1", Halted("1", "The quota is used up."), "V1 of it"),)',
            ["The quota is used up."],
        ),
        ('def f() -> Iterator[str]:\n    yield "a part of it"', ["a part of it"]),
        ('x = "some word" if y else "the other one"', ["some word", "the other one"]),
        ('_WHY = {1: "why it is so"}\nraise Conflict(_WHY[n])', ["why it is so"]),
        ('f"Batch {n} went"', ["Batch {} went"]),
        ('"""A doc of it."""\nlog.info("it was done", x=1)\nsay("Said to all.")', []),
        ('Query(description="of the last one")', []),
        ('Sentence("In both tongues.", "Bằng hai thứ tiếng.")', []),
        ('raise LinkError("Link x: it has to go.")', []),
        ('text = "SELECT a FROM b WHERE c"', []),
    ],
)
def test_words_are_found_wherever_they_stand(source: str, found: list[str]) -> None:
    assert [words for words, _ in said_in(source)] == found


# ---- and none beside ---------------------------------------------------------------------------------------


def test_each_sentence_is_one_that_the_code_says() -> None:
    said = shapes()
    assert len(sentences()) > 400
    assert [each for each in sentences() if PLACE.sub("{}", each) not in said] == []


def test_each_sentence_stands_in_one_file() -> None:
    seen = [str(each.id) for file in FILES for each in read(file, "vi") if each.id]
    seen += [each.en for each in error_translation.BOTH if each.en in sentences()]
    assert sorted({each for each in seen if seen.count(each) > 1}) == []


def test_each_translation_is_there_with_places_of_the_sentence() -> None:
    for english, vietnamese in sentences().items():
        assert vietnamese.strip(), english
        assert set(PLACE.findall(vietnamese)) <= set(PLACE.findall(english)), english


def test_each_sentence_is_known_by_its_own_pattern_and_no_other() -> None:
    for english, vietnamese in sentences().items():
        values = {name: f"«{name}»" for name in PLACE.findall(english)}
        found = error_translation.translate_error(Speaker("vi"), PLACE.sub(r"«\1»", english))
        assert found == Markup.escape(vietnamese).format(**values), english


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        (
            "The run is finished; pause is for a run that is running.",
            "Đợt gửi hoàn thành; chỉ tạm dừng được khi đợt gửi đang gửi.",
        ),
        (
            "The run is planned; resume is for a run that is running or paused.",
            "Đợt gửi chưa gửi; chỉ chạy tiếp được khi đợt gửi đang gửi hoặc tạm dừng.",
        ),
        (
            "The contract's package is used up: have VNPT top it up. Then resume the link. VNPT: het <x>; a",
            "Gói cước của hợp đồng đã hết: hãy đề nghị VNPT nạp thêm. Sau đó cho kết nối chạy tiếp. "
            "VNPT: het &lt;x&gt;; a",
        ),
        (
            "There is no batch 7; GET /v1/batches and `loa batch list` show those there are.",
            "Không có lô 7.",
        ),
        (
            "A key named <b> exists already; choose another name for this person.",
            "Đã có khóa API tên &lt;b&gt;",
        ),
        (
            "A spreadsheet has shortened the number (8.49E+10): format the column as text and export again. "
            "Enter one mobile number of Viet Nam: ten digits with 0, or eleven with 84 in front.",
            "Bảng tính đã rút gọn số (8.49E+10): định dạng cột là văn bản rồi xuất lại. Hãy nhập một số",
        ),
        (
            "body.items.0.reach must be 9 or less.",
            "Mục lượt tiếp cận nhiều nhất là 9.",
        ),
        ("body.addressees.0 must be text.", "Mục nơi nhận thứ 1 phải là chữ."),
        (
            "addressees.11 may have 200 characters at most.",
            "Mục nơi nhận thứ 12 có nhiều nhất 200 ký tự.",
        ),
        (
            "Report 3 can't be built again: The rows of run 2 are erased, so its report can't be built for a "
            "moment before 09/02/2024 17:00:00. Reports that were frozen before are as they were.",
            "Không lập lại được báo cáo 3: Dữ liệu của đợt 2 đã xóa",
        ),
        (
            "The recount finds 2 differences, so nothing is frozen. The first: Batch 4: 3 deliveries (the "
            "first: line 9) stand as NOT_SENT, but they were never submitted. See all by `loa verify`; "
            "`loa verify --repair` puts tallies right.",
            "Đếm lại thấy 2 chỗ khác nhau nên chưa chốt được. Chỗ đầu tiên: Lô 4: 3 tin (đầu tiên: dòng 9) "
            "ghi không gửi, nhưng chưa từng chuyển cho nhà mạng.",
        ),
        ("None of the 4 lines can be read; the first: line 2, “x”. There is no status.", "Không đọc được"),
        ("90 days after report 7 was frozen", "90 ngày sau khi chốt báo cáo 7"),
    ],
)
def test_values_are_said_in_the_reader_s_words_and_escaped(sentence: str, wanted: str) -> None:
    assert error_translation.translate_error(Speaker("vi"), sentence).startswith(wanted)


def test_what_nobody_has_translated_is_shown_as_english() -> None:
    odd = "Something <quite> new: {x}."
    assert (
        error_translation.translate_error(Speaker("vi"), odd)
        == '<span lang="en">Something &lt;quite&gt; new: {x}.</span>'
    )
    assert error_translation.translate_error(Speaker("en"), odd) == "Something &lt;quite&gt; new: {x}."


def test_a_carrier_s_code_stays_as_it_came_and_one_of_ours_is_told() -> None:
    assert error_translation.coded(Speaker("vi"), "text: more than 3 parts") == "nội dung: quá 3 bản tin"
    assert (
        error_translation.coded(Speaker("vi"), "<27>")
        == error_translation.coded(Speaker("en"), "<27>")
        == "&lt;27&gt;"
    )


def test_patterns_are_read_once() -> None:
    assert patterns("vi") is patterns("vi")
