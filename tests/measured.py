"""What `make check` takes coverage from: tracing costs two thirds more, and a line needs to be run once only.

A module of tests stands here when it costs a second of processor time or more and hardly a line is run by it
alone: processes under faults, browsers, random requests, and what tries one rule in a hundred spellings.
`make prove` takes coverage from every test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_MODULES = {
    "app": "no_such",
    "long/app": "tamper",
    "long/app/accounts": "factor login matrix sessions shared spelled_ids tenants users",
    "app/api": "lists rate_limit",
    "long/app/api": "attacks event_streams fuzz once openapi times",
    "long/app/batches": "every_line routes",
    "app/campaigns": "approval four_eyes runs",
    "long/app/cli": "looking parity whose",
    "app/core": "masking phone",
    "app/dispatch": "fan_out_job give_back rejected_orders run_sweeps seal stamps",
    "long/app/dispatch": "poisoned_run send_loop",
    "long/app/file_import": "poison",
    "app/ledger": "foreign_receipts receipt_matching receipts sendings",
    "long/app/ledger": "transfer",
    "long/app/privacy": "beside_sending do_not_send looks masks retention",
    "app/receipts": "webhooks",
    "long/app/receipts": "webhook_fuzz",
    "long/app/receipts/result_files": "kill property report result_importer routes",
    "long/app/reports": (
        "archive_routes carrier_report document_meta five_carriers freeze histories issue letter_2024 "
        "paper_look render repair routes what_tables_claim"
    ),
    "long/app/reports/intake": "external_activity ods wrong_cells",
    "long/app/runtime": "worker",
    "app/text_verification": "compare",
    "long/app/web": (
        "erasures error_translation fields forms pages sign_in strange translations truth vietnamese"
    ),
    "long/carriers/mobifone": "contract",
    "long/carriers/simulators": "web_messages",
    "carriers": "refusal_streak",
    "carriers/viettel": "codes",
    "long/carriers/viettel": "contract",
    "carriers/vnpt": "codes replies",
    "long/carriers/vnpt": "contract",
    "long": "deploy forked guards migrations new_carrier package papers project_file structure tutorials "
    "weaknesses",
}
WITHOUT = {f"{folder}/test_{name}.py" for folder, names in _MODULES.items() for name in names.split()}
WITHOUT |= {"e2e", "faults", "test_drill_paper.py", "test_security_paper.py"}
# What has lines of PostgreSQL's own; elsewhere its half of a test runs the lines of the half on SQLite.
POSTGRESQL = {
    "app/batches/test_spool.py",
    "app/batches/test_waiting.py",
    "app/ledger/test_impossible_times.py",
    "app/ledger/test_receipt_matching.py",
    "app/database/test_connection.py",
    "long/app/privacy/test_entered_again.py",
}


def _is_measured(item: pytest.Item) -> bool:
    if "LOA_TEST_EACH_ENGINE" in os.environ:  # `make prove` counts everything
        return True
    path = item.path.relative_to(_HERE)
    if "[postgresql" in item.name:
        return path.as_posix() in POSTGRESQL
    return WITHOUT.isdisjoint({path.parts[0], path.as_posix()})


def choose(items: list[pytest.Item]) -> None:
    """Mark the tests from which no coverage is taken."""
    for item in items:
        if not _is_measured(item):
            item.add_marker("no_cover")
