"""Received messages from an SMS gateway app on a test telephone, signed with that telephone's own key.

The form is that of SMS Gateway for Android (webhook `sms:received`): X-Signature is the HMAC-SHA256 of the
body and X-Timestamp, in hexadecimal. Such an app reports every message of the telephone, private ones too:
only whether one is a campaign's text is kept, and never what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
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


class ReceivedSms(BaseModel):
    """A message as the app reports it; what else the app tells is not read."""

    message: str = Field(max_length=5000)
    receivedAt: AwareDatetime  # noqa: N815 (the app's name for it)


class GatewayCall(BaseModel):
    """A call of the app."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event": "sms:received",
                    "payload": {"message": "CA SON LA ...", "receivedAt": "2024-02-05T08:00:00+07:00"},
                }
            ]
        }
    )

    event: str = Field(pattern="^sms:received$")
    payload: ReceivedSms


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """recorded: whether the message is the text of a campaign that this telephone takes part in."""

    recorded: bool


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": GatewayCall.model_json_schema()}},
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
    try:
        call = GatewayCall.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in errors]) from None
    return GatewayAnswer(await run_in_threadpool(db.write, _received, telephone_id, call.payload))


def _received(connection: Connection, telephone_id: int, sms: ReceivedSms) -> bool:
    return answers.received_sms(connection, telephone_id, sms.message, clock.to_ms(sms.receivedAt))
