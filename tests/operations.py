"""Operations as tests carry them out: by their name, as the account of a host does."""

from __future__ import annotations

from typing import Any

from app.core.config import Settings
from app.database.connection import Database
from app.operations import OPERATIONS
from app.runtime import api_app
from app.security.principal import Caller
from app.security.roles import Role

__all__ = ["OPERATIONS", "api_app", "carry_out"]  # the application declares them


def carry_out(db: Database, name: str, who: str = "operator", **arguments: Any) -> Any:
    """Carry out an operation in a transaction of its own."""
    return OPERATIONS[name].run(db, Settings(), Caller(who, Role.ADMIN, person=True), **arguments)
