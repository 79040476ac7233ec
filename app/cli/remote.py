"""`loa --server URL`: commands over another machine's API."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from app.cli import common
from app.cli.common import open_db
from app.core.carrier_check import check_filter
from app.core.errors import AppError, Invalid
from app.core.states import BatchState
from app.database.connection import Database

if TYPE_CHECKING:  # slow to import, and not needed for local commands
    from loa_client import LoaClient, LoaError

T = TypeVar("T")

_EVERY_S = 0.5
_VISIBLE = re.compile("[!-~]+")

_NO_KEY = (
    "--server needs an API key in LOA_KEY, or the name of a file with one in LOA_KEY_FILE: on the command "
    "line other users of this machine could read it. `loa key add NAME` on the server makes one."
)


def choose(server: str | None) -> None:
    """Direct this process's commands to a server, or with None to the local database."""
    if server is not None and _host(server) is None:
        raise Invalid(
            "--server must be an address such as https://loa.example.vn or "
            "https://loa.example.vn:8443: ASCII letters, no spaces, nothing after ? or #."
        )
    if server is not None and urlsplit(server).scheme == "http":
        from app.runtime.transport_security import is_here

        if not is_here(_host(server) or ""):
            raise Invalid(
                "--server over plain HTTP would expose your key to everyone on the network. Use "
                "https://, or connect to 127.0.0.1 through a tunnel."
            )
    common.server = server


def _host(server: str) -> str | None:
    """Return the host of a server's address, in small letters; None if this is no such address."""
    try:
        parts = urlsplit(server)
        whole = bool(_VISIBLE.fullmatch(server)) and parts.scheme in ("http", "https") and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # brackets without an IPv6 address, a port that is none, an empty or long name
        return None
    return parts.hostname if whole and not set("?#\\") & set(server) else None


class RequestRefused(AppError):
    """What the server answered, or that it did not, in its words."""

    def __init__(self, error: LoaError) -> None:
        super().__init__(str(error), faults=getattr(error, "errors", ()))
        self.status = getattr(error, "status", self.status)
        self.maybe_done = getattr(error, "maybe_done", False)
        self.slug, self.title = getattr(error, "slug", self.slug), getattr(error, "title", self.title)


def asked(
    there: Callable[[LoaClient], Any],
    here: Callable[[Database], T],
    *,
    looks: bool = True,
    listed: str | None = None,
    **opens: Any,
) -> T:
    """Ask the server of --server, else the database of the settings, opened by `open_db`.

    there: returns what has the same fields as what `here` returns, in types of loa_client. listed: the
    carrier whose rows a list has, refused like a server does if nothing is known of it.
    """
    if common.server is not None:
        answer: T = at_server(there)
        return answer
    with open_db(looks=looks, **opens) as (db, settings):
        found = here(db)
    if listed is not None:
        check_filter(settings, listed, cast("Sized", found))
    return found


def at_server(ask: Callable[[LoaClient], Any]) -> Any:
    """Ask the server of --server, which there is."""
    with client() as api:
        return ask(api)


@contextmanager
def client() -> Iterator[LoaClient]:
    """Give a client of the server of --server; its errors become those of commands."""
    from loa_client import LoaClient, LoaError

    with LoaClient(common.server or "", _key()) as api:
        try:
            yield api
        except LoaError as error:
            raise RequestRefused(error) from None


def imported(batch: Any, look: Callable[[int], Any]) -> Any:
    """Wait until an uploaded file is imported; raise Invalid if it can't be."""
    while batch.state == BatchState.IMPORTING:
        time.sleep(_EVERY_S)
        batch = look(batch.id)
    if batch.state == BatchState.FAILED:
        raise Invalid(batch.error or "The import failed.")
    return batch


def _key() -> str:
    if key := os.environ.get("LOA_KEY", "").strip():
        return _checked(key, "LOA_KEY")
    file = os.environ.get("LOA_KEY_FILE")
    if not file:
        raise Invalid(_NO_KEY)
    try:
        return _checked(Path(file).read_text(encoding="utf-8-sig").strip(), file)
    except UnicodeDecodeError:
        raise Invalid("Cannot read the key in {file}: the file is not UTF-8 text.", file=file) from None
    except OSError as error:
        raise Invalid("Cannot read the key in {file}: {error}.", file=file, error=error) from None


def _checked(key: str, place: str) -> str:
    if not _VISIBLE.fullmatch(key):
        raise Invalid(
            "{place} does not contain a valid key. A key is one line of letters, digits, - and _, "
            "as printed by `loa key add`. Copy it again without spaces, line breaks or other marks.",
            place=place,
        )
    return key
