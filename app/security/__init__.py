"""Who calls, and what that caller may do: keys, people with passwords and sessions, roles, ownership."""

from app.security.keys import ApiKeyView, create_key, find_caller, list_keys, revoke_key, rotate_key
from app.security.principal import Caller

__all__ = ["ApiKeyView", "Caller", "create_key", "find_caller", "list_keys", "revoke_key", "rotate_key"]
