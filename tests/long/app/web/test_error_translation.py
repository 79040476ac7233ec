"""What verbs tell is told in Vietnamese: every sentence of the code, and none that it no longer says."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest
import starlette.formparsers
from markupsafe import Markup, escape

from app.core.errors import AppError, Conflict, Invalid, no_such
from app.core.states import BatchState, DeliveryState, RunState
from app.privacy import erasable
from app.web import error_translation
from app.web.error_translation import templates
from app.web.translations import Speaker, read
from carriers.phrases import Phrase, join, kept
from tests.long.app.web.fields import SENTENCES as FIELDS
from tests.long.app.web.fields import names_of_fields
from tests.long.app.web.spoken import ROOT, Spoken, said_in, shape, spoken
from tests.long.app.web.spoken_elsewhere import MODULES, WORDS
from tests.trees import nodes

PLACE = re.compile(r"\{(\w+)\}")
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
    assert said - {re.sub(r"\d+", "{}", each) for each in templates("vi")} == set()


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
    said |= {each for each in sentences() if re.sub(r"\d+", "{}", each) in _of_forms()}
    assert [each for each in sentences() if PLACE.sub("{}", each) not in said] == []


def test_each_sentence_stands_in_one_file() -> None:
    seen = [str(each.id) for file in FILES for each in read(file, "vi") if each.id]
    seen += [each.en for each in error_translation.BOTH if each.en in sentences()]
    assert sorted({each for each in seen if seen.count(each) > 1}) == []


def test_each_translation_is_there_with_places_of_the_sentence() -> None:
    for english, vietnamese in sentences().items():
        assert vietnamese.strip(), english
        assert set(PLACE.findall(vietnamese)) <= set(PLACE.findall(english)), english


# ---- Template and values


class Made(NamedTuple):
    """A call that makes a sentence of a template and values, and where it stands."""

    template: str
    values: frozenset[str]
    place: str


def _kinds(base: type[AppError] = AppError) -> Iterator[str]:
    yield base.__name__
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def made(host: bool = True) -> list[Made]:
    """Each sentence that an error or a Phrase is made of; host: also those that only the host sees."""
    kinds = {*_kinds(), "Phrase"} - {"RequestRefused", "WrongSettings"}
    apart = set() if host else {"SetupError"}
    found = []
    for file in (file for folder in ("app", "carriers") for file in sorted((ROOT / folder).rglob("*.py"))):
        name = file.relative_to(ROOT).as_posix()
        if host or not name.startswith(tuple(MODULES)):
            for node in _nodes(file):
                if isinstance(node, ast.Call) and node.args and _called(node) in kinds - apart:
                    for template in _templates(node.args[0], name):
                        values = frozenset(each.arg or "" for each in node.keywords)
                        found.append(Made(template, values, f"{name}:{node.lineno}"))
    return found


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _templates(node: ast.expr, file: str) -> Iterator[str]:
    """The string itself, or the constant of the module that is named."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if name.isupper():
            module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
            if isinstance(text := getattr(module, name, None), str):
                yield getattr(text, "template", text)


def test_every_template_that_is_raised_has_its_translation() -> None:
    said = templates("vi")
    found = made(host=False)
    assert len(found) > 400
    missing = {f"{each.place}: {each.template}" for each in found if _needs(each, said)}
    assert missing == set(), "\n".join(sorted(missing))


def _needs(each: Made, said: dict[str, str]) -> bool:
    is_vietnamese = any(sign.isalpha() and not sign.isascii() for sign in each.template)
    return not is_vietnamese and not {each.template, PLACE.sub("{}", each.template)} & {*said, *WORDS}


def test_every_place_of_a_template_has_its_value() -> None:
    """A place without a value would fail when the error is made, which is when nobody can use that."""
    wrong = [
        f"{each.place}: {each.template}"
        for each in made()
        if each.values - {"field", "faults", "cause", "retry_after_s"}
        and set(PLACE.findall(each.template)) - each.values
    ]
    assert wrong == []


def test_a_sentence_is_never_put_together_before_its_error_is_made() -> None:
    kinds = {*_kinds(), "Phrase"}
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted((ROOT / "app").rglob("*.py"))
        for node in _nodes(file)
        if isinstance(node, ast.Call) and _called(node) in kinds
        if node.args and isinstance(node.args[0], ast.JoinedStr)
    ]
    assert found == []


ODD = "{0} {name} %s %(x)s {{}} <b>&amp;"


def test_a_value_is_shown_as_it_is_in_both_languages() -> None:
    error = Conflict(
        "A {what} named {name} already exists. Choose another name for this {kind}.",
        what="key",
        name=ODD,
        kind="person",
    )
    assert (
        error.detail
        == str(error)
        == f"A key named {ODD} already exists. Choose another name for this person."
    )
    for language in ("vi", "en"):
        shown = error_translation.translate_error(Speaker(language), error.detail)
        assert escape(ODD) in shown
        assert "<b>" not in shown
    assert Conflict(ODD).detail == ODD
    assert error_translation.translate_error(Speaker("vi"), ODD) == Markup(
        '<span lang="en">{}</span>'
    ).format(ODD)


@pytest.mark.parametrize(
    "sentence",
    [
        Phrase("Batch {n} is {state}.", n=7, state=ODD),
        Phrase("The first: {first}", first=Phrase("Batch {n} is {state}.", n=7, state=BatchState.READY)),
        Phrase(ODD),
        Phrase('["not one of ours"]'),
        join(("One {a}.", Phrase("Two {b}.", b=ODD)), " and "),
    ],
)
def test_what_is_kept_in_the_database_or_sent_to_another_process_is_the_same_sentence(
    sentence: Phrase,
) -> None:
    found = Phrase.from_json(kept(sentence))
    assert found == sentence
    assert (found.template, {name: str(each) for name, each in found.values.items()}) == (
        sentence.template,
        {name: str(each.value if isinstance(each, Enum) else each) for name, each in sentence.values.items()},
    )
    assert kept(sentence, 20) == sentence[:20]
    assert pickle.loads(pickle.dumps(sentence)).values == sentence.values


def test_a_sentence_of_before_its_values_were_kept_apart_is_shown_in_english() -> None:
    said = Phrase.from_json("The file cannot be read (Permission denied).")
    assert error_translation.translate_error(Speaker("vi"), said).startswith('<span lang="en">')


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        (
            Conflict(
                "Cannot {verb} the run because it is {state}. It must be {allowed}.",
                state=RunState.PLANNED,
                verb="resume",
                allowed=join((RunState.RUNNING, RunState.PAUSED), " or "),
            ).detail,
            "Không chạy tiếp được vì đợt gửi chưa gửi. Chỉ làm được khi đợt gửi đang gửi hoặc tạm dừng.",
        ),
        (no_such("batch", 7).detail, "Không có lô 7."),
        (
            Invalid("{field} must be at most {le}.", field="body.items.0.reach", le=9).detail,
            "Mục lượt tiếp cận nhiều nhất là 9.",
        ),
        (
            Invalid("{field} must be text.", field="body.addressees.0").detail,
            "Mục nơi nhận thứ 1 phải là chữ.",
        ),
        (
            Invalid(
                "{field} must have at most {max_length} characters.", field="addressees.11", max_length=200
            ).detail,
            "Mục nơi nhận thứ 12 có nhiều nhất 200 ký tự.",
        ),
        (Phrase(erasable.FROZEN.en, days=90, report=7), "90 ngày sau khi chốt báo cáo 7"),
    ],
)
def test_values_are_said_in_the_reader_s_words(sentence: str, wanted: str) -> None:
    assert error_translation.translate_error(Speaker("vi"), sentence) == wanted


def test_what_nobody_has_translated_is_shown_as_english() -> None:
    odd = "Something <quite> new: {x}."
    assert (
        error_translation.translate_error(Speaker("vi"), odd)
        == '<span lang="en">Something &lt;quite&gt; new: {x}.</span>'
    )
    assert error_translation.translate_error(Speaker("en"), odd) == "Something &lt;quite&gt; new: {x}."


def test_a_carrier_s_code_stays_as_it_came_and_one_of_ours_is_told() -> None:
    assert (
        error_translation.coded(Speaker("vi"), "text: too many parts") == "nội dung: quá số bản tin cho phép"
    )
    assert (
        error_translation.coded(Speaker("vi"), "<27>")
        == error_translation.coded(Speaker("en"), "<27>")
        == "&lt;27&gt;"
    )
