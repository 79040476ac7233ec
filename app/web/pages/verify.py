"""Public check whether a text is genuine: no sign-in, no phone numbers, nothing stored."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import Response

from app.api.dependencies import Routes
from app.api.token_buckets import TooOften
from app.core.errors import AppError, Invalid
from app.text_verification import routes as genuine
from app.text_verification.advice import ADVICE, LONGEST
from app.text_verification.compare import TextComparison, TextVerdict
from app.web.rendering import PageRequest, Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)

TONES = {
    TextVerdict.GENUINE: "good",
    TextVerdict.WITHDRAWN: "wait",
    TextVerdict.INCOMPLETE: "wait",
    TextVerdict.ALTERED: "bad",
    TextVerdict.UNKNOWN: "off",
}
_TOO_OFTEN = say("Too many checks. Wait a minute, then try again.")
_NO_TEXT = say("Paste the text of one message, {n} characters at the most.")


@router.get("/verify")
async def page_verify(visit: Visit) -> Response:
    return _page(visit)


@router.post("/verify")
async def page_do_verify_text(visit: Visit) -> Response:
    """Check the text as POST /v1/verify does; errors are shown on the page."""
    try:
        # Reads no more bytes than one text needs, and only within the rate limit.
        said = (await genuine.read_body(visit.request)).decode("utf-8", "replace")
        fields = parse_qs(said, max_num_fields=10)
        found = await genuine.look(visit.request, fields.get("text", [""])[0])
    except TooOften as error:
        answer = _page(visit, sentence=_TOO_OFTEN, status=error.status)
        answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer
    except (AppError, ValueError) as error:
        status = error.status if isinstance(error, AppError) else Invalid.status
        return _page(visit, sentence=_NO_TEXT, status=status)
    return _page(visit, found)


def _page(
    visit: PageRequest, found: TextComparison | None = None, sentence: Said | None = None, status: int = 200
) -> Response:
    values = {"advice": ADVICE, "tones": TONES, "longest": LONGEST, "sentence": sentence}
    return render(visit, "verify.html", status, found=found, **values)
