"""Who calls, and what that caller may do: keys, people with passwords and sessions, roles, ownership."""

from app.auth.caller import Caller
from app.auth.keys import Key, create_key, find_caller, list_keys, revoke_key, rotate_key

__all__ = ["Caller", "Key", "create_key", "find_caller", "list_keys", "revoke_key", "rotate_key"]
