"""Public check whether a text is genuine: no sign-in, no phone numbers, nothing stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from fastapi import Response

from app.api.dependencies import Routes
from app.api.rate_limit import admit_stranger
from app.core import clock
from app.core.errors import AppError, Invalid, NotFound, TooOften
from app.reports.forms import letterhead
from app.reports.frozen import printed_code
from app.reports.frozen.archive import Spoilt
from app.text_verification import routes as genuine
from app.text_verification.advice import LONGEST, RedFlag, advice, red_flags
from app.text_verification.compare import TextComparison, TextVerdict, WordChange
from app.web import assets
from app.web.pages.sign_in_pages import qr
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
HEADS: dict[TextVerdict, Said] = {
    TextVerdict.GENUINE: say("Genuine, exact match"),
    TextVerdict.WITHDRAWN: say("Sending was stopped"),
    TextVerdict.INCOMPLETE: say("Only part of a genuine message"),
    TextVerdict.ALTERED: say("Warning: altered"),
    TextVerdict.UNKNOWN: say("Not one of the messages sent"),
}
FLAGS: dict[RedFlag, Said] = {
    RedFlag.MONEY: say("It mentions sending money. Neither police nor banks ask for that in a message."),
    RedFlag.CODE: say("It mentions a code or password. Do not give it to anyone."),
    RedFlag.LINK: say("It contains a link. Do not open it."),
    RedFlag.ACCOUNT: say("It mentions an account. The police have no account for people to pay into."),
    RedFlag.THREAT: say(
        "It threatens with a case or an arrest. The police summon people in writing, never by message."
    ),
}
_TOO_OFTEN = say("Too many checks. Wait a minute and try again.")
_PRINTED: dict[type[AppError], Said] = {
    TooOften: _TOO_OFTEN,
    NotFound: say(
        "No report has this code. Enter it exactly as on the last page of the document. If it is "
        "the same, the document was not issued by Loa."
    ),
    Spoilt: say(
        "The figures behind this code differ from what was frozen, so they are not shown. Tell the agency."
    ),
}
_NO_TEXT = say("Paste the text of one message, at most {n} characters.")


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
        text = fields.get("text", [""])[0]
        found = await genuine.look(visit.request, text)
    except TooOften as error:
        answer = _page(visit, sentence=_TOO_OFTEN, status=error.status)
        answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer
    except (AppError, ValueError) as error:
        status = error.status if isinstance(error, AppError) else Invalid.status
        return _page(visit, sentence=_NO_TEXT, status=status)
    return _page(visit, found, flags=red_flags(_foreign(found, text)))


def _foreign(comparison: TextComparison, text: str) -> str:
    """Return what no agency of this system has sent: a true text may itself warn of passwords."""
    if comparison.verdict == TextVerdict.ALTERED:
        return " ".join(part.text for part in comparison.parts if part.change == WordChange.ADDED)
    return text if comparison.verdict == TextVerdict.UNKNOWN else ""


@router.get("/verify/poster")
def page_verify_poster(visit: Visit) -> Response:
    """Show a sheet to print and hang up: where a text is checked, as a QR code."""
    hosts = visit.settings.public_hosts
    address = f"https://{hosts[0]}/verify" if hosts else str(visit.request.base_url) + "verify"
    return render(visit, "verify_poster.html", address=address, picture=qr(address), **_who(visit))


@router.get("/verify/reports")
def page_verify_report(visit: Visit, code: str = "") -> Response:
    """Show the frozen figures of the code on a printed report, as GET /v1/verify/reports does."""
    shown: dict[str, Any] = {"code": code[:40], "found": None, "sentence": None} | _who(visit)
    status, headers = 200, {}
    if code:
        try:
            admit_stranger(visit.request)
            shown["found"] = visit.db.read(printed_code.look, code)
        except AppError as error:
            status, shown["sentence"] = error.status, _PRINTED[type(error)]
            headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, TooOften) else {}
    answer = render(visit, "verify_report.html", status, grouped=printed_code.grouped, **shown)
    answer.headers.update({"Cache-Control": "no-store", **headers})
    return answer


def _who(visit: PageRequest) -> dict[str, Any]:
    """Return who speaks on the public page, as on the police's papers, and their crest."""
    today = clock.local(clock.now()).date()
    agency = letterhead.load(visit.settings.letterheads).of("", today).agency
    return {"agency": agency, "crest": assets.crest(visit.settings)}


def _page(
    visit: PageRequest,
    comparison: TextComparison | None = None,
    sentence: Said | None = None,
    status: int = 200,
    flags: Sequence[RedFlag] = (),
) -> Response:
    values = {"advice": advice, "tones": TONES, "heads": HEADS, "warnings": [FLAGS[each] for each in flags]}
    said: dict[str, Any] = {"longest": LONGEST, "sentence": sentence} | _who(visit)
    return render(visit, "verify.html", status, found=comparison, **values, **said)
