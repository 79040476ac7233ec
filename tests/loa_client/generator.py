"""Writes loa_client/api from the API's own description: `python -m tests.loa_client.generator` (make client).

A module for each tag of openapi.json: the types that its operations are the first to use, and the operations.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.api.openapi import operations
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app

FOLDER = Path(__file__).parents[2] / "loa_client" / "api"
# Called by carriers, with credentials of their own.
LEFT_OUT = frozenset(
    {"get_webhook", "get_webhook_token", "post_webhook", "post_webhook_token", "take_gateway_sms"}
)
_OWN = {"idempotency-key", "if-match", "if-none-match", "last-event-id"}  # headers that the client deals with
_JSON, _EVENTS, _FORM = "application/json", "text/event-stream", "multipart/form-data"
_FORMATS = {"date-time": "datetime", "date": "date", "binary": "File"}
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_HEAD = '''"""{}: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from loa_client.operation import Call, Event, File, Iteration, Operation, new_key, place
from loa_client.values import given
'''
Schema = dict[str, Any]


def described(folder: Path) -> Schema:
    """openapi.json, as a server gives it."""
    db = Database(f"sqlite:///{folder / 'empty.sqlite3'}")
    try:
        return create_app(Settings(data=folder), db).openapi()
    finally:
        db.close()


class Generator:
    def __init__(self, document: Schema) -> None:
        self.schemas: dict[str, Schema] = document["components"]["schemas"]
        self.made: dict[str, str] = {}  # type -> its module
        self.files: dict[str, list[str]] = {}  # module -> its types
        self.methods: dict[str, list[str]] = {}  # module -> its operations
        self.uses: dict[str, set[str]] = {}  # module -> types of others
        for path, method, operation in operations(document):
            if operation["operationId"] not in LEFT_OUT:
                self._add(path, method, operation)

    def modules(self) -> Iterator[tuple[str, str]]:
        for module, methods in self.methods.items():
            title = module.replace("_", " ").capitalize()
            names: dict[str, list[str]] = {}
            for name in sorted(self.uses[module]):
                names.setdefault(self.made[name], []).append(name)
            imports = [f"from loa_client.api.{of} import {', '.join(each)}" for of, each in names.items()]
            yield (
                module,
                "\n".join(
                    [
                        _HEAD.format(title),
                        *imports,
                        "",
                        *self.files[module],
                        f"class {_class(module)}:",
                        *methods,
                    ]
                ),
            )
        yield "__init__", self._together()

    def _together(self) -> str:
        imports = [f"from loa_client.api.{each} import {_class(each)}" for each in self.methods]
        bases = ", ".join(map(_class, self.methods))
        return "\n".join(
            [
                '"""Every operation of the API, by its name in openapi.json."""\n',
                *imports,
                "",
                f"class Operations({bases}):",
                '    """All operations; a client adds how they are carried out."""',
            ]
        )

    def _add(self, path: str, method: str, operation: Schema) -> None:
        self.module = _module(path, operation)
        for table in (self.files, self.methods):
            table.setdefault(self.module, [])
        self.uses.setdefault(self.module, set())
        self.methods[self.module].append(self._method(path, method.upper(), operation))

    def _method(self, path: str, method: str, operation: Schema) -> str:
        parameters = operation.get("parameters", [])
        inside = {each["name"]: each["schema"] for each in parameters if each["in"] == "path"}
        query = {each["name"]: each for each in parameters if each["in"] == "query"}
        headers = {each["name"].lower() for each in parameters if each["in"] == "header"}
        assert headers <= _OWN, headers - _OWN
        fields = self._body(operation)
        given_as = [*self._required(query, fields), *self._optional(query, fields)]
        given_as += ["if_match: str | None = None"] if "if-match" in headers else []
        given_as += ["idempotency_key: str | None = None"] if "idempotency-key" in headers else []
        positional = [f"{name}: {self.type(each)}" for name, each in inside.items()]
        answer, is_list = self._answer(operation)
        kind = "Iteration" if is_list or answer == "Event" else "Operation"
        arguments = ", ".join(["self", *positional, *(["*", *given_as] if given_as else [])])
        parts = [
            f"method={method!r}",
            f"path={_place(path, [*inside])}",
            f"answer={answer}",
            *self._parts(query, fields, operation),
            *(["key=idempotency_key or new_key()"] if "idempotency-key" in headers else []),
            *(['headers=given(**{"If-Match": if_match})'] if "if-match" in headers else []),
        ]
        said = textwrap.fill(f'"""{operation["summary"].rstrip(".")}."""', 100).replace("\n", "\n        ")
        return (
            f"    @{kind}\n    def {operation['operationId']}({arguments}) -> Call[{answer}]:\n"
            f"        {said}\n        return Call({', '.join(parts)})\n"
        )

    def _parts(self, query: Schema, fields: Schema, operation: Schema) -> Iterator[str]:
        if query:
            yield f"query={_given(query)}"
        media = [*operation.get("requestBody", {}).get("content", {})]
        if media == [_FORM]:
            yield f"form={_given({name: each for name, each in fields.items() if name != 'file'})}"
            yield "file=file"
        elif media:
            needed = {name: each["schema"] for name, each in fields.items() if each["required"]}
            optional = "" if operation["requestBody"].get("required") else " or None"
            nullable = [name for name, schema in needed.items() if _is_nullable(schema)]
            yield f"json={_given(fields, nullable)}{optional}"

    def _required(self, query: Schema, fields: Schema) -> list[str]:
        found = {**query, **fields}.items()
        return [f"{name}: {self.type(each['schema'])}" for name, each in found if each.get("required")]

    def _optional(self, query: Schema, fields: Schema) -> list[str]:
        found = {**query, **fields}
        return [
            f"{name}: {self.type(each['schema']).removesuffix(' | None')} | None = None"
            for name, each in found.items()
            if not each.get("required")
        ]

    def _body(self, operation: Schema) -> Schema:
        """The fields of the body, each with its schema and whether it is required."""
        content = operation.get("requestBody", {}).get("content", {})
        if not content:
            return {}
        ((_, body),) = content.items()
        schema = body["schema"]
        schema = schema["anyOf"][0] if "anyOf" in schema else schema
        schema = self.schemas[_name(schema)] if "$ref" in schema else schema
        needed = schema.get("required", ())
        return {
            name: {"schema": each, "required": name in needed} for name, each in schema["properties"].items()
        }

    def _answer(self, operation: Schema) -> tuple[str, bool]:
        """The type of the answer, or of the items of a list, and whether it is one."""
        good = [each for status, each in operation["responses"].items() if status[0] == "2"]
        content = next((each["content"] for each in good if each.get("content")), {})
        if _EVENTS in content:
            return "Event", False
        if not content:
            return ("None" if "204" in operation["responses"] else "str"), False
        schema = content.get(_JSON, {}).get("schema", {})
        if "$ref" in schema:
            of = self.schemas[_name(schema)]
            if {*of.get("properties", ())} == {"items", "next"}:
                return self.type(of["properties"]["items"]["items"]), True
            return self.type(schema) + (" | str" if len(content) > 1 else ""), False
        if len(content) > 1:
            return "bytes", False
        (media,) = content
        return self.type(schema) if media == _JSON else "str" if media.startswith("text/") else "bytes", False

    def type(self, schema: Schema) -> str:
        """Python's type of a schema; what it names is defined first."""
        if "$ref" in schema:
            return self._named(_name(schema))
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(map(self.type, schema["anyOf"])))
        if "enum" in schema:
            return f"Literal[{', '.join(map(repr, schema['enum']))}]"
        match schema.get("type"):
            case "array" if "prefixItems" in schema:
                return f"tuple[{', '.join(map(self.type, schema['prefixItems']))}]"
            case "array":
                return f"list[{self.type(schema.get('items', {}))}]"
            case "object":
                each = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")][0]
                return f"dict[str, {self.type(each) if isinstance(each, dict) else 'Any'}]"
            case "string" if schema.get("format") in _FORMATS:
                return _FORMATS[schema["format"]]
        return _TYPES.get(schema.get("type", ""), "Any")

    def _named(self, name: str) -> str:
        if name not in self.made:
            self.made[name] = self.module
            self.files[self.module].append(self._definition(name, self.schemas[name]))
        elif self.made[name] != self.module:
            self.uses[self.module].add(name)
        return name

    def _definition(self, name: str, schema: Schema) -> str:
        if "properties" not in schema:
            return f"{name} = {self.type(schema)}\n"
        needed = schema.get("required", ())
        lines = [
            f"    {field}: {self.type(each)}{'' if field in needed else _default(each)}"
            for field, each in schema["properties"].items()
        ]
        head = ["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {name}:"]
        return "\n".join([*head, *lines, "\n"])


def _default(schema: Schema) -> str:
    if schema.get("type") in ("array", "object"):
        return f" = field(default_factory={'list' if schema['type'] == 'array' else 'dict'})"
    has_default = "default" in schema or _is_nullable(schema)
    return f" = {schema.get('default')!r}" if has_default else " | None = None"


def _is_nullable(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _given(fields: Schema, nullable: list[str] | None = None) -> str:
    return f"given({', '.join([*map(repr, nullable or ()), *(f'{name}={name}' for name in fields)])})"


def _module(path: str, operation: Schema) -> str:
    noun = path.split("/")[2] if path.startswith("/v1/") else ""
    return noun if noun in ("directives", "texts") else str(operation["tags"][0].replace(" ", "_"))


def _place(path: str, inside: list[str]) -> str:
    for name in inside:
        path = path.replace(f"{{{name}}}", "{}")
    return f"place({', '.join([repr(path), *inside])})" if inside else repr(path)


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _class(module: str) -> str:
    return module.title().replace("_", "") + "Operations"


def written(document: Schema) -> dict[str, str]:
    """Every module of loa_client/api by its file's name, formatted as all code is."""
    with tempfile.TemporaryDirectory() as folder:
        for module, text in Generator(document).modules():
            (Path(folder) / f"{module}.py").write_text(text + "\n", encoding="utf-8")
        settings = ["--config", str(FOLDER.parents[1] / "pyproject.toml")]
        for order in (["check", "--quiet", "--select", "F401,I", "--fix"], ["format", "--quiet"]):
            subprocess.run([sys.executable, "-m", "ruff", *order, *settings, folder], check=True)
        return {file.name: file.read_text("utf-8") for file in sorted(Path(folder).glob("*.py"))}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        document = described(Path(folder))
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.py"):
        old.unlink()
    for name, text in written(document).items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
