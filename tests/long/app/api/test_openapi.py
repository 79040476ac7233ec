"""/openapi.json: complete, with examples that are what they say they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI

from app.api.openapi import operations, sample
from tests.app.client import Client
from tests.app.described import described

BINARY = (
    *("application/pdf", "application/vnd.", "*/*", "application/octet-stream", "application/zip"),
    *("application/xml", "audio/"),
)


@pytest.fixture
def document(application: FastAPI) -> dict[str, Any]:
    return described(application)


def places(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Request body and answers, with what they refer to."""
    answers = [
        document["components"]["responses"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation["responses"].values()
    ]
    return [*([operation["requestBody"]] if "requestBody" in operation else []), *answers]


def test_every_operation_has_a_name_a_summary_and_its_statuses(document: dict[str, Any]) -> None:
    names = []
    for path, method, operation in operations(document):
        names.append(operation["operationId"])
        assert 5 < len(operation["summary"]) < 120, (path, method, operation["summary"])
        statuses = operation["responses"]
        assert any(status[0] == "2" for status in statuses), path
        assert all(status.isdecimal() for status in statuses), path
        if path.startswith("/v1/"):
            assert {"401", "403", "422", "429", "503"} <= set(statuses), path
        if "{" in path and path.startswith("/v1/"):
            assert "404" in statuses, path
    assert len(names) == len(set(names)) > 70


def test_every_schema_has_a_title_of_its_own(document: dict[str, Any]) -> None:
    """Programs that make clients name a class by it, and leave out the second of a name."""
    titles = [schema["title"] for schema in document["components"]["schemas"].values() if "title" in schema]
    assert len(set(titles)) == len(titles) > 100


def references(part: Any) -> Iterator[str]:
    """Yield every $ref, however deep."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "$ref" and isinstance(value, str))
    for within in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from references(within)


def test_every_reference_leads_to_something(document: dict[str, Any]) -> None:
    found = set(references(document))
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]
    assert len(found) > 100


def test_every_request_and_answer_has_an_example(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for place in places(document, operation):
            for media, content in place.get("content", {}).items():
                has = "example" in content or "examples" in content
                assert has or media.startswith(BINARY) or content["schema"] == {}, (path, method, media)


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    @cache
    def validators(schema: str) -> jsonschema_rs.Draft202012Validator:
        whole = {**json.loads(schema), "components": document["components"]}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    checked = 0
    for path, method, operation in operations(document):
        for place in places(document, operation):
            for content in place.get("content", {}).values():
                validator = validators(json.dumps(content.get("schema") or {}))
                named = content.get("examples", {}).values()
                for example in [
                    *([content["example"]] if "example" in content else []),
                    *(each["value"] for each in named),
                ]:
                    wrong = [
                        f"{error.instance_path}: {error.message}" for error in validator.iter_errors(example)
                    ]
                    assert wrong == [], (path, method)
                    checked += 1
    assert checked > 400


def test_every_type_of_problem_has_its_place_on_a_page_that_answers(
    document: dict[str, Any], stranger: Client
) -> None:
    page = stranger.get("/docs/errors").text
    for response in document["components"]["responses"].values():
        address, _, place = response["content"]["application/problem+json"]["example"]["type"].partition("#")
        assert address == "/docs/errors"
        assert f'id="{place}"' in page


def test_a_parameter_is_left_out_and_never_null_and_an_upload_says_what_it_takes(
    document: dict[str, Any],
) -> None:
    parameters = [
        each for _, _, operation in operations(document) for each in operation.get("parameters", [])
    ]
    assert [each for each in parameters if {"type": "null"} in each["schema"].get("anyOf", ())] == []
    edit = document["paths"]["/v1/campaigns/{campaign_id}"]["put"]["parameters"]
    (version,) = [each for each in edit if each["name"] == "If-Match"]
    assert version["required"]
    assert re.search(version["schema"]["pattern"], '"3-0af"')
    assert not re.search(version["schema"]["pattern"], "3")
    campaign = document["components"]["schemas"]["CampaignBody"]["properties"]
    assert campaign["purpose"]["enum"] == ["tuyen_truyen", "canh_bao_khan"]
    hours = campaign["day_starts"]["anyOf"][0]["pattern"]
    assert [bool(re.search(hours, each)) for each in ("07:00", "24:00", "25:00", "7:00")] == [1, 1, 0, 0]
    upload = document["paths"]["/v1/batches"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert upload["schema"]["additionalProperties"] is False
    assert upload["schema"]["properties"]["carrier"]["pattern"]


def test_posts_that_make_or_start_something_know_the_key(document: dict[str, Any]) -> None:
    keyed = {
        operation["operationId"]
        for _, _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    }
    assert {"create_campaign", "create_directive", "add_run", "start_run", "write_off_unknown"} <= keyed
    assert {"upload_batch", "upload_receipt_file", "keep_attachment", "add_key", "rotate_key"} <= keyed
    assert not keyed & {
        "preview_text",
        "log_in",
        "add_user",
        "enrol_totp",
        "find_person",
    }  # nothing made, or a password


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "string", "minLength": 9}, "text....."),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, False),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]}, [1, 1]),
        ({"$ref": "#/components/schemas/Loop"}, {"next": None}),
        ({}, None),
    ],
)
def test_an_example_is_made_from_a_schema(schema: dict[str, Any], value: Any) -> None:
    loop = {"type": "object", "properties": {"next": {"type": "null"}}}
    assert sample(schema, {"Loop": loop}) == value
