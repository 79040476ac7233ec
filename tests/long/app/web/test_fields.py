"""What is wrong with a field is told in Vietnamese, by the field's own name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import core_schema

from app.api.bodies import filled
from app.core import clock
from app.core.errors import Invalid
from app.web import error_translation
from app.web.translations import Speaker
from tests.long.app.web.fields import SENTENCES, errors_of, models, names_of_fields, needed_errors
from tests.long.app.web.test_error_translation import known

ODD: tuple[Any, ...] = (
    *(
        "",
        " ",
        "x",
        "x" * 3000,
        "\x00",
        "\ud800",
        "1",
        "1.5",
        "1e400",
        "²",
        "9" * 5000,
        "2024-02-05",
        "2024-13-01",
    ),
    *(
        "2024-02-05T08:00",
        "2024-02-05T08:00+99:00",
        -1,
        0,
        2**40,
        1.5,
        float("nan"),
        float("inf"),
        True,
        None,
    ),
    *(
        [],
        {},
        ["x" * 3000],
        [None],
        [1] * 3000,
        {"a": None},
        {1: 2},
        {"hmn": "x" * 9000},
        [{}],
        [{"channel": "x"}],
    ),
    *(b"\xff", clock.now().replace(tzinfo=None), object()),
)


def test_every_error_that_a_field_can_give_is_told() -> None:
    assert len(needed_errors()) > 20
    assert sorted(SENTENCES - known()) == []


def test_every_field_of_a_form_has_its_name() -> None:
    assert len(names_of_fields()) > 30
    assert sorted(names_of_fields() - known()) == []


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_whatever_stands_in_a_form_is_refused_in_vietnamese(model: type[BaseModel]) -> None:
    refused = 0
    for name in (*model.model_fields, "strange"):
        for value in ODD:
            try:
                filled(model, {name: value})
            except Invalid as error:
                for _, sentence in error.faults:
                    assert 'lang="en"' not in error_translation.translate_error(Speaker("vi"), sentence), (
                        sentence
                    )
                    refused += 1
    assert refused > 50


def test_what_is_no_option_is_refused_by_the_field_s_name_and_without_the_keys_of_options() -> None:
    """Somebody has altered the form's select; the page shows the options in words."""
    refused = []
    for model in models():
        for name in model.model_fields:
            try:
                filled(model, {name: "no option"})
            except Invalid as error:
                refused += [said for of, said in error.faults if of == name and re.search(r"'\w+'", said)]
    assert len(refused) >= 6
    for sentence in refused:
        said = error_translation.translate_error(Speaker("vi"), sentence)
        name = error_translation.translate_error(Speaker("vi"), str(sentence).partition(" ")[0])
        assert said == f"Mục {name} không có lựa chọn này; hãy chọn lại trong danh sách."


def test_a_kind_of_field_or_a_limit_that_nobody_has_thought_of_is_found() -> None:
    with pytest.raises(KeyError, match="uuid"):
        errors_of(core_schema.uuid_schema())
    with pytest.raises(KeyError, match="multiple_of"):
        errors_of(core_schema.int_schema(multiple_of=5))
    with pytest.raises(KeyError, match="function-after"):
        errors_of(core_schema.no_info_after_validator_function(str, core_schema.str_schema()))


def test_the_name_of_a_field_is_said_as_people_call_it() -> None:
    sentence = Invalid("{field} is missing.", field="window_end").detail
    said = error_translation.translate_error(Speaker("vi"), sentence)
    assert said == "Thiếu mục kết thúc thời gian gửi."
