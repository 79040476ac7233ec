"""API documentation as one HTML page, without scripts or files from other hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from app.api.dependencies import Routes
from app.api.openapi import Document, Operation, operations
from app.api.security_headers import PAGE_POLICY

router = Routes()

_STYLE = Path(__file__).with_name("style.css")
_REF = "#/components/responses/"
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>{title}</title>'
    '<link rel="stylesheet" href="/docs/style.css"></head><body>'
)


@router.get("/docs", include_in_schema=False)
def docs_page(request: Request) -> HTMLResponse:
    return page("Loa: the API", _made(request.app.openapi))


@router.get("/docs/style.css", include_in_schema=False)
def docs_style() -> Response:
    return Response(_STYLE.read_bytes(), media_type="text/css")


def page(title: str, body: str) -> HTMLResponse:
    """Wrap HTML in a page with our style sheet."""
    content = f"{_HEAD.format(title=escape(title))}<h1>{escape(title)}</h1>{body}</body></html>"
    return HTMLResponse(content, headers={"Content-Security-Policy": PAGE_POLICY})


@lru_cache(maxsize=1)
def _made(describe: Any) -> str:
    document = describe()
    parts = [
        f"<p>{escape(document['info']['description'])}</p>",
        '<p>For machines: <a href="/openapi.json">/openapi.json</a>. '
        'What goes wrong, and what to do then: <a href="/docs/errors">errors</a>.</p>',
    ]
    every = [
        (operation["tags"][0], path, method, operation) for path, method, operation in operations(document)
    ]
    for tag, members in groupby(sorted(every, key=lambda item: item[0]), key=lambda item: item[0]):
        parts.append(f"<h2>{escape(tag)}</h2>")
        parts += [_operation(document, *member[1:]) for member in members]
    return "".join(parts)


def _operation(document: Document, path: str, method: str, operation: Operation) -> str:
    head = (
        f'<details id="{operation["operationId"]}"><summary><code>'
        f'<span class="method">{method.upper()}</span> '
        f"{escape(path)}</code> {escape(operation['summary'])}</summary>"
    )
    return "".join(
        [
            head,
            f"<p>{escape(operation.get('description', ''))}</p>",
            *_asked(operation),
            *_answers(document, operation),
            "</details>",
        ]
    )


def _asked(operation: Operation) -> Iterator[str]:
    if operation.get("parameters"):
        yield "<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>"
        for each in operation["parameters"]:
            name = escape(each["name"]) + (" (needed)" if each.get("required") else "")
            yield f"<tr><td><code>{name}</code></td><td>{each['in']}</td>"
            yield f"<td>{escape(each.get('description', ''))}</td></tr>"
        yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(media)}</code>:</p>{_example(content)}"


def _answers(document: Document, operation: Operation) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            kind = document["components"]["responses"][answer["$ref"].removeprefix(_REF)]
            place = next(iter(kind["content"].values()))["example"]["type"]
            yield f'<p><a href="{place}">{status}</a> {escape(kind["description"])}</p>'
            continue
        yield f"<p><b>{status}</b> {escape(answer['description'])}</p>"
        for media, content in answer.get("content", {}).items():
            yield f"<p><code>{escape(media)}</code></p>{_example(content)}"


def _example(content: Mapping[str, Any]) -> str:
    named = [each["value"] for each in content.get("examples", {}).values()]
    for example in [*_stated(content), *named][:1]:
        text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
        return f"<pre>{escape(text)}</pre>"
    return ""


def _stated(content: Mapping[str, Any]) -> list[Any]:
    return [content["example"]] if "example" in content else []
