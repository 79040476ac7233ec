"""How Python works in a process that stays: measured, and the same for API, worker and all in one."""

from __future__ import annotations

import gc
import resource
import sys

# The loop and the threads of the database hand the interpreter to each other at each statement. Who waits for
# it gets it after this time; the usual 5 ms are longer than most statements take.
_SWITCH_S = 0.0005
# Objects that are made before the youngest are looked at. With 700 a third of the time of a webhook with one
# receipt goes into looking at what is still in use.
_YOUNGEST = 10_000
# More than this no process of Loa needs, and some systems allow a thousand million.
_DESCRIPTORS = 65_536
# While modules are loaded hardly anything becomes garbage.
_LOADING = 50_000


def load() -> None:
    """Call before much is imported: a fifth of that time would go into looking for garbage."""
    gc.set_threshold(_LOADING)


def settle() -> None:
    """Call once all modules are there: what exists now stays, and is not looked at again for garbage."""
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNGEST, 20, 20)
    gc.freeze()


def raise_descriptors() -> None:
    """Allow this process as many descriptors as the system lets it have; the usual 1,024 are soon gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors() -> int:
    """How many this process may have open."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
