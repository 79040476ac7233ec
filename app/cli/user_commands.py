"""`loa user`: people who sign in. Passwords are prompted for or read from stdin, never arguments."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.accounts import people as people  # its operations
from app.accounts import service
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

app = typer.Typer(no_args_is_help=True, help="People who sign in with a password and a second factor.")

Name = Annotated[
    str, typer.Argument(help="As at the sign-in; the account's name, for who decides at the keyboard.")
]


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    carrier: Annotated[str | None, typer.Option(help="Whose operator; with --role operator.")] = None,
) -> None:
    """Add a person who may sign in; the first one too."""
    if common.server is None:
        check_own(config.load(), carrier)
    said = {"name": name, "role": role, "carrier": carrier, "password": _new_password()}
    carried_out("add_user", {}, opens={"founds": True}, **said)
    done(f"{name} may sign in, as {role}.", name=name, role=role, carrier=carrier)
    if common.server is None and (known := config.load()).secret_key is None and role in known.factor_roles:
        typer.echo(f"Before {name} can do more: {NO_KEY}", err=True)


@app.command()
def password(name: Name) -> None:
    """Set a person's password; all sessions of that person end."""
    carried_out("set_user_password", {"name": name}, password=_new_password())
    done(f"The password of {name} is changed.", name=name, changed=True)


@app.command()
def totp(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="Take it away: telephone and codes are lost.")] = False,
    recognised: Annotated[str, typer.Option(help="With --off: how you know that it is the person.")] = "",
    witness: Annotated[str | None, typer.Option(help="With --off: who else has recognised it.")] = None,
) -> None:
    """Set up a person's second factor: show a secret for the app, ask for a code of it."""
    with open_db() as (db, settings):
        who, vault = whoami(), vault_of(settings)
        if off:
            said = checked(AnyLine, "recognised", recognised)
            db.write(service.remove_factor, name, who, said, witness)
            typer.echo(f"{name} signs in without a second factor.")
            return
        secret, uri = db.write(service.enrol, name, who, vault)
        typer.echo(f"Secret, shown this once: {secret}\n{uri}")
        codes = db.write(service.confirm, name, _typed("The code of the app"), who, vault)
    typer.echo("The second factor is set. Recovery codes, shown this once, each good once:")
    for code in codes:
        typer.echo(f"  {code}")


@app.command()
def reseal() -> None:
    """Encrypt secrets of second factors with the present secret_key, after it was set or changed."""
    with open_db() as (db, settings):
        count = db.write(service.reseal, whoami(), vault_of(settings))
    said = counted(count, "secret was", "secrets were")
    done(f"{said} sealed anew; all are sealed with the present key.", sealed=count)


@app.command()
def sign(
    name: Annotated[str | None, typer.Argument(help="This one alone, whatever it bears.")] = None,
) -> None:
    """Sign accounts from before secret_key, or one that `loa doctor` doubts; check it first."""
    with open_db() as (db, _):
        found = db.write(service.sign, whoami(), name)
    words = [f"Stamped: {account}." for account in found] or ["Every account is stamped already."]
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
        raise Invalid(f"{what} is missing. Type it at a terminal, or give it as the first line of stdin.")
    return line


add_operations(app, "user")
