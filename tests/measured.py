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
WITHOUT = {
    "long/app/accounts/test_login.py",
    "long/app/accounts/test_sessions.py",
    "long/app/accounts/test_shared.py",
    "long/app/accounts/test_spelled_ids.py",
    "long/app/accounts/test_tenants.py",
    "long/app/api/test_attacks.py",
    "long/app/api/test_event_streams.py",
    "long/app/api/test_fuzz.py",
    "app/api/test_lists.py",
    "long/app/api/test_once.py",
    "long/app/api/test_openapi.py",
    "app/api/test_rate_limit.py",
    "long/app/api/test_times.py",
    "long/app/batches/test_every_line.py",
    "long/app/batches/test_routes.py",
    "app/campaigns/test_approval.py",
    "app/campaigns/test_four_eyes.py",
    "app/campaigns/test_runs.py",
    "long/app/cli/test_looking.py",
    "long/app/cli/test_whose.py",
    "app/core/test_masking.py",
    "app/core/test_phone.py",
    "app/dispatch/test_fan_out_job.py",
    "app/dispatch/test_give_back.py",
    "long/app/dispatch/test_poisoned_run.py",
    "app/dispatch/test_run_sweeps.py",
    "app/dispatch/test_seal.py",
    "long/app/dispatch/test_send_loop.py",
    "app/dispatch/test_stamps.py",
    "long/app/file_import/test_poison.py",
    "app/ledger/test_foreign_receipts.py",
    "app/ledger/test_receipt_matching.py",
    "app/ledger/test_receipts.py",
    "app/ledger/test_sendings.py",
    "long/app/ledger/test_transfer.py",
    "long/app/privacy/test_beside_sending.py",
    "long/app/privacy/test_do_not_send.py",
    "long/app/privacy/test_looks.py",
    "long/app/privacy/test_masks.py",
    "long/app/privacy/test_retention.py",
    "long/app/receipts/result_files/test_kill.py",
    "long/app/receipts/result_files/test_property.py",
    "long/app/receipts/result_files/test_report.py",
    "long/app/receipts/result_files/test_result_importer.py",
    "long/app/receipts/result_files/test_routes.py",
    "long/app/receipts/test_webhook_fuzz.py",
    "app/receipts/test_webhooks.py",
    "long/app/reports/intake/test_external_activity.py",
    "long/app/reports/test_archive_routes.py",
    "long/app/reports/test_carrier_report.py",
    "long/app/reports/test_document_meta.py",
    "long/app/reports/test_freeze.py",
    "long/app/reports/test_histories.py",
    "long/app/reports/test_letter_2024.py",
    "long/app/reports/test_paper_look.py",
    "long/app/reports/test_render.py",
    "long/app/reports/test_repair.py",
    "long/app/reports/test_routes.py",
    "long/app/reports/test_what_tables_claim.py",
    "long/app/runtime/test_worker.py",
    "app/test_no_such.py",
    "long/app/test_tamper.py",
    "app/text_verification/test_compare.py",
    "long/app/web/test_erasures.py",
    "long/app/web/test_error_translation.py",
    "long/app/web/test_fields.py",
    "long/app/web/test_forms.py",
    "long/app/web/test_pages.py",
    "long/app/web/test_sign_in.py",
    "long/app/web/test_strange.py",
    "long/app/web/test_translations.py",
    "long/app/web/test_truth.py",
    "long/app/web/test_vietnamese.py",
    "long/carriers/mobifone/test_contract.py",
    "long/carriers/simulators/test_web_messages.py",
    "carriers/viettel/test_codes.py",
    "long/carriers/viettel/test_contract.py",
    "carriers/vnpt/test_codes.py",
    "long/carriers/vnpt/test_contract.py",
    "carriers/vnpt/test_replies.py",
    "e2e",
    "faults",
    "test_drill_paper.py",
    "long/test_forked.py",
    "long/test_guards.py",
    "long/test_migrations.py",
    "long/test_new_carrier.py",
    "long/test_papers.py",
    "long/test_project_file.py",
    "test_security_paper.py",
    "long/test_weaknesses.py",
}
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
