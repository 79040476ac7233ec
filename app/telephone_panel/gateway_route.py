"""Received messages from an SMS gateway app on a test telephone, signed with that telephone's own key.

The form is that of SMS Gateway for Android (webhooks `sms:received` and, for several at once,
`sms:batch:received`): X-Signature is the HMAC-SHA256 of the body and X-Timestamp, in hexadecimal. The app
signs each attempt anew, so a timestamp is never older than the call. Such an app reports every message of the
telephone, private ones too: only whether one is a campaign's text is kept, and never what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from sqlalchemy import Connection

from app.api.dependencies import Db, Id, Routes
from app.core import clock
from app.core.errors import Forbidden
from app.telephone_panel import answers
from app.telephone_panel.register import TAG

router = Routes(tags=[TAG])

_WRONG = (
    "The signature does not match. Enter the key of `loa panel gateway` in the app as the signing key of its "
    "webhooks."
)


_CLOCK = (
    "The time {stamp} of the call is more than {minutes} minutes off. Set the telephone's clock "
    "automatically. The app will try again."
)
_LONGEST = 5000  # characters; a longer message is no campaign's text, and must not hold up its batch


class ReceivedSms(BaseModel):
    """A message as the app reports it; what else the app tells is not read."""

    message: str
    receivedAt: AwareDatetime  # noqa: N815 (the app's name for it)


class ReceivedBatch(BaseModel):
    """Several messages, in the order in which they came."""

    messages: list[ReceivedSms]


_SMS: JsonDict = {"message": "CA SON LA ...", "receivedAt": "2024-02-05T08:00:00+07:00"}


class GatewayEvent(BaseModel):
    """What a call of the app is about."""

    event: str = Field(pattern="^sms:(batch:)?received$")


class GatewayCall(GatewayEvent):
    """A call of the app about one message."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event": "sms:received", "payload": _SMS}]})

    payload: ReceivedSms


class GatewayBatchCall(GatewayEvent):
    """A call of the app about several messages."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event": "sms:batch:received", "payload": {"messages": [_SMS]}}]}
    )

    payload: ReceivedBatch


CALLS: Mapping[str, type[GatewayCall | GatewayBatchCall]] = {
    "sms:received": GatewayCall,
    "sms:batch:received": GatewayBatchCall,
}


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """recorded: whether a message is the text of a campaign that this telephone takes part in."""

    recorded: bool


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [{"$ref": f"#/components/schemas/{c.__name__}"} for c in CALLS.values()]}
            }
        },
    }
}


@router.post("/v1/panel-gateway/{telephone_id}", openapi_extra=_BODY)
async def take_gateway_sms(
    request: Request,
    db: Db,
    telephone_id: Id,
    signature: Annotated[str, Header(alias="X-Signature", max_length=64)] = "",
    timestamp: Annotated[str, Header(alias="X-Timestamp", max_length=20)] = "",
) -> GatewayAnswer:
    """Take a message that a test telephone has received; repeating the call changes nothing."""
    body = await request.body()
    signed = body + timestamp.encode("latin-1", "replace")
    if not await run_in_threadpool(db.read, answers.gateway_signed, telephone_id, signed, signature):
        raise Forbidden(_WRONG)
    _require_recent(timestamp)
    try:
        call = CALLS[GatewayEvent.model_validate_json(body).event].model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in errors]) from None
    return GatewayAnswer(await run_in_threadpool(db.write, _received, telephone_id, call.payload))


def _require_recent(timestamp: str) -> None:
    """Raise Forbidden for a call that was signed at another time: a recorded one, or one of a wrong clock."""
    seconds = int(timestamp) if timestamp.isascii() and timestamp.isdigit() else 0
    if abs(clock.now_ms() - seconds * 1000) > answers.CLOCK_MS:
        raise Forbidden(_CLOCK, stamp=timestamp[:20], minutes=answers.CLOCK_MS // 60_000)


def _received(connection: Connection, telephone_id: int, payload: ReceivedSms | ReceivedBatch) -> bool:
    messages = payload.messages if isinstance(payload, ReceivedBatch) else [payload]
    recorded = [
        answers.received_sms(connection, telephone_id, sms.message, clock.to_ms(sms.receivedAt))
        for sms in messages
        if len(sms.message) <= _LONGEST
    ]
    return any(recorded)
