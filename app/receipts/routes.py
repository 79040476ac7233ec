"""The webhook routes as the framework has them; app/receipts/plain_route.py takes their calls before it."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from app.api.dependencies import Routes
from app.receipts import webhook_calls

# ---- OpenAPI of the generic webhook

_WORDS = (
    "DELIVRD, UNDELIV, REJECTD, DELETED, EXPIRED, SENT, ACCEPTD, ENROUTE or UNKNOWN; others count as UNKNOWN"
)
_EVENT: dict[str, Any] = {
    "request_id": "SLA-20240129-000017",
    "message_id": "5f1c0a77",
    "msisdn": "84910000001",
    "status": "DELIVRD",
    "error": "000",
    "mt_count": 1,
    "done_at": "2024-01-29T10:05:00+07:00",
}
_FAILED = _EVENT | {"request_id": "SLA-20240129-000018", "status": "UNDELIV", "error": "006"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 128}
_FIELDS: dict[str, dict[str, Any]] = {
    "request_id": _NAME | {"description": "Loa's own id of the message; it takes precedence over message_id"},
    "message_id": _NAME | {"description": "the carrier's id of the message"},
    "msisdn": {"type": "string", "pattern": "^84[1-9][0-9]{8}$", "description": "84 and nine digits"},
    "status": {"type": "string", "minLength": 1, "maxLength": 40, "description": _WORDS},
    "error": {"type": "string", "description": "the carrier's own code, kept as it came"},
    "mt_count": {"type": "integer", "description": "SMS parts; not read"},
    "done_at": {"type": "string", "description": "ISO 8601; +07:00 where it names no zone"},
}
_RECEIPT: dict[str, Any] = {
    "type": "object",
    "description": "The generic shape. A link may have another: see docs/webhooks.md.",
    "required": ["status"],
    "anyOf": [{"required": ["request_id"]}, {"required": ["message_id"]}, {"required": ["msisdn"]}],
    "properties": _FIELDS,
    "example": _EVENT,
}

POST: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"anyOf": [_RECEIPT, {"type": "array", "maxItems": 5000, "items": _RECEIPT}]},
                "examples": {
                    "one": {"summary": "One receipt", "value": _EVENT},
                    "many": {"summary": "Several at once", "value": [_EVENT, _FAILED]},
                },
            },
            "application/x-www-form-urlencoded": {"schema": _RECEIPT},
        }
    }
}
GET: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": name == "status", "schema": schema, "example": _EVENT[name]}
        for name, schema in _FIELDS.items()
    ]
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Committed. The body is what the link's carrier wants to hear.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"status": 1}}},
    }
}


router = Routes(tags=["webhooks"])


async def receive(request: Request, carrier: str, link: str) -> Response:
    """Take a carrier's receipts; whatever is answered with 200 has been committed."""
    return await _answer(request, webhook_calls.WebhookPath(carrier, link))


async def receive_by_token(request: Request, carrier: str, link: str, token: str) -> Response:
    """Take a carrier's receipts, as above; the token is a step of the path, never of the query."""
    return await _answer(request, webhook_calls.WebhookPath(carrier, link, token))


async def _answer(request: Request, path: webhook_calls.WebhookPath) -> Response:
    said = await webhook_calls.answer(request.app.state, request.scope, request.receive, path)
    return Response(said.body, headers={"Content-Type": said.content_type})


for _method, _extra in (("POST", POST), ("GET", GET)):
    for _path, _take, _with in (
        ("/webhooks/{carrier}/{link}", receive, ""),
        ("/webhooks/{carrier}/{link}/{token}", receive_by_token, "_token"),
    ):
        router.add_api_route(
            _path,
            _take,
            methods=[_method],
            name=f"{_method.lower()}_webhook{_with}",
            summary="Receipts from a carrier",
            response_class=Response,
            openapi_extra=_extra,
            responses=ANSWERS,
        )
