"""Find what PostgreSQL lets writers wait for, which no error shows: a standby, a lock, a disk, read-only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, Row

WAITS_AFTER_S = 5.0  # a write that waits so long stands still
WRITER = "loa-write"  # application_name of writers, so that others can wait for their transactions

# A long statement that works is none of these.
_WAITING = f"""
    SELECT pid, wait_event_type AS kind, coalesce(wait_event, '') AS event,
           extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = '{WRITER}' AND state = 'active'
       AND query_start < clock_timestamp() - interval '{WAITS_AFTER_S} s'
       AND (wait_event_type = 'Lock' OR upper(query) = 'COMMIT')
     ORDER BY wait_event_type = 'Lock', query_start
"""  # noqa: S608 - constants of ours
# Behind a writer of ours that works one waits as long as that takes, and it shows by itself if it waits.
_HOLDERS = f"""
    SELECT pid, usename AS account, application_name AS program,
           coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS seconds
      FROM pg_stat_activity
     WHERE pid = ANY(pg_blocking_pids(%(pid)s)) AND application_name <> '{WRITER}'
     ORDER BY xact_start LIMIT 1
"""  # noqa: S608 - a constant of ours; the number is bound
# Accounts without pg_monitor see of a standby's sender its pid and its name alone.
_STANDBYS = """
    SELECT DISTINCT a.application_name FROM pg_stat_replication r JOIN pg_stat_activity a USING (pid)
     ORDER BY a.application_name
"""


@dataclass(frozen=True, slots=True)
class ServerWait:
    """What a write waits for; said: a sentence with its remedy. commits: no commit at all ends now."""

    said: str
    seconds: float
    commits: bool = True

    @property
    def sentence(self) -> str:
        return self.said or f"A write has waited {self.seconds:.0f} s for the database."


def waited_for(connection: Connection) -> ServerWait | None:
    """Return what writers of this database, of any process, have waited for long; None if nothing."""
    if connection.dialect.name == "sqlite":
        return None
    for row in connection.exec_driver_sql(_WAITING).all():
        if found := _described(connection, row):
            return found
    return None


def _described(connection: Connection, row: Row[tuple[object, ...]]) -> ServerWait | None:
    seconds = float(row.seconds)
    if row.kind == "Lock":
        holder = connection.exec_driver_sql(_HOLDERS, {"pid": row.pid}).first()
        if holder is None:
            return None
        words = (
            f"A write has waited {seconds:.0f} s for a lock that another program holds: process {holder.pid} "
            f"of PostgreSQL, account {holder.account}, program “{holder.program}”, in a transaction for "
            f"{holder.seconds:.0f} s. End that transaction, or SELECT pg_terminate_backend({holder.pid})."
        )
        return ServerWait(words, seconds, commits=False)
    if row.event == "SyncRep":
        words = f"A commit has waited {seconds:.0f} s for a synchronous standby. {_standbys(connection)}"
        return ServerWait(words, seconds)
    event = f"{row.kind}: {row.event}" if row.kind else "no wait event"
    words = f"A commit has waited {seconds:.0f} s for PostgreSQL ({event}). Check the server's disks and log."
    return ServerWait(words, seconds)


def _standbys(connection: Connection) -> str:
    names, connected = _named_and_connected(connection)
    return (
        f"synchronous_standby_names is “{names}”; standbys connected: {', '.join(connected) or 'none'}. "
        "Start the missing one, or take it off synchronous_standby_names and reload PostgreSQL's settings."
    )


def _named_and_connected(connection: Connection) -> tuple[str, list[str]]:
    names = str(connection.exec_driver_sql("SHOW synchronous_standby_names").scalar_one())
    return names, list(connection.exec_driver_sql(_STANDBYS).scalars())


def takes_changes(connection: Connection) -> bool:
    """Return whether writes go through now, as far as this process or the server can tell."""
    is_away = connection.get_execution_options().get("loa_is_away", lambda: False)
    return not (is_away() or no_writes(connection) or waited_for(connection))


def no_writes(connection: Connection) -> str:
    """Return why this server takes no writes whoever asks, though it answers; "" if it does."""
    if connection.dialect.name == "sqlite":
        return ""
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar():
        return "PostgreSQL is a standby here and takes no changes. Promote it, or connect to the primary."
    return ""


def missing_standby(connection: Connection) -> str:
    """Return that commits would wait for a synchronous standby, though nobody writes now; "" otherwise."""
    names, connected = _named_and_connected(connection)
    named = {name.strip('"').lower() for name in re.findall(r'"[^"]+"|[^\s,()]+', names)}
    if not names or named & {name.lower() for name in connected} or ("*" in named and connected):
        return ""
    return f"No synchronous standby is connected, so no commit is confirmed. {_standbys(connection)}"
