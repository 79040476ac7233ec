"""A quick run of the bench gives every figure, on every engine there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.__main__ import ENGINES
from tests.bench.base_bench import built
from tests.bench.figures import Figure, Limit, as_json, as_text, unmet
from tests.bench.kannel_bench import MISSING, installed, kannel
from tests.bench.machinery import SERVER
from tests.bench.pace_bench import held
from tests.bench.parts import PARTS, QUICK

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
    "page_overview_ms",
    "page_campaign_ms",
    "page_sign_in_ms",
    "pace_1_worker_most_in_a_second",
    "pace_1_worker_least_in_a_second",
    "webhook_single_receipts_per_second",
    "webhook_single_receipts_per_second_ratio",
    "webhook_array_receipts_per_second",
    "webhook_array_receipts_per_second_ratio",
    "webhook_empty_posts_per_second",
    "webhook_single_p50_ms",
    "webhook_single_p99_ms",
    "webhook_array_p99_ms",
    "webhook_array_client_cpu_s_per_1000",
    "report_s",
    "report_late_receipts_s",
    "report_midway_s",
    "report_bare_reading_s",
    "report_peak_mb",
    "year_receipts_beside_ms",
    "year_receipts_beside_ms_ratio",
    "year_runs_at_rest_ms",
    "year_tallies_at_rest_ms",
    "year_claim_at_50_million_ms",
    "year_claim_at_50_million_ms_ratio",
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
    assert figures["receipts"] == 500


@pytest.mark.skipif(not SERVER, reason="LOA_TEST_DATABASE_URL names no PostgreSQL server")
def test_several_workers_and_a_larger_campaign_give_every_figure() -> None:
    found = as_json(PARTS["scale"].measure("postgresql", replace(QUICK, workers=(2,))))
    wanted = ["1k_complete_messages_per_second", "1k_all_cpu_s_per_1000", "1k_all_cpu_s_per_1000_ratio"]
    wanted += ["2_workers_complete_messages_per_second", "2_workers_wal_bytes_per_message"]
    assert [name for name in wanted if not found[f"postgresql_{name}"] > 0] == []


def test_a_part_alone_leaves_its_figures_and_the_page_has_what_the_others_gave_before(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()

    def measured(part: str, *more: str) -> tuple[dict[str, float], str]:
        command = [sys.executable, "-m", "tests.bench", "--quick", "--engine", "sqlite", "--write-docs"]
        here = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([*command, "--part", part, *more], cwd=tmp_path, env=here, check=True)
        page = (tmp_path / "docs" / "performance.md").read_text("utf-8")
        return json.loads((tmp_path / "build" / "bench.json").read_text()), page

    measured("pages")
    left, page = measured("import")
    assert left["sqlite_import_lines_per_second"] > 0
    assert "sqlite_page_overview_ms" not in left
    assert page.index("sqlite_import_lines_per_second") < page.index("sqlite_page_overview_ms")
    _, page = measured("import", "--messages", "300")
    assert "sqlite_page_overview_ms" not in page  # its sizes were others


def test_the_fullest_and_the_emptiest_second_are_found() -> None:
    """Even but for one that is 7 ms late, or 7 ms early."""
    even = [n / 199.5 for n in range(1000)]
    late = sorted([*even[:300], even[300] + 0.007, *even[301:]])
    early = sorted([*even[:600], even[600] - 0.007, *even[601:]])
    assert (held(even).least, held(even).most) == (200, 200)
    assert (held(late).least, held(late).most) == (199, 201)
    assert held(early).most == 201
    assert held(early, rate=199.5).early_ms > held(even, rate=199.5).early_ms + 1


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


@pytest.mark.skipif(not installed(), reason=MISSING)
def test_kannel_completes_the_same_messages() -> None:
    done = kannel(300)
    assert done["rate"] > 0
    assert done["cpu"] > 0


def test_another_gateway_that_is_not_here_is_left_out_in_words(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--peer", "kannel"]
    command += ["--build", str(tmp_path / "bench.json")]
    nowhere = {"PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=nowhere)
    assert MISSING in done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="the message centre is a C program")
@pytest.mark.parametrize("engine", ENGINES)
def test_the_path_is_measured_as_a_user_starts_it_at_a_centre_of_another_make(engine: str) -> None:
    """It ends well only if the centre saw each message once, and has all receipts acknowledged."""
    if engine == "postgresql" and not SERVER:
        pytest.skip("LOA_TEST_DATABASE_URL names no server")
    command = [sys.executable, "tests/bench/as_started.py", engine, "500", str(built())]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    got = json.loads(ran.stdout)
    assert got["rate"] > 0
    assert got["cpu"] > 0
    assert (got["server_cpu"] > 0) is (engine == "postgresql")
