"""The page of the kinds of errors."""

from __future__ import annotations

import app.runtime.api_app  # noqa: F401 - the kinds of errors are those of all that it imports
from app.api.problems import explanation, kinds

_HEAD = (
    "# Errors\n\nEvery refusal of the API is `application/problem+json` (RFC 9457): `type` "
    "points to a section of this page,\nwhich the server has as `/docs/errors`; `detail` is a "
    "sentence with the remedy, `errors` names the fields,\nand `request_id` finds the request "
    "in the log. What you sent is not repeated, since it may hold phone\nnumbers.\n\n```json\n{\n  "
    '"type": "/docs/errors#conflict",\n  "title": "Not possible in the current state",\n  '
    '"status": 409,\n  "detail": "Cannot start the run because it is paused. It must be '
    'planned.",\n  "request_id": "0f8fad5bd9cb469fa16570867728950e"\n}\n```\n\n`http-405` and other '
    "`http-...` types are plain HTTP: the sentence says what the address takes instead.\n\n"
)


def page() -> str:
    """the docstrings of AppError and its kinds."""
    every = sorted(kinds(), key=lambda kind: kind.slug)
    return (
        _HEAD
        + "\n\n".join(
            f"## {kind.slug}\n**{kind.status}, {kind.title}.** {explanation(kind)}" for kind in every
        )
        + "\n"
    )
