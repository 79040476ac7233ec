"""`loa --server URL`: commands over another machine's API."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from app.cli import common
from app.cli.common import open_db
from app.core.errors import AppError, Invalid
from app.core.states import BatchState
from app.database.connection import Database

if TYPE_CHECKING:  # slow to import, and not needed for local commands
    from loa_client import LoaClient, LoaError

T = TypeVar("T")

_EVERY_S = 0.5

_NO_KEY = (
    "--server needs an API key in LOA_KEY, or the name of a file with one in LOA_KEY_FILE: on the command "
    "line other users of this machine could read it. `loa key add NAME` on the server makes one."
)


def choose(server: str | None) -> None:
    """Direct this process's commands to a server, or with None to the local database."""
    if server is not None and not server.startswith(("http://", "https://")):
        raise Invalid("--server is an address such as https://loa.example.vn.")
    if server is not None and server.startswith("http://"):
        from app.runtime.transport_security import is_here

        if not is_here(urlsplit(server).hostname or ""):
            raise Invalid(
                "--server by plain HTTP would show your key to everybody on the way: write https://, or go "
                "to 127.0.0.1 through a tunnel of your own."
            )
    common.server = server


class RequestRefused(AppError):
    """What the server answered, or that it did not, in its words."""

    def __init__(self, error: LoaError) -> None:
        super().__init__(str(error), faults=getattr(error, "errors", ()))
        self.status = getattr(error, "status", self.status)
        self.slug, self.title = getattr(error, "slug", self.slug), getattr(error, "title", self.title)


def asked(
    there: Callable[[LoaClient], Any], here: Callable[[Database], T], *, looks: bool = True, **opens: Any
) -> T:
    """Ask the server of --server, else the database of the settings, opened by `open_db`.

    there: returns what has the same fields as what `here` returns, in types of loa_client.
    """
    if common.server is not None:
        answer: T = at_server(there)
        return answer
    with open_db(looks=looks, **opens) as (db, _):
        return here(db)


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


def imported(found: Any, look: Callable[[int], Any]) -> Any:
    """Wait until an uploaded file is imported; raise Invalid if it can't be."""
    while found.state == BatchState.IMPORTING:
        time.sleep(_EVERY_S)
        found = look(found.id)
    if found.state == BatchState.FAILED:
        raise Invalid(found.error or "The import failed.")
    return found


def _key() -> str:
    if key := os.environ.get("LOA_KEY", "").strip():
        return key
    file = os.environ.get("LOA_KEY_FILE")
    if not file:
        raise Invalid(_NO_KEY)
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"The key in {file} can't be read: {error}.") from None
