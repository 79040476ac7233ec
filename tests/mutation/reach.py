"""Which tests run which lines, and for how long: taken once, and again where files have changed."""

from __future__ import annotations

import gc
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import _lru_cache_wrapper
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from tests.mutation.mutants import ROOT

# A pytest within a fork finds plugins imported that it would have rewritten: nothing is asserted in them.
_QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
_PROGRAM = ("app", "carriers", "loa_client")
ARGUMENTS = ("-q", "-p", "no:cacheprovider", "-m", "not prove", "-o", "timeout=0", *_QUIET)


def same_examples() -> None:
    """Have hypothesis try the same examples each time, and make none of them smaller."""
    hypothesis_settings.register_profile(
        "mutation",
        hypothesis_settings.get_profile("loa"),
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
    )
    hypothesis_settings.load_profile("mutation")


@dataclass(slots=True)
class Reach:
    """What was seen of the tests without any mutant.

    seconds: of each test. lines: by file and line, the tests (or modules of tests, by what they set up).
    at_import: lines that ran before any test. digests: of the files of the program and of the tests.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    at_import: dict[str, list[int]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Reach:
        if not file.exists():
            return cls()
        kept = json.loads(file.read_text("utf-8"))
        names = kept.pop("names")
        for lines in kept["lines"].values():
            lines.update({line: [names[at] for at in tests] for line, tests in lines.items()})
        return cls(**kept)

    def write(self, file: Path) -> None:
        """Write it with numbers for tests: most lines are run by thousands of them."""
        names = sorted({each for lines in self.lines.values() for tests in lines.values() for each in tests})
        number = {name: at for at, name in enumerate(names)}
        kept = asdict(self) | {"names": names}
        kept["lines"] = {
            each: {line: [number[test] for test in tests] for line, tests in lines.items()}
            for each, lines in self.lines.items()
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kept), encoding="utf-8")

    def changed(self, files: Sequence[str]) -> list[str]:
        return [file for file in files if self.digests.get(file) != digest(file)]

    def forget_files(self, files: Sequence[str]) -> list[str]:
        """Drop what is known of these files of the program; the modules of tests that run them."""
        tests = {test for file in files for test in (*self.all_of(file), *self.failed)}
        for file in files:
            self.lines.pop(file, None)
            self.at_import.pop(file, None)
        return sorted({test.partition("::")[0] for test in tests})

    def forget(self, modules: Sequence[str]) -> None:
        """Drop what is known of these modules of tests."""
        gone = tuple(f"{module}::" for module in modules)
        self.seconds = {test: taken for test, taken in self.seconds.items() if not test.startswith(gone)}
        self.failed = [test for test in self.failed if not test.startswith(gone)]
        for lines in self.lines.values():
            for line, tests in lines.items():
                lines[line] = [each for each in tests if not each.startswith(gone) and each not in modules]

    def tests_of(self, file: str, lines: Sequence[int]) -> set[str]:
        """The tests that run one of these lines, but for those that fail anyway."""
        known = self.lines.get(file, {})
        found = {each for line in lines for each in known.get(str(line), ())}
        whole = tuple(f"{each}::" for each in found if "::" not in each)
        if whole:
            found |= {test for test in self.seconds if test.startswith(whole)}
        return {each for each in found if "::" in each and each in self.seconds} - set(self.failed)

    def all_of(self, file: str) -> set[str]:
        return self.tests_of(file, [int(line) for line in self.lines.get(file, {})])


def digest(file: str) -> str:
    path = ROOT / file
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""


class Look:
    """A plugin of pytest that runs every test once, and sees which lines of `files` it runs."""

    def __init__(self, files: Sequence[str], reach: Reach) -> None:
        self._reach, self._now = reach, ""
        self._files = files
        self._modules = set[str]()
        self._caches = list[_lru_cache_wrapper[object]]()
        self._coverage = Coverage(
            data_file=None, include=[str(ROOT / each) for each in files], config_file=False
        )
        self._coverage.start()  # before the program is imported

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        same_examples()

    def pytest_collection_finish(self) -> None:
        """Keep the program's caches: with what another test left in them, a test does not run their lines."""
        self._caches = [
            each
            for each in gc.get_objects()
            if isinstance(each, _lru_cache_wrapper) and each.__module__.partition(".")[0] in _PROGRAM
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """What the first test of a module sets up may be the whole module's."""
        for cache in self._caches:
            cache.cache_clear()
        module = item.nodeid.partition("::")[0]
        self._coverage.switch_context(item.nodeid if module in self._modules else module)
        self._modules.add(module)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self._coverage.switch_context(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began = time.process_time()
        done = yield
        self._reach.seconds[item.nodeid] = round(time.process_time() - began, 4)
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reach.failed.append(report.nodeid)
        if report.when == "setup" and report.skipped:
            self._reach.failed.append(report.nodeid)

    def finish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        for file in self._files:
            known = self._reach.lines.setdefault(file, {})
            for line, contexts in data.contexts_by_lineno(str(ROOT / file)).items():
                if "" in contexts and line not in self._reach.at_import.setdefault(file, []):
                    self._reach.at_import[file].append(line)
                known[str(line)] = sorted({*known.get(str(line), ()), *contexts} - {""})


def look(reach: Reach, files: Sequence[str], tests: Sequence[str]) -> None:
    """Run these tests in this process, which is to be a fork; what was seen is added to `reach`."""
    seen = Look(files, reach)
    pytest.main([*ARGUMENTS, *tests], plugins=[seen])
    seen.finish()
