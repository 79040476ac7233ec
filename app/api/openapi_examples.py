"""Examples made from schemas, so that every operation has one and none is ever out of date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_REF = "#/components/schemas/"
_DEEP = 50  # schemas here are no trees; a loop would be a mistake, and must not hang the description
_FORMATS = {
    "date-time": "2024-02-09T07:00:00+07:00",
    "date": "2024-01-29",
    "time": "07:00:00",
    "binary": "(the bytes of the file)",
}
# What people would put into fields of these names, where the schema has no example of its own.
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
    """A value that the schema allows; schemas: those that `$ref` may name. name: of the field it is for."""
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
    """Of the first choice; None only where nothing else is allowed, or where the name says so."""
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
            return _string(schema, name)
        case _:
            return None


def _array(schema: Schema, schemas: Mapping[str, Schema], name: str, depth: int) -> list[Any]:
    parts = schema.get("prefixItems") or [schema.get("items", {})]
    return [sample(each, schemas, name, depth - 1) for each in parts]


def _number(schema: Schema) -> int:
    return max(1, int(schema.get("minimum", 1)))


def _string(schema: Schema, name: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    words = _NAMES.get(name) or name.replace("_", " ") or "text"
    return str(words).ljust(int(schema.get("minLength", 1)), ".")
