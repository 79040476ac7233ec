"""Secrets of second factors at rest, sealed with a key that is not in the database; how long codes live."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.core.config import Settings
from app.core.errors import Conflict, DatabaseUnavailable

if TYPE_CHECKING:  # a command that opens no secret does not wait for what opens them
    from cryptography.fernet import Fernet

NO_KEY = (
    "Second factors are kept sealed, and there is no key for that: set LOA_SECRET_KEY, or a secret file "
    "loa_secret_key, to what `openssl rand -base64 32` prints, and start Loa again."
)
_MARK = "sealed:"


class KeyMissing(DatabaseUnavailable):
    """A second factor was sealed with a key that this process does not have: set secret_key as it was."""

    slug, title = "secret-key-missing", "The key of sealed secrets is missing"


class Vault:
    """Seals a secret for one person: copied to another person's row it opens for nobody.

    keys: the present one first; a secret sealed with any of them opens. open_air: without a key secrets are
    kept as they are, and what is not sealed opens, for development. late_steps: how many half minutes after
    its own a code of a secret is still good.
    """

    def __init__(self, keys: Sequence[str] = (), open_air: bool = False, late_steps: int = 1) -> None:
        self.late_steps = late_steps
        self._keys = [_fernet(key) for key in keys]
        self._open_air = open_air

    def seal(self, person_id: int, secret: str) -> str:
        """What is stored; Conflict where there is no key to seal with."""
        if self._keys:
            return _MARK + self._keys[0].encrypt(f"{person_id}:{secret}".encode()).decode()
        if self._open_air:
            return secret
        raise Conflict(NO_KEY)

    def open(self, person_id: int, stored: str) -> str:
        """The secret; KeyMissing where it was sealed with another key, for another person, or not at all.

        One that is not sealed could have been put there by whoever writes the database.
        """
        if self._open_air and not stored.startswith(_MARK):
            return stored
        from cryptography.fernet import InvalidToken, MultiFernet

        try:
            told = MultiFernet(self._keys).decrypt(stored.removeprefix(_MARK)).decode() if self._keys else ""
        except InvalidToken:
            told = ""
        whose, _, secret = told.partition(":")
        if whose != str(person_id):
            raise KeyMissing(
                "The secret of the second factor can't be opened: set secret_key (after a change also "
                "previous_secret_key) to what it was sealed with, or take the factor away by "
                "`loa user totp NAME --off`."
            )
        return secret

    def is_sealed(self, stored: str) -> bool:
        """Whether it is sealed with the present key; Conflict where there is none."""
        if not self._keys:
            raise Conflict(NO_KEY)
        from cryptography.fernet import InvalidToken

        try:
            self._keys[0].decrypt(stored.removeprefix(_MARK))
        except InvalidToken:
            return False
        return stored.startswith(_MARK)


def _fernet(key: str) -> Fernet:
    from cryptography.fernet import Fernet

    return Fernet(key)


def vault_of(settings: Settings) -> Vault:
    """The vault by the settings' keys."""
    keys = [key.get_secret_value() for key in (settings.secret_key, settings.previous_secret_key) if key]
    return Vault(keys, open_air=settings.environment == "development", late_steps=settings.totp_late_steps)


def signing_keys(settings: Settings) -> tuple[bytes, ...]:
    """What approvals are stamped with: by the present secret_key, and by the one before it."""
    found = [key.get_secret_value() for key in (settings.secret_key, settings.previous_secret_key) if key]
    return tuple(hmac.digest(key.encode(), b"loa approvals 1", "sha256") for key in found)
