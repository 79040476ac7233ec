"""`python -m tests.drill.fault_injected up | serve | worker`: `loa` with injected database faults."""

from __future__ import annotations

import sys

import typer

from app.cli.serve_command import MAINS, run
from app.core.errors import AppError
from app.observability.logs import mask_text
from tests.drill.fault_injection import FaultInjectingDatabase


def main(name: str) -> None:
    """Run `loa NAME` until it is stopped, or killed by an injected fault."""
    try:
        run(MAINS[name], None if name == "up" else name, FaultInjectingDatabase)
    except AppError as error:
        typer.echo(f"loa: {mask_text(error.detail)}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(sys.argv[1])
