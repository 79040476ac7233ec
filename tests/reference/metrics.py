"""The page of the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.core import Metric

from app.database import schema
from app.database.connection import Database
from app.observability.metrics import Metrics
from tests.reference.tables import sentence, table

_HEAD = """# Metrics

`/metrics` of the API, and of each `loa worker` on its `metrics_port`, answers Prometheus. Counters are those
of the process that is asked; what comes from the database is the same everywhere. Alarms worth having:
[monitoring](../monitoring/README.md).

"""


def page() -> str:
    """app/observability/metrics.py."""
    with TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'loa.sqlite3'}")
        try:
            schema.upgrade(db)
            found = rows(db)
        finally:
            db.close()
    return _HEAD + table(("Metric", "Labels", "Type", "Meaning", "From"), found).rstrip() + "\n"


def rows(db: Database) -> list[tuple[str, ...]]:
    """Name, labels, type, meaning and origin of each metric, as Markdown."""
    own, all_ = Metrics(), Metrics(db)
    ours = {each.name for each in own.registry.collect()}
    return sorted(_rows(list(all_.registry.collect()), own, ours))


def _rows(found: list[Metric], own: Metrics, ours: set[str]) -> Iterator[tuple[str, ...]]:
    for each in found:
        name = f"{each.name}_total" if each.type == "counter" else each.name
        labels = _labels(each, own)
        where = "the process" if each.name in ours else "the database"
        yield (
            f"`{name}`",
            ", ".join(f"`{label}`" for label in labels),
            each.type,
            sentence(each.documentation),
            where,
        )


def _labels(metric: Metric, own: Metrics) -> tuple[str, ...]:
    """Its labels, though nothing may have been counted yet."""
    collectors = own.registry._names_to_collectors
    collector = collectors.get(metric.name) or collectors.get(f"{metric.name}_total")
    if collector is not None:
        return tuple(getattr(collector, "_labelnames", ()))
    return tuple(getattr(metric, "_labelnames", ()))
