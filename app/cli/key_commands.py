"""`loa key`: API keys."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, cast

import typer

from app import security
from app.accounts import service
from app.accounts.service import NewKey
from app.cli.output import Json, done, listing, whoami
from app.cli.remote import asked
from app.core import clock
from app.core.carrier_check import check_own
from app.core.errors import Invalid
from app.security.roles import Role

app = typer.Typer(no_args_is_help=True, help="API keys: shown once, kept as hashes.")

Name = Annotated[str, typer.Argument(help="Who holds the key.")]
_COLUMNS = ("name", "prefix", "role", "carrier", "created_at", "expires_at", "last_used_at", "revoked_at")
_UNITS = {"h": "hours", "d": "days"}


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What its holder may do.")] = Role.ADMIN,
    carrier: Annotated[str | None, typer.Option(help="Whose operator; with --role operator.")] = None,
    expires: Annotated[str | None, typer.Option(help="It ends after so long, as 12h or 90d.")] = None,
) -> None:
    """Create a key and print it, this once."""
    until = None if expires is None else clock.now() + span("expires", expires)
    secret = asked(
        lambda api: api.add_key(name=name, role=cast("Any", role), carrier=carrier, expires_at=until).key,
        lambda db: db.write(service.add_key, NewKey(name, role, carrier, until), whoami()),
        looks=False,
        founds=True,
        check=partial(check_own, carrier=carrier),
    )
    done(secret, name=name, role=role, carrier=carrier, expires_at=until, key=secret)


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option(help="How long the secret before stays good.")] = "24h",
) -> None:
    """Replace a key's secret and print the new one, this once."""
    long = span("overlap", overlap)
    secret = asked(
        lambda api: api.rotate_key(name, overlap_hours=long / timedelta(hours=1)).key,
        lambda db: db.write(service.rotate_key, name, long, whoami()),
        looks=False,
    )
    done(secret, name=name, key=secret)
    if not overlap.startswith("0"):
        typer.echo(f"The secret before stays good for {overlap}; --overlap 0h ends it at once.", err=True)


def span(option: str, value: str) -> timedelta:
    """Parse hours or days; raises Invalid that names the option."""
    found = re.fullmatch(r"(\d{1,5})([hd])", value)
    if found is None:
        raise Invalid(f"--{option} is a number of hours or days, as 24h or 90d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the keys, without their secrets."""
    found = asked(lambda api: api.list_keys(), lambda db: db.read(security.list_keys))
    listing(found, _COLUMNS, as_json)


@app.command()
def revoke(name: Name) -> None:
    """Revoke a key at once."""
    asked(
        lambda api: api.revoke_key(name),
        lambda db: db.write(service.revoke_key, name, whoami()),
        looks=False,
    )
    done(f"The key of {name} is revoked.", name=name, revoked=True)
