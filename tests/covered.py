"""Take branch coverage of the tests with SlipCover: `--covered FILE` writes it there as JSON.

SlipCover notes each line and branch once and then leaves it alone, so that tests take no longer. Its runner
wraps os._exit, through which programs of tests end, so it is not used here: workers (`tests/forked.py`) tell
the first process what they have seen. What is enough, and the table: `slipcover --merge`, in the Makefile.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Seen = dict[str, set[Any]]  # by file: line numbers, and pairs of them for branches

_KEY = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--covered", type=Path, metavar="FILE", help="write lines and branches that were run")


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before the conftest imports the program."""
    if early_config.known_args_namespace.covered is None:
        return
    from slipcover import FileMatcher, ImportManager, Slipcover
    from slipcover.config import read_config

    of = read_config()
    taken = Slipcover(branch=True, source=of["source"], exclude_also=of["exclude-also"])
    ImportManager(taken, FileMatcher(sources=of["source"])).__enter__()
    early_config.stash[_KEY] = taken


def seen(config: pytest.Config) -> Seen:
    """Return what this process has run; nothing where no coverage is taken."""
    taken = config.stash.get(_KEY, None)
    if taken is None:
        return {}
    files = taken.newly_seen.keys() | taken.all_seen.keys()
    return {name: taken.newly_seen[name] | taken.all_seen[name] for name in files}


def add(config: pytest.Config, found: Seen) -> None:
    """Add what a worker has run."""
    for name, lines in found.items():
        config.stash[_KEY].all_seen[name].update(lines)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it down, also that of files which nothing has imported."""
    taken = session.config.stash.get(_KEY, None)
    if taken is not None:
        session.config.option.covered.parent.mkdir(parents=True, exist_ok=True)
        session.config.option.covered.write_text(json.dumps(taken.get_coverage()))
