"""Change users, each change with its audit row; for the API, the pages and the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core.errors import Conflict, Invalid
from app.database.connection import keys_of
from app.ledger import approval_digest, opt_out_seal
from app.security import account_stamps, approval_requests, audit, kept_rows, totp, users
from app.security.passwords import hash_password
from app.security.principal import base_name
from app.security.roles import OF_PEOPLE, Role
from app.security.secret_encryption import Vault
from app.security.sessions import end_all
from app.security.users import Person

# The first revisions with stamps on accounts, seals on opt-outs, requests outside the audit, and kept rows.
_STAMPED, _SEALED, _REQUESTS, _KEPT_ROWS = "0025", "0058", "0064", "0079"
_LEAST_SAID, _MOST_SAID = 10, 300


@dataclass(frozen=True, slots=True)
class NewPerson:
    """The user to add; the password is kept apart, so that no repr shows it."""

    name: str
    role: str
    carrier: str | None = None


def add_person(
    connection: Connection, new_person: NewPerson, password: str, who: str, words: Sequence[str] = ()
) -> Person:
    """Add a user. words: those that do not count in a password."""
    return add_hashed(connection, new_person, hash_password(password, new_person.name, words), who)


def add_hashed(connection: Connection, new_person: NewPerson, hashed: str, who: str) -> Person:
    """Add a user whose password is hashed already, which takes too long for a transaction."""
    if new_person.role not in OF_PEOPLE and new_person.role in tuple(Role):
        raise Invalid(
            "The role {role} is for API keys only; users cannot have it.", role=new_person.role, field="role"
        )
    person = users.add(connection, new_person.name, new_person.role, new_person.carrier, hashed, who)
    subject = f"person/{new_person.name}"
    audit.note(connection, who, "person.add", subject, role=new_person.role, carrier=new_person.carrier)
    return person


def disable_person(connection: Connection, name: str, who: str) -> Person:
    users.disable(connection, name)
    audit.note(connection, who, "person.disable", f"person/{name}")
    return users.get(connection, name)


def set_password(
    connection: Connection, name: str, password: str, who: str, words: Sequence[str] = ()
) -> None:
    set_hashed(connection, name, hash_password(password, name, words), who)


def set_hashed(connection: Connection, name: str, hashed: str, who: str) -> None:
    users.set_password(connection, name, hashed, who)
    audit.note(connection, who, "person.password", f"person/{name}")


def check_no_factor(connection: Connection, name: str) -> None:
    """Raise Conflict if a second factor is set: it has to be removed first."""
    totp.check_none(users.row_of(connection, name))


def enrol(connection: Connection, name: str, who: str, vault: Vault) -> tuple[str, str]:
    """Return a secret for the second factor and its otpauth URI, both shown only once."""
    secret = totp.enrol(connection, users.genuine(connection, users.row_of(connection, name)), vault)
    audit.note(connection, who, "person.factor.ask", f"person/{name}")
    return secret, totp.uri(secret, name)


def confirm(
    connection: Connection, name: str, code: str, who: str, vault: Vault, keep: str = ""
) -> list[str]:
    """Enable the second factor; return recovery codes, shown only once. Ends all sessions but `keep`."""
    person = users.genuine(connection, users.row_of(connection, name))
    codes = totp.confirm(connection, person, code, vault)
    end_all(connection, person.id, keep)
    audit.note(connection, who, "person.factor.set", f"person/{name}")
    return codes


def remove_factor(
    connection: Connection, name: str, who: str, recognised: str, witness: str | None = None
) -> None:
    """Remove the second factor and end all sessions: for a lost phone and lost codes.

    recognised: how it was verified that the user itself asks; witness: who else has verified that.
    """
    person = users.genuine(connection, users.row_of(connection, name)).id
    recognised = recognised.strip()
    if not _LEAST_SAID <= len(recognised) <= _MOST_SAID:
        raise Invalid(
            "--recognised is required: how did you verify {name}'s identity? ({least} to {most} "
            'characters, for example: "in person, ID shown")',
            least=_LEAST_SAID,
            most=_MOST_SAID,
            name=name,
            field="recognised",
        )
    _check_witness(connection, name, who, witness)
    totp.remove(connection, person)
    end_all(connection, person)
    said = {"recognised": recognised, "witness": witness}
    audit.note(connection, who, "person.factor.remove", f"person/{name}", **said)


def _check_witness(connection: Connection, name: str, who: str, witness: str | None) -> None:
    """Raise Invalid unless another active user is named; none is needed if there is no other."""
    here = {each.name for each in users.everybody(connection) if each.disabled_at is None}
    others = here - {name, base_name(who)}
    if witness not in others and (witness is not None or others):
        raise Invalid(
            "--witness is required: name a second user who has also verified {name}'s identity. It "
            "cannot be {name} or you.",
            name=name,
            field="witness",
        )


def end_sessions(
    connection: Connection, name: str, who: str, keep: str = "", only: Collection[int] | None = None
) -> None:
    """End all sessions of a user, or `only` some; keep: the token of a session that stays."""
    ended = end_all(connection, users.row_of(connection, name).id, keep, only)
    if ended:
        audit.note(connection, who, "person.sessions.end", f"person/{name}", ended=ended)


def adopt(connection: Connection, before: str) -> None:
    """Stamp existing rows with the present key, in the migrations that introduce stamps.

    before: the revision that the database had.
    """
    if before < _STAMPED:
        audit.adopt(connection)
        account_stamps.adopt(connection)
        approval_digest.bind_open(connection)
    if before < _SEALED:
        opt_out_seal.adopt(connection)
    if before < _REQUESTS:
        approval_requests.adopt(connection)
    if before < _KEPT_ROWS:
        kept_rows.adopt(connection)


def sign(connection: Connection, who: str, name: str | None = None) -> list[str]:
    """Stamp accounts without a stamp, or a named one whatever its stamp, once a person has checked them."""
    if not keys_of(connection):
        raise Conflict("There is no key to sign with. Set secret_key.")
    found = account_stamps.adopt(connection, name)
    if found:
        audit.note(connection, who, "person.sign", "people", accounts=found)
    return found


def reseal(connection: Connection, who: str, vault: Vault) -> int:
    """Seal factors, approvals, audit and accounts of the previous key by the present one; return how many."""
    count = opt_out_seal.renew(connection)  # lists are locked before the audit's chain
    count += totp.reseal(connection, vault) + approval_digest.restamp(connection) + audit.reseal(connection)
    count += account_stamps.renew(connection) + approval_requests.restamp(connection)
    if count:
        audit.note(connection, who, "person.factor.reseal", "people", count=count)
    return count
