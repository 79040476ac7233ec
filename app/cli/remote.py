"""`loa --server URL`: commands over another machine's API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from app.cli import common
from app.cli.common import open_db
from app.core.errors import Invalid
from app.database.connection import Database

if TYPE_CHECKING:  # slow to import, and not needed for local commands
    from app.cli.client import ApiClient

T = TypeVar("T")

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


def asked(there: Callable[[ApiClient], T], here: Callable[[Database], T], *, looks: bool = True) -> T:
    """Ask the server of --server, else the database of the settings."""
    if common.server is not None:
        with client(common.server) as api:
            return there(api)
    with open_db(looks=looks) as (db, _):
        return here(db)


def at_server(ask: Callable[[ApiClient], T]) -> T:
    """Ask the server of --server, which there is."""
    with client(common.server or "") as api:
        return ask(api)


@contextmanager
def client(server: str) -> Iterator[ApiClient]:
    from app.cli.client import ApiClient

    with ApiClient(server, _key()) as api:
        yield api


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
