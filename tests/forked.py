"""Run tests in forked workers: `-n 3`. One process collects them, forks, and tells how each of them went.

Interpreters of their own, as pytest-xdist starts them, would each import and collect everything: 15 s
of processor time here for each of them, more than most folders of tests take. A fork has it all.

A *unit* is what one worker runs in one go: a module, so that what a module sets up is set up once; a single
test that is marked `waits`; everything of one mark `unit("name")`. Workers take units from a pipe.

`--shuffle SEED` has the units, and the tests of each module, in an order that the seed makes.
"""

from __future__ import annotations

import os
import pickle
import random
import selectors
import signal
import struct
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NoReturn

import pytest

from tests import covered

_SIZE = struct.Struct("=I")

Unit = list[pytest.Item]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("workers")
    group._addoption(
        "-n", "--workers", type=int, default=0, help="forked workers that run the tests (0: none)"
    )
    group.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in an order made by this seed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "unit(name): all tests of this name are run by one worker")
    config.addinivalue_line("markers", "waits: waits for most of its time, and needs nothing of its module")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle modules, and the tests of each."""
    seed = config.getoption("shuffle")
    if seed is not None:
        chance = random.Random(seed)
        modules = [[*own] for _, own in groupby(items, lambda item: item.path)]
        for own in modules:
            chance.shuffle(own)
        chance.shuffle(modules)
        items[:] = [item for own in modules for item in own]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all tests in workers; None, which is pytest's own loop, for a few or where none are asked for."""
    count = session.config.getoption("workers")
    if not count or session.testsfailed or session.config.option.collectonly or not session.items:
        return None
    units = list(_units(session.items))
    _Workers(session, units).run(min(count, len(units)))
    return True


def _units(items: Sequence[pytest.Item]) -> Iterator[Unit]:
    named: dict[str, Unit] = {}
    for key, own in groupby(items, _unit):
        named.setdefault(key, []).extend(own)
    yield from named.values()


def _unit(item: pytest.Item) -> str:
    mark = item.get_closest_marker("unit")
    if mark is not None:
        return str(mark.args[0])
    return item.nodeid if item.get_closest_marker("waits") else str(item.path)


@dataclass(slots=True)
class _Worker:
    """A worker as its parent sees it."""

    pid: int
    pipe: int
    buffer: bytearray = field(default_factory=bytearray)
    left: list[pytest.Item] = field(default_factory=list)  # of the unit that it runs


class _Workers:
    """The workers of a session, and the pipe of what is still to be run."""

    def __init__(self, session: pytest.Session, units: list[Unit]) -> None:
        self.session, self.units = session, units
        self.config = session.config
        self.queue, queue = os.pipe()
        for number in range(len(units)):
            os.write(queue, _SIZE.pack(number))
        os.close(queue)
        self.workers = selectors.DefaultSelector()
        self.count = 0

    def run(self, count: int) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.showfspath = False  # tests of several modules end side by side
        self.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all
        try:
            for _ in range(count):
                self._fork()
            while self.workers.get_map() and not self._is_over():
                for key, _ in self.workers.select():
                    self._hear(key.data)
        finally:
            for key in list(self.workers.get_map().values()):
                os.kill(key.data.pid, signal.SIGINT)  # its fixtures end what they have begun
                os.waitpid(key.data.pid, 0)
            os.close(self.queue)
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)

    def _is_over(self) -> bool:
        """Whether pytest wants no more of the session: as many have failed as may."""
        return bool(self.session.shouldfail or self.session.shouldstop)

    def _fork(self) -> None:
        ours, theirs = os.pipe()
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        capture.stop_global_capturing()  # its files are not to be shared
        sys.stdout.flush()
        sys.stderr.flush()
        self.count += 1
        pid = os.fork()
        capture.start_global_capturing()
        if not pid:
            os.close(ours)
            for key in list(self.workers.get_map().values()):
                os.close(key.data.pipe)
            _work(self, theirs)
        os.close(theirs)
        self.workers.register(ours, selectors.EVENT_READ, _Worker(pid, ours))

    def _hear(self, worker: _Worker) -> None:
        data = os.read(worker.pipe, 1 << 16)
        worker.buffer += data
        while len(worker.buffer) >= _SIZE.size and not self._is_over():
            end = _SIZE.size + _SIZE.unpack_from(worker.buffer)[0]
            if len(worker.buffer) < end:
                break
            said = pickle.loads(worker.buffer[_SIZE.size : end])  # of our own fork
            del worker.buffer[:end]
            self._take(worker, *said)
        if not data:
            self.workers.unregister(worker.pipe)
            os.close(worker.pipe)
            self._ended(worker, os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1]))

    def _take(self, worker: _Worker, kind: str, what: Any) -> None:
        hook = self.config.hook
        if kind == "unit":
            worker.left = list(self.units[what])
        elif kind == "seen":
            covered.add(self.config, what)
        elif kind == "start":
            hook.pytest_runtest_logstart(nodeid=worker.left[0].nodeid, location=worker.left[0].location)
        elif kind == "report":
            report = hook.pytest_report_from_serializable(config=self.config, data=what)
            hook.pytest_runtest_logreport(report=report)
        else:
            item = worker.left.pop(0)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _ended(self, worker: _Worker, status: int) -> None:
        """A worker that died has failed its test, and nobody runs the rest of its unit."""
        if not worker.left and not status:
            return
        why = f"signal {-status}" if status < 0 else f"exit status {status}"
        for item in worker.left:
            said = f"the worker of this test ended with {why}"
            report = pytest.TestReport(
                item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", said, "call"
            )
            self.config.hook.pytest_runtest_logreport(report=report)
        if not worker.left:
            self.session.testsfailed += 1
            sys.stderr.write(f"\na worker ended with {why} after its last test\n")
        self._fork()


# ---- in the worker


class _Reporter:
    """Tells the parent of each test, in place of a terminal."""

    def __init__(self, config: pytest.Config, pipe: int) -> None:
        self.config, self.pipe = config, pipe
        plugin = config.pluginmanager.unregister(name="_cov")  # pytest-cov
        controller = getattr(plugin, "cov_controller", None)
        self.coverage = controller.cov if controller is not None else None
        # Lists of times and files for other programs are made of set-up and tear-down as well.
        self.tells_all = bool(config.getoption("durations") or config.getoption("xmlpath", None))

    def tell(self, kind: str, what: object = None) -> None:
        data = pickle.dumps((kind, what))
        left = memoryview(_SIZE.pack(len(data)) + data)
        while left:
            left = left[os.write(self.pipe, left) :]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        self.tell("start")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed and report.when != "call" and not self.tells_all:
            return  # it says nothing, and would cost the first process a third of a millisecond
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.tell("report", data)

    def pytest_runtest_logfinish(self) -> None:
        self.tell("finish")


def _work(workers: _Workers, pipe: int) -> NoReturn:
    """Run units until none is left, and end without what the parent has set up to do at its end."""
    status = 1
    try:
        _run_units(workers, _Reporter(workers.config, pipe))
        status = 0
    except KeyboardInterrupt:
        """The parent has ended."""
    except BaseException:
        workers.config.pluginmanager.get_plugin("capturemanager").stop_global_capturing()
        traceback.print_exc()
    os._exit(status)


def _run_units(workers: _Workers, reporter: _Reporter) -> None:
    session, config = workers.session, workers.config
    random.seed()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / f"worker{workers.count}"
    factory._basetemp.mkdir()
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    with open(os.devnull, "w") as nowhere:
        if terminal is not None:
            terminal._tw._file = nowhere
        config.pluginmanager.register(reporter)
        try:
            while number := os.read(workers.queue, _SIZE.size):
                _run_unit(session, workers.units[_SIZE.unpack(number)[0]], reporter, _SIZE.unpack(number)[0])
        finally:
            session._setupstate.teardown_exact(None)
    reporter.tell("seen", covered.seen(config))
    if reporter.coverage is not None:
        reporter.coverage.stop()
        reporter.coverage.save()


def _run_unit(session: pytest.Session, unit: Unit, reporter: _Reporter, number: int) -> None:
    reporter.tell("unit", number)
    for item, following in zip(
        unit, [*unit[1:], session], strict=True
    ):  # after it only the session's own stays
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
