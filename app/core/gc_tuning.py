"""Interpreter and garbage collector settings, by measurement, for all long-running processes."""

from __future__ import annotations

import gc
import resource
import sys

# The event loop and the database threads hand the interpreter to each other at each statement. A waiting
# thread gets it after this time; the default of 5 ms is longer than most statements take.
_SWITCH_S = 0.0005
# New objects before a collection of the youngest generation. With the default of 700, a webhook with one
# receipt spends a third of its time there.
_YOUNGEST = 10_000
# No process of Loa needs more, and some systems allow a thousand million.
_DESCRIPTORS = 65_536
# Loading modules creates hardly any garbage, and each collection looks at all that was loaded: the least
# command makes 300,000 objects.
_LOADING = 500_000


def load() -> None:
    """Tune garbage collection. Call before large imports, where it would cost a fifth of the time."""
    gc.set_threshold(_LOADING)


def exempt_loaded() -> None:
    """Call when all modules are loaded: exempts existing objects from garbage collection."""
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNGEST, 20, 20)
    gc.freeze()


def raise_descriptors() -> None:
    """Raise the limit on file descriptors as far as the system allows; the usual 1,024 are too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors() -> int:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
