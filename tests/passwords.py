"""What a password's hash costs in tests: a module takes one of these as its `password_cost`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from argon2 import PasswordHasher

from app.security import passwords

_LEAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
# Tests have a handful of passwords, and to judge one takes longer than most of what they show.
_GUESSES_ONCE = cache(passwords._guesses)


@pytest.fixture(scope="module", autouse=True)
def least_cost() -> Iterator[None]:
    """Next to nothing: whoever signs in here is to be in, and nobody guesses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", _LEAST)
        patch.setattr(passwords, "_guesses", _GUESSES_ONCE)
        passwords._nobody.cache_clear()
        yield
    passwords._nobody.cache_clear()


@pytest.fixture(scope="module")
def full_cost() -> None:
    """That of the product, where hashes are what is shown."""
