"""Errors shown to people: a sentence that names the field and the remedy, with an HTTP status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from carriers.phrases import Phrase

GIVEN_TWICE = "{field} was given twice. Give it only once."
# Services check before they write, so only two simultaneous callers meet this.
CLASHED = "This was changed by someone else in the meantime. Reload and try again."
UNSTORABLE = "A value cannot be stored because it is too large or contains forbidden characters."


def meant(word: str, names: Iterable[str]) -> str | None:
    """Return the closest of these names, or None if none is close."""
    by_folded = {name.lower(): name for name in names}
    found = get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


class AppError(Exception):
    """The request cannot be carried out.

    `detail` says why. Change the request before you send it again.
    """

    # The docstrings of these classes explain errors to people: /docs/errors and docs/reference/errors.md have
    # them under the `slug`.
    status = 400
    slug = "bad-request"
    title = "The request cannot be carried out"

    def __init__(
        self,
        template: str,
        /,
        *,
        field: str | None = None,
        faults: Sequence[tuple[str, str]] = (),
        retry_after_s: int | None = None,
        cause: str = "",
        **values: object,
    ) -> None:
        """Make an error of a sentence with places such as {name}, and the values of these places.

        field: the input that it is about, and the value of a place {field}. faults: (field, sentence) of
        each, if several are wrong. retry_after_s: when to try again. cause: internal reason for the log and
        for people at the host, never for callers.
        """
        if field is not None and "{field}" in template and not isinstance(template, Phrase):
            values["field"] = field
        self.detail = Phrase(template, **values)
        super().__init__(self.detail)
        self.cause = cause
        self.retry_after_s = retry_after_s
        self.field = field
        self.faults = faults or ([(field, self.detail)] if field else [])

    @property
    def said_here(self) -> str:
        """The sentence with its cause, for the log and for people at the host."""
        return f"{self.detail} ({self.cause})" if self.cause else self.detail


class Invalid(AppError):
    """The input is not valid.

    `errors` has one sentence for each field. Times need a time zone: `2024-02-09T07:00:00+07:00`.
    """

    status, slug, title = 422, "invalid", "The input is not valid"


class NotFound(AppError):
    """There is nothing with this name or number that you may see, or the address does not exist."""

    status, slug, title = 404, "not-found", "Not found"


# Where people and programs find existing objects.
_SHOWN = {
    "attachment": "Upload it first: POST /v1/attachments",
    "batch": "See GET /v1/batches or `loa batch list`",
    "campaign": "See GET /v1/campaigns or `loa campaign list`",
    "directive": "See GET /v1/directives or `loa directive list`",
    "erasure": "See GET /v1/erasures or `loa retention list`",
    "key": "See GET /v1/keys or `loa key list`",
    "link": "See GET /v1/links or `loa link list`",
    "notice": "See GET /v1/notices or `loa directive notices`",
    "person": "See GET /v1/users or `loa user list`",
    "receipt file": "See GET /v1/receipt-files or `loa receipts list`",
    "request": "See GET /v1/person-requests or `loa privacy requests`",
    "received order": "See GET /v1/received-orders or `loa order received`",
    "report": "See GET /v1/reports or `loa report list`",
    "signing key": "See GET /v1/signing-keys or `loa signing-key list`",
    "signed order": "See GET /v1/runs/1/orders or `loa order list 1` for those of run 1",
    "signed paper": "See GET /v1/reports/1/signed or `loa report signed 1` for those of report 1",
    "test telephone": "See GET /v1/panel-telephones or `loa panel list`",
    "sender name": "See GET /v1/sender-names or `loa sender-name list`",
    "run": "See GET /v1/runs or `loa run list`",
}


_PHONE = 10**8  # from here on it may be a telephone number without its 0


def no_such(what: str, which: object, field: str | None = None) -> NotFound:
    """Return the error for a missing `what` (run, batch ...), with a hint where to find existing ones.

    A number as long as a telephone number is not repeated: it may be one.
    """
    which = shown_id(which) if isinstance(which, int) else which
    return NotFound(
        "There is no {what} {which}. {where}.",
        what=Phrase(what),
        which=which,
        where=_SHOWN[what],
        field=field,
    )


def shown_id(number: int | None) -> Phrase:
    """Return how an id is repeated in a sentence; None: what was given is no id."""
    is_shown = number is not None and 0 <= number < _PHONE
    return Phrase(str(number)) if is_shown else Phrase("with this number")


class Conflict(AppError):
    """The current state does not allow this, or someone else changed it at the same moment.

    Reload it, then decide again. Repeating start, pause, resume or cancel is not a conflict: it answers 200
    again.
    """

    status, slug, title = 409, "conflict", "Not possible in the current state"


class VersionChanged(AppError):
    """`If-Match` names a version that has been changed since.

    Read the campaign or run again, look at the change, and repeat what still applies with its new `ETag`.
    """

    status, slug, title = 412, "version-changed", "Changed in the meantime"


class VersionWanted(AppError):
    """Editing a campaign, or changing what someone else reported about an addressee, requires `If-Match`.

    Send the `ETag` that the change is based on, so that no one overwrites another's change.
    """

    status, slug, title = 428, "version-wanted", "If-Match is required"


class Unauthorised(AppError):
    """The API key is missing, unknown, revoked or expired, or the session or sign-in is not valid; the answer
    is the same for all.

    Send `Authorization: Bearer loa_...`. `loa key add NAME` creates a key and shows it once. See
    docs/access.md.
    """

    status, slug, title = 401, "unauthorised", "Authentication is required"


class Forbidden(AppError):
    """The key or user is known but may not do this.

    docs/access.md says which role may. Ask someone who has it.
    """

    status, slug, title = 403, "forbidden", "Not allowed"


class Encoded(AppError):
    """The body of a webhook is compressed.

    Send it uncompressed: the size after decompression cannot be checked in advance.
    """

    status, slug, title = 415, "encoded", "The body is compressed"


class TooLarge(AppError):
    """The body is larger than the limit.

    The limits are 1 MiB for ordinary bodies, `upload_limit_mb` for files and `webhook_limit_kb` for webhooks.
    """

    status, slug, title = 413, "too-large", "The body is too large"


class TooOften(AppError):
    """More requests than one caller may send in a minute.

    Wait as many seconds as `Retry-After` says; every answer under `/v1` says in `RateLimit-Remaining` what
    is left.
    """

    status, slug, title = 429, "too-often", "Too many requests"


class DatabaseUnavailable(AppError):
    """The database cannot be reached.

    Nothing was changed. Repeat the request after `Retry-After` seconds. `/readyz` shows when the database is
    back.
    """

    status, slug, title = 503, "database-away", "The database is unavailable"
    passes = True  # False once a stopping process has waited long enough


def passes(error: BaseException) -> bool:
    """Return whether this is a database error worth waiting for."""
    return isinstance(error, DatabaseUnavailable) and error.passes


class Damaged(AppError):
    """A page of the SQLite file cannot be read, so Loa has stopped sending and receiving.

    docs/operations.md says under "Incidents" what to do.
    """

    status, slug, title = 500, "database-damaged", "The ledger file is damaged"


class SetupError(AppError):
    """Loa cannot start with these settings.

    `detail` says which setting is wrong and what to write instead.
    """

    status, slug, title = 500, "set-up", "Loa cannot start"


class Impossible(Exception):
    """A fault of Loa itself: two things that belong together do not agree, and nothing of it was written.

    The sentence is ours and bears no number of a subscriber, so that pages and logs may show it;
    observability/faults.py counts it, and shows it red until it is over.
    """


def require(holds: bool, sentence: str) -> None:
    """Raise Impossible with this sentence unless it holds."""
    if not holds:
        raise Impossible(sentence)
