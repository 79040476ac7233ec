"""What can go wrong: a refusal in the server's words, or a server that is not there."""

from __future__ import annotations

from typing import Any

import httpx


class LoaError(Exception):
    """Base of all errors of this package."""


class Unreachable(LoaError):
    """The server cannot be reached, cut the connection, or does not answer as Loa does.

    passes: it may be back soon. maybe_done: what was to be changed may have been, before the line was cut.
    """

    passes = True
    maybe_done = False


class Problem(LoaError):
    """An error response (RFC 9457).

    slug: the kind, as in docs/reference/errors.md. title, detail: sentences. errors: (field, sentence) of
    each wrong field. request_id: names the request in the server's log. retry_after_s: when to ask again.
    """

    def __init__(self, status: int, said: dict[str, Any], retry_after_s: float = 0.0) -> None:
        self.status = status
        self.slug = str(said.get("type", "")).rpartition("#")[2]
        self.title = str(said.get("title", ""))
        self.detail = str(said["detail"])
        self.errors = [(str(each["field"]), str(each["detail"])) for each in said.get("errors", ())]
        self.request_id = str(said.get("request_id", ""))
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class Unauthorised(Problem):
    """401: no credentials, or wrong ones."""


class Forbidden(Problem):
    """403: not for this caller."""


class NotFound(Problem):
    """404: nothing of that number that this caller may see."""


class Conflict(Problem):
    """409: not possible in the present state."""


class VersionChanged(Problem):
    """412: somebody else has changed it since."""


class Invalid(Problem):
    """422: the input is not valid; `errors` names the fields."""


class TooOften(Problem):
    """429: too many requests, or a limit of an operation; see `retry_after_s`."""


class Unavailable(Problem):
    """503: not possible now; nothing was changed."""


_BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthorised,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: VersionChanged,
    422: Invalid,
    429: TooOften,
    503: Unavailable,
}


def not_loa(server: str, why: object) -> Unreachable:
    error = Unreachable(f"The server {server} does not answer like Loa ({why}). Check the address.")
    error.passes = False
    return error


def problem_of(server: str, answer: httpx.Response) -> LoaError:
    """Return the error of an error response whose body has been read."""
    after = answer.headers.get("Retry-After", "")
    try:
        kind = _BY_STATUS.get(answer.status_code, Problem)
        return kind(answer.status_code, answer.json(), float(after) if after.isdecimal() else 0.0)
    except (ValueError, KeyError, TypeError, AttributeError):
        return not_loa(server, answer.status_code)
