"""What protects each column against somebody who can write every row: one declaration for the whole schema.

`loa verify` and the doctor name what differs from a protected column. A test holds this table to the schema,
and what is open to SECURITY.md, so that nobody adds a column without deciding.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Protection(Enum):
    """How a change of a column by somebody without the secret_key is noticed."""

    STAMPED = "a MAC beside the row: row_stamps.py"
    KEPT = "a hash of the row in the audit's act: kept_rows.py"
    APPROVED = "the digest that was approved, and its stamp: ledger/approval_digest.py"
    COUNTED = "recounted from other rows, or compared with them: reports/verification"
    SEALED_LIST = "the seal of the whole list: ledger/opt_out_seal.py"
    CHAINED = "the audit's own chain: audit_chain.py"
    OPEN = "nothing: SECURITY.md names it"
    NOTHING = "it decides nothing that leaves Loa: times for people, work in progress, names of rows"


_S, _K, _A, _C = Protection.STAMPED, Protection.KEPT, Protection.APPROVED, Protection.COUNTED
_L, _H, _O, _N = Protection.SEALED_LIST, Protection.CHAINED, Protection.OPEN, Protection.NOTHING

_DOCUMENT = "id sha256 kid content"
_ALL = "*"

# Table -> protection -> its columns; "*": all that are not named.
DECLARED: Mapping[str, Mapping[Protection, str]] = {
    # ---- people, keys, acts
    "api_keys": {_S: _ALL, _N: "last_used_at stamp"},
    "people": {_S: _ALL, _O: "totp_step", _N: "stamp"},
    "recovery_codes": {_S: _ALL, _N: "stamp"},
    "sessions": {_S: _ALL, _N: "seen_at address stamp"},
    "login_attempts": {_O: _ALL},
    "audit": {_H: _ALL},
    "idempotency_keys": {_O: _ALL},
    "faults": {_O: _ALL},
    "jobs": {_N: _ALL},
    "trusted_clock": {_O: _ALL},
    "approval_requests": {_S: _ALL, _N: "stamp"},
    "database_identity": {_N: _ALL},
    "notices": {_S: "id key kind channel target payload", _O: "state", _N: _ALL},
    # ---- campaigns
    "directives": {_K: "number issued_on issuer report_deadline", _N: _ALL},
    "campaigns": {_A: _ALL, _O: "wording", _N: "name text_key version created_at created_by budget_dong"},
    "approvals": {_S: _ALL, _N: "stamp content links"},
    "runs": {
        _A: "id campaign_id carrier state",
        _O: "priority segments_per_second closing started_at ended_at finished_at",
        _N: _ALL,
    },
    "run_batches": {_A: "campaign_id batch_id run_id", _C: "fanned_upto fanned_all"},
    "audiences": {_A: _ALL},
    "budgets": {_C: "campaign_id segments", _N: "wanted"},
    # ---- batches
    "batches": {
        _A: "id carrier sha256 rows_sha256",
        _C: "lines accepted rejected repeated",
        _N: _ALL,
    },
    "subscribers": {_C: _ALL},
    "bad_lines": {_C: "batch_id line reason", _N: "value"},
    "follow_ups": {_A: "batch_id campaign_id", _N: _ALL},
    "follow_up_sources": {_N: _ALL},
    "replacements": {_A: _ALL},
    # ---- privacy
    "do_not_send": {_L: "carrier phone", _N: _ALL},
    "opt_out_seals": {_S: _ALL},
    "left_out": {_C: _ALL},
    "erasures": {_C: _ALL},
    "person_requests": {_S: "id paper sha256 seal", _N: _ALL},
    "retention_terms": {_O: _ALL},
    # ---- dispatch and receipts: the path of a message, recounted by `loa verify`
    "deliveries": {_C: _ALL, _O: "resends"},
    "chunks": {
        _S: "campaign_id batch_id first_seq last_seq run_id stamp",
        _C: "state",
        _O: "pass_no",
        _N: _ALL,
    },
    "submissions": {_C: _ALL},
    "receipts": {_C: _ALL},
    "tallies": {_C: _ALL},
    "unknowns": {_C: _ALL},
    "state_events": {_C: _ALL},
    "quarantine": {_N: _ALL},
    "receipt_files": {_C: _ALL},
    "receipt_lines": {_C: _ALL},
    "last_submissions": {_N: _ALL},
    "status_queries": {_N: _ALL},
    "polled_chunks": {_N: _ALL},
    "inbound_messages": {_O: _ALL},
    "outcome_counts": {_N: _ALL},
    "late_failures": {_N: _ALL},
    "daily_counts": {_N: _ALL},
    "run_counts": {_N: _ALL},
    "webhook_clocks": {_N: _ALL},
    "links": {_C: "receipt_level", _O: "state segments_per_second", _N: _ALL},
    "link_levels": {_K: _ALL},
    "link_health": {_N: _ALL},
    "link_pace": {_N: _ALL},
    # ---- reports
    "snapshots": {_C: _ALL},
    "kept_reach": {_C: _ALL},
    "statements": {_K: _ALL, _N: "at"},
    "attachments": {_K: "id sha256 name media_type size", _C: "content", _N: "created_at created_by"},
    "addressees": {_K: _ALL},
    "outreach": {_K: _ALL, _N: "at"},
    "reports": {_K: _ALL, _N: "created_at created_by code code_salt"},
    "issued_reports": {_K: "report_id number dated_on signer", _N: "at by"},
    "report_files": {_K: _ALL},
    "signed_papers": {_K: "id report_id sha256 name size found", _C: "content", _N: "checked_at at by"},
    # ---- signed documents
    "signing_keys": {_K: _ALL},
    "signed_orders": {_K: f"{_DOCUMENT} run_id serial kind digest by", _N: "at"},
    "signed_results": {_K: f"{_DOCUMENT} version statement_id order_id final by", _N: "at"},
    "received_orders": {_K: f"{_DOCUMENT} number chain serial kind run_id by", _N: "at"},
    "exported_results": {_K: f"{_DOCUMENT} version run_id by", _N: "at"},
    # ---- registers
    "sender_names": {_K: _ALL, _N: "contact remarks changed_at changed_by"},
    "registration_rules": {_K: "carrier lead_days needs_template forbidden_words", _N: _ALL},
    "register_overrides": {_K: _ALL, _N: "at"},
    "panel_telephones": {_K: "id carrier area consent_on", _O: "phone", _N: "added_at added_by"},
    "panel_answers": {_K: "id run_id answer", _O: "telephone_id", _N: "way at asked_at"},
}


def columns(table: str, protection: Protection, every: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of a table, of which `every` are all, that are protected in this way."""
    declared = DECLARED[table]
    names = declared.get(protection, "")
    if names != _ALL:
        return tuple(name for name in every if name in names.split())
    others = {name for other, said in declared.items() if other is not protection for name in said.split()}
    return tuple(name for name in every if name not in others)
