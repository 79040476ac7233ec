"""`loa signing-key`: makes a key pair; the rest are operations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import refuse_server
from app.cli.operation_commands import add_operations
from app.cli.output import done
from app.core.errors import Invalid
from app.signed_orders import keys, loa_carrier

app = typer.Typer(no_args_is_help=True, help="Keys that sign orders and results: register, approve, revoke.")


@app.command()
def new(
    out: Annotated[Path, typer.Argument(help="File for the private key; FILE.jwk is the public one.")],
    carrier: Annotated[
        str, typer.Option(help="At a carrier: its code, such as vnpt. Default: the agency.")
    ] = loa_carrier.AGENCY,
) -> None:
    """Make a key pair: the private key for the secret file loa_order_key, the public one to register."""
    refuse_server()
    pem, public = loa_carrier.new_pair(carrier)
    known = loa_carrier.parse(public)["kid"]
    try:
        for path, content in ((out, pem), (Path(f"{out}.jwk"), public)):
            with path.open("xb") as file:  # for this account alone, by the command line's umask
                file.write(content)
    except FileExistsError as error:
        raise Invalid("{filename} exists already; name another file.", filename=error.filename) from None
    spoken = loa_carrier.fingerprint(known)
    said = f"Wrote {out}, which is private, and {out}.jwk. The fingerprint of {known}: {spoken}"
    done(said, file=out, kid=known, fingerprint=spoken)


add_operations(app, "signing-key", keys)
