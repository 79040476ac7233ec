"""The user of the command line: the operating system's account, with its role in Loa."""

from __future__ import annotations

from sqlalchemy import Connection

from app.cli.output import account, is_mapped, whoami
from app.core.errors import Forbidden
from app.security import users
from app.security.principal import Caller
from app.security.roles import Role, may


def decider(connection: Connection, operation: str) -> Caller:
    """Return the caller; once users exist, raises Forbidden unless one of that name may do the operation.

    Whoever has a shell with the database could change it anyway. The name comes from the uid, which only the
    system's administrator can lend, so nobody can sign for another by a variable or option. In a user
    namespace anybody can take any uid, so decisions are refused there.
    """
    if not users.any_known(connection):
        return Caller(whoami(), Role.ADMIN, person=True)
    if is_mapped():
        raise Forbidden(
            "This process runs in a user namespace, where anybody can take anybody's number: who you are "
            "can't be told. Decide over the API or the pages, or run the command outside of it."
        )
    row = users.find_row(connection, account())
    if row is None or row.disabled_at is not None or not may(row.role, operation):
        raise Forbidden(
            f"Your account {account()} is no person of Loa who may do this. Use the account of one who may; "
            "`loa user list` shows them."
        )
    users.genuine(connection, row)
    return Caller(whoami(), row.role, row.carrier, person=True)
