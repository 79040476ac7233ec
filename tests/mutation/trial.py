"""Try mutants: each in a fork of a process that has collected all tests, or has imported libraries only.

A fork has a bound of processor time, not of time: it may be stopped for a while, as may this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.planting import Functions, plant_at_import
from tests.mutation.reach import ARGUMENTS, Reach, same_examples
from tests.pool import Pool

_MEMORY = 8 << 30
_SLICE_S = 0.5
_TIMES, _MORE_S = 10, 2
_IMPORT_S = 60  # of processor time, for all that a run does beside its tests
_WAITING_S = 20  # a fork that sleeps for so long hangs; one that is stopped, or has no processor, does not
_ASLEEP_S = 120  # so does one that has slept so long in one test, although its timers wake it


@dataclass(frozen=True, slots=True)
class Try:
    """A mutant and the tests that are to find it."""

    mutant: Mutant
    tests: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """found: killed by a test (`by`), by its time, or at the import. lives; not run: nobody knows."""

    id: str
    outcome: str
    by: str
    seconds: float


Report = Callable[[Outcome], None]


class Trial:
    """A plugin of pytest that tries mutants in forks, in place of running the tests."""

    def __init__(self, tries: Sequence[Try], files: Sequence[str], reach: Reach, report: Report) -> None:
        self._tries, self._files, self._reach, self._report = tries, files, reach, report
        self._pool: Pool | None = None
        self.left: list[Try] = []  # those that need a module imported anew

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        same_examples()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        done = yield
        if isinstance(done, Pool):
            self._pool = done
            done.prefix = f"loa_mutant_{os.getpid()}"
        return done

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        self._set_up(session)
        functions = Functions(self._files)
        for one in self._tries:
            chosen = [items[test] for test in one.tests if test in items]
            outcome = self._tried(session, one, chosen, functions)
            if outcome is None or (outcome.outcome == "lives" and not one.mutant.function[0]):
                self.left.append(one)  # what was computed of the value at the import has the old one
            else:
                self._report(outcome)
        session._setupstate.teardown_exact(None)
        return True

    def _set_up(self, session: pytest.Session) -> None:
        """Run one test on each engine, so that what a session sets up is there for all forks."""
        for wanted in ("sqlite_url", "new_postgresql_url"):
            own = [item for item in session.items if _asks_for(item, wanted)]
            if own:
                first = min(own, key=lambda item: self._reach.seconds.get(item.nodeid, 9.0))
                first.ihook.pytest_runtest_protocol(item=first, nextitem=session)

    def _tried(
        self, session: pytest.Session, one: Try, chosen: Sequence[pytest.Item], functions: Functions
    ) -> Outcome | None:
        def run(tell: Callable[[object], None]) -> None:
            if not functions.plant(one.mutant):
                tell({"outcome": "left"})
                return
            _run_items(session, chosen, self._reach, tell)
            tell({"free": self._pool._free if self._pool else []})

        own = Path(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
        before = {each.name for each in own.iterdir()}
        outcome, free = _forked(one, run)
        for each in own.iterdir():
            if each.name not in before:
                shutil.rmtree(each, ignore_errors=True)
        if self._pool is not None:
            self._tidy(self._pool, free)
        return outcome

    def _tidy(self, pool: Pool, free: list[str] | None) -> None:
        """Take over the databases that a fork has left clean; drop the others, which it had no time for."""
        if free is not None and pool._free == free:
            return
        pool._free = free or []
        with pool._connect() as admin:
            like = f"{pool.prefix}%"
            rows = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [like]).fetchall()
            for (name,) in rows:
                if name not in pool._free:
                    with contextlib.suppress(psycopg.Error):
                        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        if not pool._free:
            pool._free = [pool.take()]


def _asks_for(item: pytest.Item, fixture: str) -> bool:
    engine = "[postgresql" if fixture == "new_postgresql_url" else "[sqlite"
    return fixture in getattr(item, "fixturenames", ()) or engine in item.name


def try_at_import(one: Try, reach: Reach) -> Outcome:
    """Try a mutant in a fork of this process, which has imported nothing of Loa but its tests of mutation."""

    def run(tell: Callable[[object], None]) -> None:
        plant_at_import(one.mutant)
        first = _First(tell, reach, _IMPORT_S)  # its first test sets up what a session shares
        ended = pytest.main([*ARGUMENTS, "-s", "-x", *one.tests], plugins=[first])
        if not first.told and ended not in (0, 5):
            tell({"outcome": "found", "by": "import"})

    outcome, _ = _forked(one, run)
    return outcome or Outcome(one.mutant.id, "not run", "", 0.0)


def _forked(
    one: Try, run: Callable[[Callable[[object], None]], None]
) -> tuple[Outcome | None, list[str] | None]:
    """Run it in a fork; what became of the mutant (None: left), and the databases that the fork left free."""
    if not one.tests:
        return Outcome(one.mutant.id, "lives", "no test runs it", 0.0), None
    began = time.monotonic()
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        _child(theirs, run)
    os.close(theirs)
    said, hangs = heard(ours, pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    told = [json.loads(line) for line in said.decode().splitlines() if line.endswith("}")]
    free = next((each["free"] for each in told if "free" in each), None)
    seconds = round(time.monotonic() - began, 2)
    first = next((each for each in told if "outcome" in each), None)
    if first is not None:
        left = first["outcome"] == "left"
        return None if left else Outcome(one.mutant.id, first["outcome"], first["by"], seconds), free
    if hangs or status == -signal.SIGXCPU:
        return Outcome(one.mutant.id, "found", "time", seconds), free
    if status:
        outcome = "found" if status == -signal.SIGSEGV else "not run"
        return Outcome(one.mutant.id, outcome, f"exit {status}", seconds), free
    return Outcome(one.mutant.id, "lives", f"{len(one.tests)} tests", seconds), free


def heard(pipe: int, pid: int, asleep_s: float = _ASLEEP_S) -> tuple[bytes, bool]:
    """All that the fork says until it ends; True where it hangs. It speaks as each of its tests begins."""
    said, waited, asleep, used = bytearray(), 0.0, 0.0, -1
    while True:
        if select.select([pipe], [], [], _SLICE_S)[0]:
            data = os.read(pipe, 1 << 16)
            said += data
            asleep = 0.0
            if not data:
                os.close(pipe)
                return bytes(said), False
            continue
        state, now = _state(pid)
        if state == "Z":
            os.close(pipe)
            return bytes(said), False
        waited = waited + _SLICE_S if state == "S" and now == used else 0.0
        asleep += _SLICE_S if state == "S" else 0.0
        used = now
        if waited > _WAITING_S or asleep > asleep_s:
            os.close(pipe)
            return bytes(said), True


def _state(pid: int) -> tuple[str, int]:
    """The state of a process, and the processor time that it has had, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[11]) + int(fields[12])


# ---- in the fork


def _child(pipe: int, run: Callable[[Callable[[object], None]], None]) -> NoReturn:
    def tell(what: object) -> None:
        os.write(pipe, json.dumps(what).encode() + b"\n")

    status = 0
    try:
        os.setsid()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            if "LOA_MUTATION_LOUD" not in os.environ:
                os.dup2(nowhere.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        _bound(_IMPORT_S)
        run(tell)
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        status = 4
    os._exit(status)


def _bound(seconds: float) -> None:
    """Let this process have so much more processor time."""
    used = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, resource.RLIM_INFINITY))


class _First:
    """Tells of the first test that fails, and bounds the time of each."""

    def __init__(self, tell: Callable[[object], None], reach: Reach, more_s: float = _MORE_S) -> None:
        self._tell, self._reach, self._more_s, self.told = tell, reach, more_s, False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        same_examples()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell({"begins": nodeid})
        _bound(self._reach.seconds.get(nodeid, 1.0) * _TIMES + self._more_s)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.told:
            self.told = True
            self._tell({"outcome": "found", "by": report.nodeid})


def _run_items(
    session: pytest.Session, chosen: Sequence[pytest.Item], reach: Reach, tell: Callable[[object], None]
) -> None:
    """Run these tests until the first fails, with what it and its module tear down."""
    first = _First(tell, reach)
    session.config.pluginmanager.register(first)
    session.config._tmp_path_factory._basetemp = Path(  # type: ignore[attr-defined]
        session.config._tmp_path_factory.mktemp("mutant")  # type: ignore[attr-defined]
    )
    for item, following in zip(chosen, [*chosen[1:], session], strict=True):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if first.told:
            break
    session._setupstate.teardown_exact(session)
