"""loa_client has every operation of openapi.json, and is a package that stands alone."""

from __future__ import annotations

import inspect
import tomllib
from datetime import UTC, date, datetime
from typing import Any, Literal

import pytest

import loa_client
from app.api.openapi import operations
from loa_client import AsyncLoaClient, LoaClient
from loa_client.api.campaigns import Audience
from loa_client.values import given, parse
from tests.loa_client.generator import FOLDER, LEFT_OUT, Generator, described, written
from tests.long.test_project_file import imported

# The client deals with these itself: see docs/client.md.
_ITS_OWN = {"If-None-Match", "Last-Event-ID"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return described(tmp_path_factory.mktemp("empty"))


@pytest.mark.longer
def test_it_is_what_the_api_s_description_makes(document: dict[str, Any]) -> None:
    there = {file.name: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.py"))}
    assert there == written(document), "say `make client`"


@pytest.mark.longer
def test_every_operation_is_a_method_with_its_parameters(document: dict[str, Any]) -> None:
    generator = Generator(document)
    for _, _, operation in operations(document):
        name = operation["operationId"]
        if name in LEFT_OUT:
            continue
        parameters = {each["name"] for each in operation.get("parameters", [])} - _ITS_OWN
        wanted = {each.lower().replace("-", "_") for each in parameters} | {*generator._body(operation)}
        build = inspect.getattr_static(LoaClient, name).build
        assert {*inspect.signature(build).parameters} - {"self"} == wanted, name
        assert inspect.getattr_static(AsyncLoaClient, name).build is build


@pytest.mark.longer
def test_it_needs_httpx_alone() -> None:
    folder = FOLDER.parent
    assert imported(folder) == {"httpx"}
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert [each.partition(">")[0] for each in project["dependencies"]] == ["httpx"]
    assert (folder / "py.typed").exists()
    assert [*loa_client.__all__] == sorted(loa_client.__all__)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (int | None, None, None),
        (dict[str, list[int]], {"a": [1]}, {"a": [1]}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Literal["known"], "newer", "newer"),
        (date, "2031-02-09", date(2031, 2, 9)),
        (datetime | None, "2031-02-09T07:00:00+00:00", datetime(2031, 2, 9, 7, tzinfo=UTC)),
        (float, 1, 1),
        (
            Audience,
            {"areas": [], "area_basis": "x", "estimated": 1, "newer": 2},
            Audience(areas=[], area_basis="x", estimated=1),  # type: ignore[arg-type]
        ),
    ],
)
def test_json_becomes_the_type_that_is_meant(kind: Any, value: Any, read: Any) -> None:
    assert parse(kind, value) == read


@pytest.mark.parametrize(
    ("kind", "value"), [(int, "1"), (list[int], {}), (Audience, {"areas": []}), (date, "x"), (str | None, 1)]
)
def test_what_is_of_another_type_is_no_answer(kind: Any, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        parse(kind, value)


def test_what_is_not_said_is_left_out_but_where_null_means_something() -> None:
    assert given(a=None, b=datetime(2031, 1, 1, tzinfo=UTC)) == {"b": "2031-01-01T00:00:00+00:00"}
    assert given("a", a=None) == {"a": None}
    one = Audience(areas=["116"], area_basis="dia_chi_dang_ky", estimated=1)
    said = {"areas": ["116"], "area_basis": "dia_chi_dang_ky", "estimated": 1}
    assert given(x=[one]) == {"x": [said]}
