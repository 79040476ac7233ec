"""Passwords: strength rules, argon2id hashes, and a check that takes as long for unknown names."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core import areas
from app.core.errors import Invalid
from carriers.text import unaccent

SHORTEST, LONGEST = 12, 200
HARDEST = 10**10  # guesses a password must withstand: years of argon2id on one core
_JUDGED = 32  # characters judged: a quarter of a second at worst, and more would show nothing new
# Local passwords that English lists rank too low.
_LOCAL = (
    *("anhyeuem", "emyeuanh", "yeuem", "yeuanh", "congan", "matkhau", "taikhoan", "dangnhap", "khongbiet"),
    *(
        "vietnam",
        "hanoi",
        "saigon",
        "tphcm",
        "nguyen",
        "concobebe",
        "giadinh",
        "hanhphuc",
        "tinhyeu",
    ),
)
# OWASP's parameters for a server: 19 MiB and two passes take some 20 ms.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Limits parallel hashing, so that a crowd of sign-ins can't exhaust memory.
_AT_ONCE = threading.BoundedSemaphore(4)


def hash_password(password: str, name: str, words: Iterable[str] = ()) -> str:
    """Return the hash to store; Invalid for a password that is too short, too long or easy to guess.

    words: count for nothing in a password, like the name; the rest must be long and hard enough.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(
            "A password must have {least} to {most} characters.",
            least=SHORTEST,
            most=LONGEST,
            field="password",
        )
    rest = _without(unaccent(password).casefold(), [name, *words])
    if len(rest) < SHORTEST or min(_guesses(password, name), _guesses(rest, name)) < HARDEST:
        raise Invalid(
            "The password is too easy to guess. Common passwords, keyboard rows, repetitions, your "
            "own name and words of this service do not count. Use a few unrelated words.",
            field="password",
        )
    return hash_again(password)


def _without(password: str, words: Iterable[str]) -> str:
    """Remove these words, however they are spelled or spaced."""
    for word in words:
        letters = [re.escape(each) for each in unaccent(word).casefold() if each.isalnum()]
        if letters:
            password = re.sub(r"[\W_]*".join(letters), "", password)
    return password


def _guesses(password: str, name: str) -> int:
    """Estimate the guesses needed, by 30,000 leaked passwords, words, keyboard patterns, dates, variants."""
    from zxcvbn import zxcvbn  # its lists take 13 MB, needed only for new passwords

    return int(zxcvbn(password[:_JUDGED], user_inputs=[name, areas.place_name(), *_LOCAL])["guesses"])


def is_outdated(stored: str) -> bool:
    return _HASHER.check_needs_rehash(stored)


def hash_again(password: str) -> str:
    """Hash a password that was accepted before with the current parameters, without judging it."""
    with _AT_ONCE:
        return _HASHER.hash(_bytes(password))


def is_password(stored: str | None, password: str) -> bool:
    """Return whether the password matches. stored None: no such person; False after the same work."""
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
