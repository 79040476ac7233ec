"""What Prometheus reads agrees with the tables, and counts what the process did."""

from __future__ import annotations

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from sqlalchemy import Connection, insert

from app.database.connection import Database
from app.database.models import links, quarantine, runs, tallies, unknowns
from app.observability.metrics import KEPT_S, Metrics
from tests.app.campaigns.rows import new_link, new_run
from tests.app.client import Client


def figures(text: str) -> dict[str, float]:
    """Every sample as name[values of its labels in the order of their names] -> value."""
    return {
        f"{sample.name}{[value for _, value in sorted(sample.labels.items())] or ''}": sample.value
        for family in parse(text)
        for sample in family.samples
    }


def test_counters_grow_by_what_they_are_told() -> None:
    metrics = Metrics()
    metrics.submitted("vnpt-1", "accepted", 199)
    metrics.submitted("vnpt-1", "accepted", 1)
    metrics.submitted("vnpt-1", "deferred", 3)
    metrics.receipts("quarantined", 2)
    metrics.latency(0.3)
    metrics.latency(100_000)
    metrics.in_flight("vnpt-1", 50)
    metrics.in_flight("vnpt-1", 7)
    found = figures(metrics.text().decode())
    assert found["loa_results_total['vnpt-1', 'accepted']"] == 200
    assert found["loa_results_total['vnpt-1', 'deferred']"] == 3
    assert found["loa_receipts_total['quarantined']"] == 2
    assert found["loa_receipt_latency_seconds_count"] == 2
    assert found["loa_receipt_latency_seconds_bucket['0.5']"] == 1
    assert found["loa_in_flight['vnpt-1']"] == 7


def test_two_registries_in_one_process_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.receipts("applied", 5)
    assert "applied" not in other.text().decode()


def fill(connection: Connection) -> None:
    campaign_id, run_id = new_run(connection)
    key = {"campaign_id": campaign_id, "run_id": run_id, "batch_id": 1, "reason": 0, "segments": 1}
    rows = [key | {"state": 0, "n": 70}, key | {"state": 0, "n": -20}, key | {"state": 1, "n": 20}]
    connection.execute(insert(tallies), rows)
    connection.execute(runs.update().values(state="running"))
    new_link(connection)
    new_link(connection, "vnpt-2", rate=2.5, state="halted")
    unknown = {"campaign_id": campaign_id, "batch_id": 1, "run_id": run_id, "phone": 84_912_000_001}
    unknown |= {"since": 0, "why": "cut"}
    open_and_closed = [(1, None), (2, None), (3, "tester")]
    connection.execute(
        insert(unknowns), [unknown | {"seq": seq, "written_off_by": by} for seq, by in open_and_closed]
    )
    receipt = {"try_at": 0, "received_at": 0, "link_id": 1, "group_id": 1, "level": 2, "reason": 0}
    connection.execute(insert(quarantine).values(receipt | {"status": "delivered"}))


@pytest.mark.longer
def test_gauges_are_read_from_the_tables_at_the_scrape(stranger: Client, db: Database) -> None:
    db.write(fill)
    response = stranger.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    found = figures(response.text)
    expected = {
        "loa_database_up": 1,
        "loa_queued_deliveries['running']": 50,
        "loa_queued_deliveries['paused']": 0,
        "loa_runs['running']": 1,
        "loa_runs['planned']": 0,
        "loa_unknown_deliveries": 2,
        "loa_quarantined_receipts": 1,
        "loa_link_running['vnpt', 'vnpt-1']": 1,
        "loa_link_running['vnpt', 'vnpt-2']": 0,
        "loa_link_segments_per_second['vnpt', 'vnpt-2']": 2.5,
    }
    assert {name: found.get(name) for name in expected} == expected
    db.write(lambda c: c.execute(links.update().values(state="running")))
    time.sleep(KEPT_S)
    assert figures(stranger.get("/metrics").text)["loa_link_running['vnpt', 'vnpt-2']"] == 1


@pytest.mark.longer
@pytest.mark.parametrize("name", ["phone", "84912000001"])
def test_no_phone_number_is_a_figure(stranger: Client, db: Database, name: str) -> None:
    db.write(fill)
    assert name not in stranger.get("/metrics").text
