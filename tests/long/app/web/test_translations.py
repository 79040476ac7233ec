"""The catalogue: every word of a page goes through it, and it says each of them in Vietnamese."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from app.reports.figures.figures import FIGURES
from app.web.translations import FOLDER, LANGUAGES, Speaker, catalogue, read
from tests.long.app.web.sentences import (
    TEMPLATES,
    WEB,
    bare_in_module,
    bare_in_template,
    modules,
    templates,
    used,
)

# A date's pattern, and a language in its own words.
OWN_WORDS = {"rendering.py": ["d MMM yyyy", "d MMM"], "translations.py": ["Tiếng Việt"]}


@pytest.mark.parametrize("file", templates(), ids=lambda file: file.relative_to(TEMPLATES).as_posix())
def test_no_template_shows_words_of_its_own(file: Path) -> None:
    assert bare_in_template(file.read_text("utf-8")) == []


@pytest.mark.parametrize("file", modules(), ids=lambda file: file.name)
def test_no_module_hands_out_words_of_its_own(file: Path) -> None:
    found = [each.partition(": ")[2] for each in bare_in_module(file.read_text("utf-8"))]
    assert found == OWN_WORDS.get(file.name, [])


@pytest.mark.parametrize(
    "source",
    [
        "<p>Bare</p>",
        '<p title="Bare"></p>',
        '<td data-label="Bare"></td>',
        '<input type="submit" value="Bare">',
        '{{ "Bare" }}',
        '<p>{{ "Bare" if x else y }}</p>',
        '{% macro m() %}<b aria-label="{{ x or "Bare" }}">{% endmacro %}',
        "<p>{{ x }} Bare</p>",
    ],
)
def test_bare_words_of_a_template_are_found(source: str) -> None:
    assert bare_in_template(source) == ["Bare"]


def test_what_is_said_or_read_by_machines_is_not_bare() -> None:
    source = '<p class="a b">{{ _("Said") }} {{ f("x") }}</p><input type="hidden" value="x">{# a note #}'
    assert bare_in_template(source) == []


@pytest.mark.parametrize(
    "source", ['x = "Two words"', 'f(title="chữ")', 'render(v, "t.html", head="All of it")']
)
def test_bare_words_of_a_module_are_found(source: str) -> None:
    assert len(bare_in_module(source)) == 1


def test_sentences_of_the_code_are_not_bare() -> None:
    source = (
        '"""A doc."""\nx = say("Two words")\nraise NotFound("There is no x.")\nh = "default-src \'none\'; a"'
    )
    assert bare_in_module(source) == []


# The words of the parts of a bar stand in the table of figures.
BARS = {each.bar for each in FIGURES.values() if each.bar}


def test_every_sentence_has_its_vietnamese_and_none_is_left_over() -> None:
    wanted = {each.one for each in used()}
    assert len(wanted) > 80
    figures = {each.english for each in FIGURES.values()}  # told by their own table, and nowhere else
    assert not figures & wanted
    wanted |= figures | BARS
    known = set(catalogue("vi"))
    missing = sorted(f"{each.place}: {each.one}" for each in used() if each.one not in known)
    missing += sorted(BARS - known)
    assert (missing, sorted(known - wanted)) == ([], [])


def test_each_sentence_stands_in_one_file_and_in_both_forms_where_it_is_counted() -> None:
    forms: dict[str, str | None] = dict.fromkeys(BARS) | {each.one: each.many for each in used()}
    seen: Counter[str] = Counter()
    for file in sorted((FOLDER / "vi").glob("*.po")):
        for message in read(file, "vi"):
            if not message.id:
                continue
            one, many = message.id if isinstance(message.id, tuple) else (message.id, None)
            seen[one] += 1
            assert forms[one] == many, f"{file.name}: {one}"
    assert [one for one, n in seen.items() if n > 1] == []


def test_every_translation_is_there_and_has_the_sentence_s_places() -> None:
    for sentence, said in catalogue("vi").items():
        assert said.strip(), sentence
        assert set(re.findall(r"{\w+}", said)) == set(re.findall(r"{\w+}", sentence)), sentence


def test_every_file_of_words_belongs_to_pages_that_there_are() -> None:
    areas = {file.stem for file in templates()} | {"common"}
    assert {file.stem for file in (FOLDER / "vi").glob("*.po")} <= areas
    assert {folder.name for folder in (WEB / "words").iterdir()} | {"en"} == set(LANGUAGES)


def test_what_is_put_into_a_sentence_is_escaped_and_numbers_choose_the_form() -> None:
    vi, en = Speaker("vi"), Speaker("en")
    assert en.say("link {name}", name="<b>") == "link &lt;b&gt;"
    assert vi.say("link {name}", name="X") == "kết nối X"
    assert [str(en.count("{n} day left", "{n} days left", n)) for n in (1, 2)] == [
        "1 day left",
        "2 days left",
    ]
    assert vi.count("{n} day left", "{n} days left", 2) == "còn 2 ngày"
    assert Speaker("fr").language == "vi"
