"""An id is repeated to who asked for it only where it can be no telephone number."""

from __future__ import annotations

import pytest

from app.core import ids
from app.core.errors import no_such

SPELLED = (
    *("0987654321", "987654321", "84987654321", "+84987654321", "0084987654321", "(098) 765 4321"),
    *("098-765-4321", "098.765.4321", "0987 654 321", "0987_654_321", "0987,654,321", "0987654321abc"),
    *(
        "9.87654321E+08",
        "０９８７６５４３２１",
        "O987654321",
        "0987%20654%20321",
        "tel:0987654321",
        "098\u200b7654321",
    ),
    *("0 9 8 7 6 5 4 3 2 1", "098/765/4321", "x0987654321", "0987654321x", "[0987]654321", "0987'654'321"),
)


@pytest.mark.parametrize("said", SPELLED)
def test_no_spelling_of_a_telephone_number_is_repeated(said: str) -> None:
    assert ids.shown(said) == "with this number"


@pytest.mark.parametrize("said", ["1", "99", "12345678"])
def test_an_id_that_is_one_is_repeated(said: str) -> None:
    assert ids.shown(said) == said


def test_nor_is_a_number_without_its_0_that_is_read_as_an_id() -> None:
    assert "There is no run with this number" in no_such("run", 987_654_321).detail
    assert "There is no run 7" in no_such("run", 7).detail
