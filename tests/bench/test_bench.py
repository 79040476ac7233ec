"""A quick run of the bench gives every figure, on every engine there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.figures import Figure, Limit, as_json, as_text, unmet
from tests.bench.machinery import SERVER

ROOT = Path(__file__).parents[2]
PUMP = ("pump_messages_per_second", "smpplib_messages_per_second", "pump_messages_per_second_ratio")
OF_AN_ENGINE = (
    "import_lines_per_second",
    "import_lines_per_second_ratio",
    "import_peak_mb",
    "complete_messages_per_second",
    "complete_messages_per_second_ratio",
    "database_alone_messages_per_second",
    "loa_cpu_s_per_1000",
)


def quick(engine: str, folder: Path) -> dict[str, float]:
    """The JSON that a quick run prints last, which is also what it leaves in build/."""
    command = [sys.executable, "-m", "tests.bench", "--quick", "--json", "--engine", engine]
    command += ["--build", str(folder / "bench.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    last: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert json.loads((folder / "bench.json").read_text()) == last
    return last


@pytest.mark.parametrize(
    ("engine", "bare"),
    [("sqlite", "bare_executemany_rows_per_second"), ("postgresql", "bare_copy_rows_per_second")],
)
def test_a_quick_run_gives_every_figure(engine: str, bare: str, tmp_path: Path) -> None:
    if engine == "postgresql" and not SERVER:
        pytest.skip("LOA_TEST_DATABASE_URL names no PostgreSQL server")
    figures = quick(engine, tmp_path)
    for name in (*PUMP, *(f"{engine}_{each}" for each in (*OF_AN_ENGINE, bare))):
        assert figures[name] > 0, name
    assert figures["messages"] == 500
    assert figures["lines"] == 5000


@pytest.mark.parametrize(
    ("value", "limit", "met"),
    [
        (30.0, Limit("bare", 100.0, bar=0.3), True),
        (29.9, Limit("bare", 100.0, bar=0.3), False),
        (300.0, Limit("most", 300.0, bar=1, ceiling=True), True),
        (300.1, Limit("most", 300.0, bar=1, ceiling=True), False),
        (1.0, Limit("bare", 100.0), None),
        (1.0, None, None),
    ],
)
def test_a_figure_is_held_against_its_bar(value: float, limit: Limit | None, met: bool | None) -> None:
    figure = Figure("rate_per_second", value, limit)
    assert figure.met is met
    assert unmet([figure]) == ([figure] if met is False else [])


def test_the_table_and_the_json_name_the_same_figures() -> None:
    figures = [Figure("a_per_second", 1234.5, Limit("b_per_second", 2469.0, bar=0.3)), Figure("c_s", 0.0123)]
    assert as_json(figures) == {
        "a_per_second": 1234.5,
        "b_per_second": 2469.0,
        "a_per_second_ratio": 0.5,
        "c_s": 0.0123,
    }
    lines = as_text(figures).splitlines()
    assert lines[1].split() == ["a_per_second", "1,234", "b_per_second", "2,469", "0.50", ">=", "0.3", "yes"]
    assert lines[2].split() == ["c_s", "0.0123"]
