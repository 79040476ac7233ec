"""Encryption of second-factor secrets at rest, with a key outside the database."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.core.config import Settings
from app.core.errors import Conflict, DatabaseUnavailable

if TYPE_CHECKING:  # imported late, because most commands decrypt nothing
    from cryptography.fernet import Fernet

NO_KEY = (
    "Second factors are stored encrypted, but there is no key. Set LOA_SECRET_KEY, or a secret "
    "file loa_secret_key, to the output of `openssl rand -base64 32` and restart Loa."
)
_MARK = "sealed:"


class KeyMissing(DatabaseUnavailable):
    """The second factor's secret was encrypted with a key that this process does not have.

    `secret_key` is missing or different. Recovery codes still work.
    """

    slug, title = "secret-key-missing", "The key of sealed secrets is missing"


class Vault:
    """Encrypt secrets for one person each; copied to another person's row they do not decrypt.

    keys: the current one first; secrets made with any of them decrypt. open_air: for development, accept
    plain secrets, and store them if there is no key. late_steps: half minutes that a code stays valid late.
    """

    def __init__(self, keys: Sequence[str] = (), open_air: bool = False, late_steps: int = 1) -> None:
        self.late_steps = late_steps
        self._keys = [_fernet(key) for key in keys]
        self._open_air = open_air

    def seal(self, person_id: int, secret: str) -> str:
        """Return what to store; Conflict if there is no key."""
        if self._keys:
            return _MARK + self._keys[0].encrypt(f"{person_id}:{secret}".encode()).decode()
        if self._open_air:
            return secret
        raise Conflict(NO_KEY)

    def open(self, person_id: int, stored: str) -> str:
        """Return the secret; KeyMissing if it was made with another key, for another person, or is plain.

        A plain one could have been inserted by someone with write access to the database.
        """
        if self._open_air and not stored.startswith(_MARK):
            return stored
        from cryptography.fernet import InvalidToken, MultiFernet

        try:
            plain = MultiFernet(self._keys).decrypt(stored.removeprefix(_MARK)).decode() if self._keys else ""
        except InvalidToken:
            plain = ""
        whose, _, secret = plain.partition(":")
        if whose != str(person_id):
            raise KeyMissing(
                "The secret of the second factor cannot be decrypted. Set secret_key (and "
                "previous_secret_key after a change) to the key that it was encrypted with, or "
                "remove the factor with `loa user totp NAME --off`."
            )
        return secret

    def is_sealed(self, stored: str) -> bool:
        """Return whether it is encrypted with the current key; Conflict if there is none."""
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
    keys = [key.get_secret_value() for key in (settings.secret_key, settings.previous_secret_key) if key]
    return Vault(keys, open_air=settings.environment == "development", late_steps=settings.totp_late_steps)


def signing_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys for row stamps, derived from the current secret_key and the previous one."""
    found = [key.get_secret_value() for key in (settings.secret_key, settings.previous_secret_key) if key]
    return tuple(hmac.digest(key.encode(), b"loa approvals 1", "sha256") for key in found)
