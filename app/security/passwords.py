"""Passwords: argon2id hashes, a check that takes the same time where there is nobody, and what is refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import Invalid
from carriers.text import unaccent

SHORTEST, LONGEST = 12, 200
HARDEST = 10**10  # guesses that a password must stand: years of argon2id on a core
_READ = 32  # characters that are judged: a quarter of a second at the worst, and more show nothing new
# Passwords that people here take and no list of the English-speaking Internet ranks high.
_LOCAL = (
    *("anhyeuem", "emyeuanh", "yeuem", "yeuanh", "congan", "matkhau", "taikhoan", "dangnhap", "khongbiet"),
    *(
        "vietnam",
        "hanoi",
        "saigon",
        "sonla",
        "tphcm",
        "nguyen",
        "concobebe",
        "giadinh",
        "hanhphuc",
        "tinhyeu",
    ),
)
# OWASP's choice for a server: 19 MiB and two passes are some 20 ms, and a stolen table stays dear to guess.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# However many sign in at once, so many hashes are made at a time: strangers can't take the memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def hash_password(password: str, name: str, words: Iterable[str] = ()) -> str:
    """The hash to store; Invalid for a password that is short, endless, or easy to guess.

    words: what may stand in it but counts for nothing, as the name: what is left must be as long and as hard.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.", field="password")
    rest = _without(unaccent(password).casefold(), [name, *words])
    if len(rest) < SHORTEST or min(_guesses(password, name), _guesses(rest, name)) < HARDEST:
        raise Invalid(
            "The password is too easy to guess: common ones, rows of keys, repetitions, the own name and "
            "words of this service count for nothing. A few unrelated words are a good one.",
            field="password",
        )
    return hash_again(password)


def _without(password: str, words: Iterable[str]) -> str:
    """What is left of it without these words, however they are spelt or spaced."""
    for word in words:
        letters = [re.escape(each) for each in unaccent(word).casefold() if each.isalnum()]
        if letters:
            password = re.sub(r"[\W_]*".join(letters), "", password)
    return password


def _guesses(password: str, name: str) -> int:
    """How many guesses it stands, by 30,000 stolen passwords, words, keyboards, dates, and their changes."""
    from zxcvbn import zxcvbn  # its lists take 13 MB, which only a new password is worth

    return int(zxcvbn(password[:_READ], user_inputs=[name, *_LOCAL])["guesses"])


def is_outdated(stored: str) -> bool:
    """Whether it was made with other parameters than those of today."""
    return _HASHER.check_needs_rehash(stored)


def hash_again(password: str) -> str:
    """A right password's hash with the parameters of today; whatever it is, it was taken once."""
    with _AT_ONCE:
        return _HASHER.hash(_bytes(password))


def is_password(stored: str | None, password: str) -> bool:
    """Whether it is this password. stored None: nobody's; false after the same work."""
    with _AT_ONCE:
        try:
            right = _HASHER.verify(stored or _nobody(), _bytes(password[: LONGEST + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return right and stored is not None


@cache
def _nobody() -> str:
    return _HASHER.hash("nobody's password")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
