"""The permission table: which role may do which operation. What is in no table does not start.

Asked at each request by `permit` in authorization.py.
"""

from __future__ import annotations

from enum import StrEnum

from app.core.errors import Forbidden


class Role(StrEnum):
    """Role of a caller."""

    ADMIN = "admin"
    APPROVER = "approver"
    OPERATOR = "operator"  # of one carrier: sees and starts only its own
    AUDITOR = "auditor"  # reads everything, changes nothing
    WALL = "wall"  # of a key alone: sees the wall screen and nothing else


# Whom people may be. A wall screen has nobody who signs in.
OF_PEOPLE = (Role.ADMIN, Role.APPROVER, Role.OPERATOR, Role.AUDITOR)
EVERYBODY = frozenset(OF_PEOPLE)
OFFICE = frozenset({Role.ADMIN, Role.APPROVER, Role.AUDITOR})
AUTHORS = frozenset({Role.ADMIN, Role.APPROVER})  # who write campaigns, and decide on those of others
SENDERS = frozenset({Role.ADMIN, Role.OPERATOR})
WORKERS = frozenset({Role.ADMIN, Role.APPROVER, Role.OPERATOR})
ADMINS = frozenset({Role.ADMIN})

# Routes that are written out, and pages; an operation declares its roles (app/operations).
_MAY: tuple[tuple[frozenset[Role], str], ...] = (
    # Operators see their own carrier's only (app/security/tenant_scope.py, and each list).
    (EVERYBODY, "download_bad_lines watch_run watch_campaign download_receipt_lines download_unknown"),
    (EVERYBODY, "get_me log_out change_password enrol_totp confirm_totp list_sessions end_sessions"),
    (AUTHORS, "return_report_form"),
    # Work of a carrier's operator, which the office may do for it.
    (WORKERS, "upload_batch upload_receipt_file keep_attachment return_statement_form"),
    (WORKERS, "freeze_report keep_signed_paper"),
    # Citizens' messages are for the addressee only.
    (SENDERS, "page_inbound"),
    # Who looks for a person is in the audit: app/dispatch/find_person.py.
    (SENDERS, "page_find_person"),
    (ADMINS, "download_scam_reports"),
    # Whole numbers, which are the carrier's own subscribers.
    (frozenset({Role.OPERATOR}), "download_failed"),
    (frozenset({Role.ADMIN, Role.AUDITOR}), "list_acts verify_audit"),
    # Pages that read. page_do_<operation> is for the roles of that operation.
    (EVERYBODY, "page_overview page_overview_events page_second_factor page_search page_search_words"),
    (frozenset(Role), "page_wall page_wall_events"),
    (EVERYBODY, "page_campaigns page_campaign page_campaign_events page_batch page_delivery page_links"),
    (EVERYBODY, "page_sender_names page_sender_name"),
    (EVERYBODY, "page_run page_run_events page_unknown page_rejected page_signing_keys"),
    (EVERYBODY, "page_reports page_run_report page_campaign_report page_frozen_report"),
    (OFFICE, "page_directive_report"),
    (EVERYBODY, "page_batches page_texts page_directives page_directive page_receipts"),
    # A carrier that knew which telephones look would serve them better than the rest.
    (OFFICE, "page_panel page_run_panel"),
    (OFFICE, "page_approvals page_notices page_erasures page_erasure"),
    (OFFICE, "page_person_requests page_person_request"),
    (EVERYBODY, "page_receipt_files page_receipt_file page_opt_outs"),
    (WORKERS, "page_new_batch page_new_receipt_file"),
    (AUTHORS, "page_compose page_follow_up page_edit page_new_directive page_outreach"),
    (frozenset({Role.ADMIN, Role.AUDITOR}), "page_audit page_audit_verification page_audit_export"),
    (ADMINS, "page_people page_person page_keys page_key"),
    (EVERYBODY, "page_account"),
)
PAGE = "page_"
PAGE_DOES = "page_do_"

PERMISSIONS: dict[str, frozenset[Role]] = {
    operation: roles for roles, operations in _MAY for operation in operations.split()
}

# Operations without credentials, or with their own kind (carriers' webhooks).
OPEN = frozenset(
    {
        *("page_verify", "page_verify_poster", "page_do_verify_text", "verify_text"),
        *("page_verify_report", "verify_report"),
        # Signed: a personal link, and a gateway app on a test telephone.
        *("page_panel_link", "page_do_answer_panel_link", "take_gateway_sms"),
        *("healthz", "readyz", "metrics", "explain", "docs_page", "docs_style", "log_in"),
        *("post_webhook", "post_webhook_token", "get_webhook", "get_webhook_token"),
        *("page_sign_in", "page_do_log_in", "page_language", "page_static"),
    }
)


def may(role: str, operation: str) -> bool:
    """Return whether the role may; KeyError for what is in no table, as an operation that is not loaded."""
    return role in PERMISSIONS[operation.removeprefix(PAGE_DOES)]


def require(role: str, operation: str) -> None:
    """Raise Forbidden unless this role may do the operation."""
    if not may(role, operation):
        raise Forbidden("The role {role} cannot do this. Ask someone whose role can.", role=role)
