"""Complete FastAPI's OpenAPI document: all statuses, an example everywhere, and readable summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

# Examples are made from schemas, so that every operation has one and none is outdated.

Schema = Mapping[str, Any]

_REF = "#/components/schemas/"
_DEEP = 50  # recursion limit: schemas are not recursive here, and a mistake must not hang the document
_FORMATS = {
    "date-time": "2024-02-09T07:00:00+07:00",
    "date": "2024-01-29",
    "time": "07:00:00",
    "binary": "(the bytes of the file)",
}
# Realistic values for fields of these names whose schema has no example.
_NAMES: dict[str, Any] = {
    "area_basis": "dia_chi_dang_ky",
    "attachment": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "by": "an",
    "campaign": "1",
    "carrier": "viettel",
    "closing": None,
    "code": "14",
    "created_by": "an",
    "day_ends": "21:00",
    "day_starts": "07:00",
    "digest": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "email": "vanthu@example.gov.vn",
    "error": None,
    "issuer": "Công an tỉnh",
    "number": "303/CAT-PA05",
    "phone": "8491*****01",
    "purpose": "tuyen_truyen",
    "sender": "CA SON LA",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "state": "running",
    "subject": "Phối hợp tuyên truyền",
    "text": "Cong an khong lam viec qua dien thoai.",
    "text_key": "gia-danh-cong-an",
    "written_off_by": None,
}


def sample(schema: Schema, schemas: Mapping[str, Schema], name: str = "", depth: int = _DEEP) -> Any:
    """Return a value that the schema allows. schemas: targets of `$ref`; name: of the field it is for."""
    if depth == 0:
        return None
    if "$ref" in schema:
        return sample(schemas[str(schema["$ref"]).removeprefix(_REF)], schemas, name, depth - 1)
    said = [*schema.get("examples", ()), *_stated(schema, "example", "const"), *schema.get("enum", ())]
    choices = _stated(schema, "anyOf", "oneOf", "allOf")
    if said:
        return said[0]
    return _one_of(choices[0], schemas, name, depth) if choices else _typed(schema, schemas, name, depth)


def _stated(schema: Schema, *words: str) -> list[Any]:
    return [schema[word] for word in words if word in schema]


def _one_of(choices: list[Schema], schemas: Mapping[str, Schema], name: str, depth: int) -> Any:
    """Return a sample of the first choice; None only if nothing else is allowed or _NAMES says so."""
    some = [each for each in choices if each.get("type") != "null"]
    if len(some) < len(choices) and _NAMES.get(name, "") is None:
        return None
    return sample(some[0], schemas, name, depth - 1) if some else None


def _typed(schema: Schema, schemas: Mapping[str, Schema], name: str, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {field: sample(each, schemas, field, depth - 1) for field, each in fields.items()}
        case "array":
            return _array(schema, schemas, name, depth)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "string":
            if schema.get("format") in _FORMATS:
                return _FORMATS[schema["format"]]
            words = _NAMES.get(name) or name.replace("_", " ") or "text"
            return str(words).ljust(int(schema.get("minLength", 1)), ".")
        case _:
            return None


def _array(schema: Schema, schemas: Mapping[str, Schema], name: str, depth: int) -> list[Any]:
    parts = schema.get("prefixItems") or [schema.get("items", {})]
    return [sample(each, schemas, name, depth - 1) for each in parts]


def _number(schema: Schema) -> int:
    return max(1, int(schema.get("minimum", 1)))


Document = dict[str, Any]
Operation = dict[str, Any]

_METHODS = ("get", "post", "put", "delete", "patch")
_RANGES = ("4XX", "5XX")
_PROBLEM = "application/problem+json"
_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_TEXTS = {
    "text/csv": "line,reason\n4,not a mobile number\n",
    "text/plain": "YÊU CẦU NHẮN TIN ...\n",
    CONTENT_TYPE_LATEST: "loa_database_up 1.0\n",
}
_BYTES = {"type": "string", "format": "binary"}

# Status -> component name, description, and problem kind of its example.
_REFUSALS: dict[str, tuple[str, str, str]] = {
    "400": ("BadRequest", "The body cannot be read", "bad-request"),
    "401": ("Unauthorised", "No credentials, or wrong ones", "unauthorised"),
    "403": ("Forbidden", "Not for this caller", "forbidden"),
    "404": ("NotFound", "Nothing of that number that this caller may see", "not-found"),
    "409": ("Conflict", "Not possible in the current state", "conflict"),
    "412": ("VersionChanged", "If-Match names a version that has been changed since", "version-changed"),
    "413": ("TooLarge", "The body is too large", "too-large"),
    "415": ("Encoded", "The body is compressed", "encoded"),
    "422": ("Invalid", "The input is not valid; the sentences name the fields", "invalid"),
    "428": ("VersionWanted", "The edit does not say what it was made from", "version-wanted"),
    "429": ("TooOften", "Too many requests; Retry-After says how long to wait", "too-often"),
    "500": ("Unbalanced", "Figures that do not add up are not given out", "report-unbalanced"),
    "503": ("Away", "The database is away; Retry-After says when to come again", "database-away"),
}
_LOOK_UP = ("verify_report",)  # by a parameter, not by a number in the path
_NEED_IF_MATCH = ("edit_campaign", "set_addressee")
_WEBHOOK = ("400", "403", "413", "415", "422", "503")
_UNCHANGED = {"description": "Nothing has changed since the ETag that If-None-Match names"}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "ETags that you have; 304 if one of them still holds",
}


def describe(document: Document, titles: dict[str, str]) -> None:
    """Complete the document in place. titles: title of every problem kind."""
    components = document.setdefault("components", {})
    components["responses"] = {
        name: _refusal(status, words, kind, titles[kind]) for status, (name, words, kind) in _REFUSALS.items()
    }
    _title(components["schemas"])
    for path, method, operation in operations(document):
        _summarise(operation)
        _parameters(operation)
        _answers(path, method, operation)
        for media, content in _contents(operation):
            _exemplify(media, content, components["schemas"])


def operations(document: Document) -> Iterator[tuple[str, str, Operation]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def _title(schemas: dict[str, Any]) -> None:
    """Give each page of a list a title of its own: generators of clients name classes by titles."""
    for name, schema in schemas.items():
        if name.startswith("Page_"):
            schema["title"] = f"Page of {name.removeprefix('Page_').removesuffix('_')}"


def _refusal(status: str, words: str, kind: str, title: str) -> dict[str, Any]:
    example = {
        "type": f"/docs/errors#{kind}",
        "title": title,
        "status": int(status),
        "detail": f"{words}.",
        "request_id": "0f8fad5bd9cb469fa16570867728950e",
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": words, "content": {_PROBLEM: {"schema": schema, "example": example}}}


def _summarise(operation: Operation) -> None:
    """Replace FastAPI's default summary, the function's name, by the first clause of the description."""
    spelt = operation["operationId"].replace("_", " ").title()
    if operation.get("summary", spelt).lower() == spelt.lower() and operation.get("description"):
        sentence = operation["description"].split("\n")[0]
        for end in (". ", "; ", ": "):
            sentence = sentence.split(end)[0]
        operation["summary"] = sentence.rstrip(".")


def _parameters(operation: Operation) -> None:
    """Take null out of parameters, which are left out instead: a client would send it as the word `null`."""
    for each in operation.get("parameters", []):
        some = [kind for kind in each["schema"].pop("anyOf", ()) if kind.get("type") != "null"]
        each["schema"] |= some[0] if len(some) == 1 else {"anyOf": some} if some else {}
        each["required"] |= each["name"] == "If-Match" and operation["operationId"] in _NEED_IF_MATCH


def _answers(path: str, method: str, operation: Operation) -> None:
    """List every possible status explicitly instead of the ranges."""
    responses = operation["responses"]
    for each in _RANGES:
        responses.pop(each, None)
    for status in sorted(_statuses(path, method, operation)):
        responses.setdefault(status, {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"})
    if method == "get" and path.startswith("/v1/") and _JSON in responses.get("200", {}).get("content", {}):
        responses["304"] = dict(_UNCHANGED)
        operation.setdefault("parameters", []).append(dict(_IF_NONE_MATCH))


def _statuses(path: str, method: str, operation: Operation) -> set[str]:
    if path.startswith("/webhooks/"):
        return set(_WEBHOOK)
    if not path.startswith("/v1/"):
        return {"503"} if path == "/readyz" else set()
    body = operation.get("requestBody")
    headers = {each["name"].lower() for each in operation.get("parameters", []) if each["in"] == "header"}
    found = {"401", "403", "422", "429", "503"}  # 422: of a parameter that it does not have
    found |= {"404", "409"} if "{" in path else set()
    found |= {"404"} if operation["operationId"] in _LOOK_UP else set()
    found |= {"400", "413"} if body else set()
    found |= {"404", "409"} if method != "get" else set()
    found |= {"412"} if "if-match" in headers else set()
    found |= {"428"} if operation["operationId"] in _NEED_IF_MATCH else set()
    return found | ({"500"} if "report" in operation["operationId"] else set())


def _contents(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    places = [operation.get("requestBody", {}), *operation["responses"].values()]
    for place in places:
        yield from place.get("content", {}).items()


def _exemplify(media: str, content: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "example" in content or "examples" in content:
        return
    kind = media.partition(";")[0]
    if kind in _TEXTS:
        content.setdefault("schema", {"type": "string"})
        content["example"] = _TEXTS.get(media, _TEXTS[kind])
    elif content.get("schema") and (kind in (_JSON, _MULTIPART) or "form" in kind):
        content["example"] = sample(content["schema"], schemas)
    elif kind == _JSON:
        content.update(schema={"type": "object"}, example={})
    else:
        content.setdefault("schema", dict(_BYTES))
