"""`loa key`: what makes secrets and takes spans of time; the rest are operations."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Annotated

import typer

from app.accounts import keys
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import done
from app.core import clock
from app.core.carrier_check import check_own
from app.core.errors import Invalid
from app.security.roles import Role

app = typer.Typer(no_args_is_help=True, help="API keys: shown once, kept as hashes.")

Name = Annotated[str, typer.Argument(help="The name of the key.")]
_UNITS = {"h": "hours", "d": "days"}


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the key may do.")] = Role.ADMIN,
    carrier: Annotated[str | None, typer.Option(help="The operator's carrier; with --role operator.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="Expires after this time, for example 12h or 90d.")
    ] = None,
) -> None:
    """Create a key and print it. It is shown only once."""
    until = None if expires is None else clock.now() + span("expires", expires)
    facts = {"name": name, "role": role, "carrier": carrier, "expires_at": until}
    opens = {"founds": True, "check": partial(check_own, carrier=carrier)}
    secret = carried_out(keys.add_key, {}, opens=opens, **facts).key
    done(secret, **facts, key=secret)


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option(help="How long the previous secret stays valid.")] = "24h",
) -> None:
    """Replace a key's secret and print the new one. It is shown only once."""
    hours = span("overlap", overlap) / timedelta(hours=1)
    secret = carried_out(keys.rotate_key, {"name": name}, overlap_hours=hours).key
    done(secret, name=name, key=secret)
    if not overlap.startswith("0"):
        typer.echo(
            f"The previous secret stays valid for {overlap}. Use --overlap 0h to end it immediately.",
            err=True,
        )


def span(option: str, value: str) -> timedelta:
    """Parse hours or days; raises Invalid that names the option."""
    found = re.fullmatch(r"(\d{1,5})([hd])", value)
    if found is None:
        raise Invalid("--{option} must be a number of hours or days, for example 24h or 90d.", option=option)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


add_operations(app, "key", keys)
