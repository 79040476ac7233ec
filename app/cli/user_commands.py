"""`loa user`: people who sign in. Passwords are prompted for or read from stdin, never arguments."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.accounts import people, service
from app.api.bodies import AnyLine, checked
from app.cli import common
from app.cli.common import open_db
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import counted, done, whoami
from app.core import config
from app.core.carrier_check import check_own
from app.core.errors import Invalid
from app.security.roles import Role
from app.security.secret_encryption import NO_KEY, vault_of

app = typer.Typer(no_args_is_help=True, help=("Users who sign in with a password and a second factor."))

Name = Annotated[
    str,
    typer.Argument(
        help=("The name used to sign in; for people who approve on the host, the name of their account.")
    ),
]


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the user may do.")],
    carrier: Annotated[str | None, typer.Option(help="The operator's carrier; with --role operator.")] = None,
) -> None:
    """Add a user who can sign in, including the first one."""
    if common.server is None:
        check_own(config.load(), carrier)
    said = {"name": name, "role": role, "carrier": carrier, "password": _new_password()}
    carried_out(people.add_user, {}, opens={"founds": True}, **said)
    done(f"{name} can sign in as {role}.", name=name, role=role, carrier=carrier)
    if common.server is None and (known := config.load()).secret_key is None and role in known.factor_roles:
        typer.echo(f"Before {name} can do more: {NO_KEY}", err=True)


@app.command()
def password(name: Name) -> None:
    """Set a user's password. All their sessions end."""
    carried_out(people.set_user_password, {"name": name}, password=_new_password())
    done(f"The password of {name} was changed.", name=name, changed=True)


@app.command()
def totp(
    name: Name,
    off: Annotated[
        bool,
        typer.Option("--off", help="Remove the second factor because phone and recovery codes are lost."),
    ] = False,
    recognised: Annotated[str, typer.Option(help="With --off: how you verified the user's identity.")] = "",
    witness: Annotated[str | None, typer.Option(help="With --off: the second user who verified it.")] = None,
) -> None:
    """Set up a user's second factor: show a secret for the app, then ask for a code."""
    with open_db() as (db, settings):
        who, vault = whoami(), vault_of(settings)
        if off:
            said = checked(AnyLine, "recognised", recognised)
            db.write(service.remove_factor, name, who, said, witness)
            typer.echo(f"{name} now signs in without a second factor.")
            return
        secret, uri = db.write(service.enrol, name, who, vault)
        typer.echo(f"Secret, shown only once: {secret}\n{uri}")
        codes = db.write(service.confirm, name, _typed("The code of the app"), who, vault)
    typer.echo("The second factor is set up. Recovery codes, shown only once, each valid once:")
    for code in codes:
        typer.echo(f"  {code}")


@app.command()
def reseal() -> None:
    """Encrypt second-factor secrets with the current secret_key, after it was set or changed."""
    with open_db() as (db, settings):
        count = db.write(service.reseal, whoami(), vault_of(settings))
    said = counted(count, "secret was", "secrets were")
    done(f"{said} re-encrypted; all are now encrypted with the current key.", sealed=count)


@app.command()
def sign(
    name: Annotated[
        str | None, typer.Argument(help="Only this account, even if it has a wrong signature.")
    ] = None,
) -> None:
    """Sign accounts created before secret_key was set, or one that `loa doctor` reports. Check it
    first."""
    with open_db() as (db, _):
        found = db.write(service.sign, whoami(), name)
    words = [f"Signed: {account}." for account in found] or ["Every account is already signed."]
    done("\n".join(words), stamped=found)


def _new_password() -> str:
    """Prompt twice without echo, or read the first line of stdin without a terminal."""
    if sys.stdin.isatty():
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True))
    return _typed("The new password")


def _typed(what: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise Invalid(
            "{what} is missing. Type it at a terminal or provide it as the first line of standard input.",
            what=what,
        )
    return line


add_operations(app, "user", people)
