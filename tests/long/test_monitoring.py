"""docs/monitoring: the alarms fire when they should, and alarms and dashboard name only what Loa exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from app.core.states import RunState
from app.database.connection import Database
from carriers.contract import SubmitResult
from tests.reference import metrics as reference

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docs/monitoring"
# What Prometheus itself writes, or alerts.yml by a rule of its own.
OF_PROMETHEUS = {
    "up": set[str](),
    "scrape_duration_seconds": set[str](),
    "ALERTS": {"alertname", "alertstate", "link", "source", "answer"},
    "loa:alerts_loaded": set[str](),
}
OF_EACH_SERIES = {"job", "instance"}
FUNCTIONS = {
    "absent", "clamp_min", "count", "delta", "histogram_quantile", "increase", "max", "min", "min_over_time",
    "rate", "sum", "time", "vector",
}  # fmt: skip
WORDS = {"by", "without", "on", "and", "or", "unless", "offset"}


@pytest.fixture
def exported(db: Database) -> dict[str, set[str]]:
    """The series that /metrics has, by the code that writes them, with their labels."""
    found = dict[str, set[str]]()
    for name, labels, kind, *_ in reference.rows(db):
        of_it = set(re.findall(r"`(\w+)`", labels))
        found |= {f"{name[1:-1]}_bucket": of_it | {"le"}} if kind == "histogram" else {name[1:-1]: of_it}
    return found | OF_PROMETHEUS


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    return board


def rules() -> list[dict[str, Any]]:
    of_file = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))
    return [rule for group in of_file["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Each expression with where it stands."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def filled_in(expression: str) -> str:
    """As Grafana asks it, with the variables' values."""
    for name, value in (("$__rate_interval", "1m"), ("$job", "loa"), ("$link", ".*")):
        expression = expression.replace(name, value)
    return expression


def names_and_labels(expression: str) -> tuple[set[str], set[str], dict[str, set[str]]]:
    """The series, the labels and the labels' values that an expression names."""
    expression = filled_in(expression)
    pairs = re.findall(r"(\w+)\s*=~?\s*\"([^\"]*)\"", expression)
    grouped = re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", expression)
    labels = {name for name, _ in pairs} | {each.strip() for some in grouped for each in some.split(",")} - {
        ""
    }
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on)\s*\([^)]*\)|offset \w+", " ", expression)
    words = set(re.findall(r"(?<![\w.])[A-Za-z_][\w:]*", bare)) - FUNCTIONS - WORDS
    values = dict[str, set[str]]()
    for name, value in pairs:
        values.setdefault(name, set()).update(value.split("|"))
    return words, labels, values


def promtool(*arguments: str) -> str:
    """Run it; skips with a sentence where there is none."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not on this machine: it comes with Prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_alarms_and_the_settings() -> None:
    """The settings name the alarms, so both are read."""
    assert f"{len(rules())} rules found" in promtool("check", "config", str(MONITORING / "prometheus.yml"))


def test_each_alarm_fires_when_it_should_and_not_otherwise() -> None:
    promtool("test", "rules", str(Path(__file__).parent / "alerts.test.yml"))


def test_prometheus_reads_each_query_of_the_dashboard(tmp_path: Path) -> None:
    some = [(place, filled_in(each)) for place, each in queries()]
    assert not [each for _, each in some if "$" in each], "a variable that the dashboard does not have"
    made = [{"record": f"query:{number}", "expr": each} for number, (_, each) in enumerate(some)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": made}]}), "utf-8")
    assert f"{len(some)} rules found" in promtool("check", "rules", str(file))


def test_each_series_and_label_is_one_that_loa_exports(exported: dict[str, set[str]]) -> None:
    assert len(exported) >= 20
    for place, expression in queries():
        names, labels, _ = names_and_labels(expression)
        assert names <= exported.keys(), f"{place}: no such metric"
        known = OF_EACH_SERIES.union(*(exported[name] for name in names))
        assert labels <= known, f"{place}: no such label"


def test_each_value_of_a_label_is_one_that_loa_writes() -> None:
    """A misspelt value would be a query that stays empty, and an alarm that never comes."""
    written = {
        "run_state": {state.value for state in RunState},
        "result": {kind.__name__.lower() for kind in get_args(SubmitResult)},
        "outcome": counted("receipts|inbound"),
        "answer": counted("webhook"),
        "job": {"loa"},
        "link": {".*"},
        "alertstate": {"firing"},
        "alertname": {"Loa.+"},
    }
    for place, expression in queries():
        for label, values in names_and_labels(expression)[2].items():
            assert values <= written[label], f"{place}: {label}"


def counted(method: str) -> set[str]:
    """The words that the code gives to a counter."""
    call = re.compile(rf"metrics\.(?:{method})\([^\"\n]*\"(\w+)\"")
    return {word for file in (ROOT / "app").rglob("*.py") for word in call.findall(file.read_text("utf-8"))}


def test_every_metric_is_on_the_dashboard(exported: dict[str, set[str]]) -> None:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    assert exported.keys() - set.union(*(names_and_labels(each)[0] for each in asked)) == set()


def test_nothing_is_green_where_nobody_looked() -> None:
    """Grey comes first, green by a value of now alone; where there is no value, words say so."""
    for panel in panels():
        defaults = panel["fieldConfig"]["defaults"]
        first, *rest = defaults["thresholds"]["steps"]
        assert (first["value"], first["color"]) == (None, "#808080"), panel["title"]
        if "green" in {step["color"] for step in rest}:
            assert defaults["noValue"] in {"not known", "not loaded", "not watched"}, panel["title"]
            assert panel["type"] != "stat" or panel["targets"][0]["instant"], panel["title"]
        assert not any(each["type"] == "special" for each in defaults["mappings"]), panel["title"]
