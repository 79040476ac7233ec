"""What can happen to a request besides its regular answer."""

from __future__ import annotations

from enum import Enum


class HttpTrouble(Enum):
    """Each value is also a field of WebBehaviour (a share) and a word of `next_troubles`."""

    NONE = "none"
    HANG = "hang"  # taken, never answered
    BREAK_BEFORE = "break_before"  # not taken: the connection breaks
    BREAK_AFTER = "break_after"  # taken: the connection breaks before the answer
    CUT = "cut"  # taken: the connection ends in the middle of the answer
    ERROR_500 = "error_500"  # 500 with a page of HTML; taken or not as `errors_taken` says
    ERROR_502 = "error_502"
    UNAVAILABLE = "unavailable"  # not taken: 503 with Retry-After
    TOO_MANY = "too_many"  # not taken: 429 with Retry-After
    REDIRECT = "redirect"  # not taken: 302 to another address
    HUGE = "huge"  # taken: the right answer, and 10 MB of blanks after it
    BOMB = "bomb"  # taken: the same in gzip, 10 kB on the wire
    GZIP = "gzip"  # taken: the right answer in gzip
    CHUNKED = "chunked"  # taken: the right answer in chunks
    WRONG_TYPE = "wrong_type"  # taken: the right answer, called an image
    PAGE = "page"  # taken: a page of HTML with status 200
    EMPTY = "empty"  # taken: status 200 and nothing in it
    GARBAGE = "garbage"  # taken: random bytes as the answer's body
    NOISE = "noise"  # taken: random bytes in place of HTTP


UNTAKEN = {HttpTrouble.BREAK_BEFORE, HttpTrouble.UNAVAILABLE, HttpTrouble.TOO_MANY, HttpTrouble.REDIRECT}
ERRORS = {HttpTrouble.ERROR_500: 500, HttpTrouble.ERROR_502: 502}
# No complete HTTP response.
BROKEN_OFF = {
    HttpTrouble.HANG,
    HttpTrouble.BREAK_BEFORE,
    HttpTrouble.BREAK_AFTER,
    HttpTrouble.CUT,
    HttpTrouble.NOISE,
}
