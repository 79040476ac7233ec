"""Errors for people: a sentence that names the field and the remedy, with an HTTP status."""

from __future__ import annotations


class AppError(Exception):
    """A refusal in words. `slug` names its page in docs/errors.md; `field` the input it speaks of."""

    status = 400
    slug = "bad-request"
    title = "The request can't be carried out"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Invalid(AppError):
    """Input that can't be taken as it is."""

    status, slug, title = 422, "invalid", "The input is not valid"


class NotFound(AppError):
    """Nothing of that name that this caller may see."""

    status, slug, title = 404, "not-found", "Not found"


class Conflict(AppError):
    """The thing is in a state that does not allow it."""

    status, slug, title = 409, "conflict", "Not possible in the present state"


class Unauthorised(AppError):
    """No credentials, or wrong ones."""

    status, slug, title = 401, "unauthorised", "Credentials are needed"


class Forbidden(AppError):
    """Known, but not allowed."""

    status, slug, title = 403, "forbidden", "Not allowed"


class TooLarge(AppError):
    """More than the limit."""

    status, slug, title = 413, "too-large", "The body is too large"


class Away(AppError):
    """The database can't be reached now; nothing was changed; try again."""

    status, slug, title = 503, "database-away", "The database is away"


class SetupError(AppError):
    """Loa can't start like this; the sentence says what to do."""

    status, slug, title = 500, "set-up", "Loa can't start"
