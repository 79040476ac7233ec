"""SQL is compiled once in a process of tests, not anew for each of the hundreds of databases that it opens.

An engine keeps what it has compiled, and each test has an engine of its own: a fifth of the processor time of
all tests went into compiling the same statements again. What is compiled depends on the kind of database, its
driver and the server's version, which are the key here in place of the engine's own dialect.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.util import LRUCache

_MOST = 4000  # statements; all tests of one process have fewer


class _Compiled:
    """What SQLAlchemy asks of the execution option `compiled_cache`: `get` and `[]`."""

    def __init__(self) -> None:
        self._held: LRUCache[Any, Any] = LRUCache(_MOST)

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._held.get(_of_kind(key))

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._held[_of_kind(key)] = compiled


def _of_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return SQLAlchemy's key with the kind of its dialect, which comes first, in place of the dialect."""
    dialect: Dialect = key[0]
    return (type(dialect), dialect.server_version_info, *key[1:])


def configure() -> None:
    """Let every engine that app/database/connection.py makes from now on share what is compiled."""
    event.listen(Engine, "set_engine_execution_options", _share)


_ALL = _Compiled()


def _share(_: Engine, options: dict[str, Any]) -> None:
    options.setdefault("compiled_cache", _ALL)
