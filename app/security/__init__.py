"""Authentication and authorization: API keys, users, passwords, sessions, roles and tenant scope."""

from app.security.keys import ApiKeyView, create_key, find_caller, list_keys, revoke_key, rotate_key
from app.security.principal import Caller

__all__ = ["ApiKeyView", "Caller", "create_key", "find_caller", "list_keys", "revoke_key", "rotate_key"]
