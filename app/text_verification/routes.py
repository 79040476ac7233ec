"""Public API: is this text genuine? Open to everybody; the text is neither stored nor logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.api.dependencies import Routes
from app.api.rate_limit import admit_stranger
from app.core.errors import Invalid, TooLarge
from app.text_verification.advice import LONGEST, advice
from app.text_verification.compare import TextComparison, TextPart, TextUse, TextVerdict
from app.text_verification.sent_texts import VerificationService
from carriers.phrases import Phrase

router = Routes(tags=["verify"])

_BODY_LIMIT = 32 * 1024  # bytes: fits LONGEST Vietnamese characters, also percent-encoded
_TEXT_TOO_LONG = Phrase("Enter the text of one SMS, at most {most} characters.", most=LONGEST)


class Pasted(BaseModel):
    """A text as it was received: copied as a whole, with or without diacritics."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"text": "CA SON LA canh bao: ke gian gia danh"}]}
    )

    text: str = Field(min_length=1, max_length=LONGEST)


@dataclass(frozen=True, slots=True)
class VerificationAnswer:
    """What is known of the text.

    uses: by which sender ID and on which days the genuine text was sent; parts: what differs from it, in
    order; advice: the same in Vietnamese; link_or_number: whether a link or a number is among what differs.
    """

    verdict: TextVerdict
    uses: Sequence[TextUse]
    parts: Sequence[TextPart]
    advice: str
    link_or_number: bool


_SCHEMA = Pasted.model_json_schema()
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}
}


@router.post("/v1/verify", openapi_extra=_BODY)
async def verify_text(request: Request) -> VerificationAnswer:
    """Check whether a text is, word for word, one that was sent; shows what differs if it is only similar."""
    try:
        pasted = Pasted.model_validate_json(await read_body(request))
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in errors]) from None
    found = await look(request, pasted.text)
    return VerificationAnswer(found.verdict, found.uses, found.parts, advice(found).vi, found.link_or_number)


async def look(request: Request, text: str) -> TextComparison:
    if not text.strip() or len(text) > LONGEST:
        raise Invalid(_TEXT_TOO_LONG, field="text")
    return await run_in_threadpool(_service(request).look, text)


async def read_body(request: Request) -> bytes:
    """Return the body, after admitting the address; read no more of it than one text needs."""
    admit_stranger(request)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_LIMIT:
            raise TooLarge(_TEXT_TOO_LONG)
    return body


def _service(request: Request) -> VerificationService:
    return cast(VerificationService, request.app.state.genuine)
