"""The command line: `loa NOUN VERB`, all listed in command_list.py, from files here and from operations."""

from __future__ import annotations

import json
import os
import re
import sys
from errno import EADDRINUSE, EADDRNOTAVAIL, EDQUOT, EFBIG, EISDIR, ELOOP, ENAMETOOLONG, ENOSPC
from typing import Annotated, Any, NoReturn

import typer

from app.cli.command_list import Commands
from app.core import gc_tuning
from app.core.clock import Unreal
from app.core.errors import AppError, Invalid

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PORT = "stop the program that listens there, or choose another address or port"
_FULL = "free some space on that disk, or name a file on another one"
_REMEDIES = {
    **dict.fromkeys((EADDRINUSE, EADDRNOTAVAIL), _PORT),
    **dict.fromkeys((ENOSPC, EDQUOT), _FULL),
    EFBIG: "this account cannot write files of that size (ulimit -f)",
    EISDIR: "name a file in this folder",
    ELOOP: "the link points to itself; name a file",
    ENAMETOOLONG: "choose a shorter name",
}
# Where a sentence names an address of the API and the command that does the same: the command is enough here.
_ADDRESS = re.compile(r"GET /v1/\S+ (?:or|and) (?=`loa )")
_WrongUse: Any = typer.BadParameter.__base__  # whatever is typed wrong


def _say_version(enabled: bool) -> None:
    if enabled:
        from importlib.metadata import version  # only needed here

        typer.echo(f"Loa {version('loa')}")
        raise typer.Exit


@app.callback()
def loa(
    server: Annotated[
        str | None,
        typer.Option(
            envvar="LOA_SERVER",
            metavar="URL",
            help=(
                "Use the Loa at this address instead of the local database; "
                "the key comes from LOA_KEY or LOA_KEY_FILE."
            ),
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Show the version of Loa.")
    ] = False,
) -> None:
    """Bulk SMS awareness broadcast: one approved text, every subscriber once, a report that adds up."""
    if server is not None:
        from app.cli import remote  # slow to import, and not needed for local commands

        remote.choose(server)


def main() -> None:
    """Run a command; an error prints one sentence on stderr and gives exit status 1, wrong use 2.

    Under --json the error is JSON as well, with the fields of an answer of the API.
    """
    os.umask(0o077)  # written files hold phone numbers, so keep other accounts of the host out
    gc_tuning.load()
    as_json = "--json" in sys.argv[1:]
    try:
        _check_encoding(sys.argv[1:])
        status = app(prog_name="loa", standalone_mode=not as_json)
        raise SystemExit(status or 0)
    except SystemExit as ended:
        raise SystemExit(_say_stopped(ended.code)) from None
    except AppError as error:
        _fail(error, as_json)
    except Unreal as error:
        _fail(Invalid(str(error)), as_json)
    except OSError as error:  # such as a file for --out in a folder that is not there
        where = f"{error.filename} cannot be read or written" if error.filename else "The system refused"
        remedy = _REMEDIES.get(error.errno or 0, "name a file or folder that this account can use")
        _fail(
            Invalid("{where} ({strerror}); {remedy}.", where=where, strerror=error.strerror, remedy=remedy),
            as_json,
        )
    except _WrongUse as error:
        _fail(Invalid(error.format_message()), as_json, error.exit_code)


_INTERRUPTED = 130


def _say_stopped(status: Any) -> Any:
    """Return the exit status; after Ctrl-C, say that the command was stopped."""
    if status == _INTERRUPTED:
        typer.echo("\nloa: Stopped by Ctrl-C. What was stored before stays; the rest was not done.", err=True)
    return status


def _check_encoding(words: list[str]) -> None:
    """Raise Invalid for bytes that are not UTF-8: no database takes them, and no terminal shows them."""
    for number, word in enumerate(words, 1):
        if not word.isascii() and any("\ud800" <= each <= "\udfff" for each in word):
            raise Invalid(
                "Argument {number} is not UTF-8. Type it again, or set a UTF-8 locale and rename the file.",
                number=number,
            )


def _fail(error: AppError, as_json: bool, status: int = 1) -> NoReturn:
    from app.core.masking import escaped
    from app.observability.logs import mask_sentence, mask_text  # only needed on failure

    detail = _ADDRESS.sub("", mask_sentence(error.detail)) + (
        f" ({mask_text(error.cause)})" if error.cause else ""
    )
    if as_json:
        faults = [{"field": field, "detail": mask_sentence(sentence)} for field, sentence in error.faults]
        problem = {"type": error.slug, "title": error.title, "detail": detail}
        typer.echo(json.dumps(problem | {"errors": faults}, ensure_ascii=False), err=True)
    else:
        lines = detail.split("\n")
        typer.echo("\n".join(map(escaped, [f"loa: {lines[0]}", *lines[1:]])), err=True)
    raise SystemExit(status) from None
