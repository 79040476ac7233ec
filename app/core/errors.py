"""Errors shown to people: a sentence that names the field and the remedy, with an HTTP status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def meant(word: str, names: Iterable[str]) -> str | None:
    """Return the closest of these names, or None if none is close."""
    by_folded = {name.lower(): name for name in names}
    found = get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


class AppError(Exception):
    """An error in words. `slug` names its page in docs/errors.md; `field` the input it is about.

    faults: (field, sentence) of each, if several are wrong. retry_after_s: when to try again. cause: internal
    reason for the log and for people at the host, never for callers.
    """

    status = 400
    slug = "bad-request"
    title = "The request can't be carried out"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        faults: Sequence[tuple[str, str]] = (),
        retry_after_s: int | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(detail)
        self.cause = cause
        self.retry_after_s = retry_after_s
        self.detail = detail
        self.field = field
        self.faults = faults or ([(field, detail)] if field else [])

    @property
    def said_here(self) -> str:
        """The sentence with its cause, for the log and for people at the host."""
        return f"{self.detail} ({self.cause})" if self.cause else self.detail


class Invalid(AppError):
    """The input can't be accepted as it is."""

    status, slug, title = 422, "invalid", "The input is not valid"


class NotFound(AppError):
    """There is nothing with that name or number that this caller may see."""

    status, slug, title = 404, "not-found", "Not found"


# Where people and programs find existing objects.
_SHOWN = {
    "attachment": "hand it in first: POST /v1/attachments",
    "batch": "GET /v1/batches and `loa batch list` show those there are",
    "campaign": "GET /v1/campaigns and `loa campaign list` show those there are",
    "directive": "GET /v1/directives and `loa directive list` show those there are",
    "erasure": "GET /v1/erasures and `loa retention list` show those there are",
    "key": "GET /v1/keys and `loa key list` show those there are",
    "link": "GET /v1/links and `loa link list` show those there are",
    "notice": "GET /v1/notices and `loa directive notices` show those there are",
    "person": "GET /v1/users and `loa user list` show those there are",
    "receipt file": "GET /v1/receipt-files and `loa receipts list` show those there are",
    "report": "GET /v1/reports and `loa report list` show those there are",
    "run": "GET /v1/runs and `loa run list` show those there are",
}


def no_such(what: str, which: object, field: str | None = None) -> NotFound:
    """Return the error for a missing `what` (run, batch ...), with a hint where to find existing ones."""
    return NotFound(f"There is no {what} {which}; {_SHOWN[what]}.", field=field)


class Conflict(AppError):
    """The current state does not allow it."""

    status, slug, title = 409, "conflict", "Not possible in the present state"


class VersionChanged(AppError):
    """Somebody else has changed it since you read it; read it again and repeat what still fits."""

    status, slug, title = 412, "version-changed", "Changed meanwhile"


class VersionWanted(AppError):
    """An edit that does not name the version it is based on could overwrite another one; send If-Match."""

    status, slug, title = 428, "version-wanted", "If-Match is needed"


class Unauthorised(AppError):
    """No credentials, or wrong ones."""

    status, slug, title = 401, "unauthorised", "Credentials are needed"


class Forbidden(AppError):
    """The caller is known, but not allowed to do this."""

    status, slug, title = 403, "forbidden", "Not allowed"


class Encoded(AppError):
    """The body is compressed, so its real size can't be seen before it fills memory."""

    status, slug, title = 415, "encoded", "The body is compressed"


class TooLarge(AppError):
    """The body exceeds the limit."""

    status, slug, title = 413, "too-large", "The body is too large"


class DatabaseUnavailable(AppError):
    """The database can't be reached now; nothing was changed; try again."""

    status, slug, title = 503, "database-away", "The database is away"
    passes = True  # False once a stopping process has waited long enough


def passes(error: BaseException) -> bool:
    """Return whether this is a database error worth waiting for."""
    return isinstance(error, DatabaseUnavailable) and error.passes


class Damaged(AppError):
    """A page of the SQLite file can't be read; nothing more is written to the file."""

    status, slug, title = 500, "database-damaged", "The ledger's file is damaged"


class SetupError(AppError):
    """Loa can't start like this; the sentence says what to do."""

    status, slug, title = 500, "set-up", "Loa can't start"
