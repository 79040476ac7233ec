"""The access matrix: what each operation answers to whom; a table of those that are written out.

Columns: no credentials, admin, approver, auditor, a carrier's operator with its own things, the same with
another carrier's. `in` is any answer from inside: done, or refused for its content; 303 leads to the sign-in.
Ids are in the path only where the last two differ; what a role may not do at all is 403 for every id alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.security.roles import PAGE_DOES, Role
from app.security.tenant_scope import CARRIER, RULES
from tests.operations import OPERATIONS

_TABLE = """
post_webhook            403  403  403  403  403  403
get_webhook             403  403  403  403  403  403
post_webhook_token      403  403  403  403  403  403
get_webhook_token       403  403  403  403  403  403
healthz                 in   in   in   in   in   in
readyz                  in   in   in   in   in   in
metrics                 in   in   in   in   in   in
list_acts               401  in   403  in   403  403
verify_audit            401  in   403  in   403  403
upload_batch            401  in   in   403  in   in
download_bad_lines      401  in   in   in   in   404
watch_run               401  in   in   in   in   404
watch_campaign          401  in   in   in   in   404
download_unknown        401  in   in   in   in   404
download_failed         401  403  403  403  in   404
freeze_report           401  in   in   403  in   in
keep_signed_paper       401  in   in   403  in   404
get_attachment          401  in   in   in   in   404
get_signed_paper        401  404  404  404  404  404
get_signed_order        401  in   in   in   in   404
keep_attachment         401  in   in   403  in   in
return_statement_form   401  in   in   403  in   404
return_report_form      401  in   in   403  403  403
download_scam_reports   401  in   403  403  403  403
page_do_read_person_data 303  in   403  403  403  403
verify_text             in   in   in   in   in   in
verify_report           in   in   in   in   in   in
upload_receipt_file     401  in   in   403  in   in
download_receipt_lines  401  in   in   in   in   404
log_in                  in   in   in   in   in   in
log_out                 401  in   in   in   in   in
get_me                  401  in   in   in   in   in
change_password         401  403  403  403  403  403
enrol_totp              401  403  403  403  403  403
confirm_totp            401  403  403  403  403  403
list_sessions           401  403  403  403  403  403
end_sessions            401  403  403  403  403  403
page_static             404  404  404  404  404  404
page_overview           303  in   in   in   in   in
page_overview_events    303  in   in   in   in   in
page_wall               303  in   in   in   in   in
page_wall_events        303  in   in   in   in   in
page_campaigns          303  in   in   in   in   in
page_campaign           303  in   in   in   in   404
page_campaign_events    303  in   in   in   in   404
page_run                303  in   in   in   in   404
page_run_events         303  in   in   in   in   404
page_do_state_figures   303  in   in   403  in   404
page_unknown            303  in   in   in   in   404
page_batch              303  in   in   in   in   404
page_delivery           303  404  404  404  404  404
page_links              303  in   in   in   in   in
page_receipts           303  in   in   in   in   in
page_inbound            303  in   403  403  in   in
page_find_person        303  in   403  403  in   in
page_receipt_files      303  in   in   in   in   in
page_receipt_file       303  in   in   in   in   404
page_new_receipt_file   303  in   in   403  in   in
page_do_upload_receipt_file 303  in   in   403  in   in
page_sender_names       303  in   in   in   in   in
page_sender_name        303  in   in   in   in   404
page_panel              303  in   in   in   403  403
page_run_panel          303  in   in   in   403  403
page_panel_link         404  404  404  404  404  404
page_do_answer_panel_link 404  404  404  404  404  404
take_gateway_sms        403  403  403  403  403  403
page_search             303  in   in   in   in   in
page_search_words       303  in   in   in   in   in
page_second_factor      303  in   in   in   in   in
page_do_enrol_totp      303  403  403  403  403  403
page_do_confirm_totp    303  403  403  403  403  403
page_sign_in            in   in   in   in   in   in
page_verify_poster      in   in   in   in   in   in
page_verify_report      in   in   in   in   in   in
page_verify             in   in   in   in   in   in
page_do_verify_text     in   in   in   in   in   in
page_do_log_in          in   in   in   in   in   in
page_do_log_out         303  in   in   in   in   in
page_language           in   in   in   in   in   in
page_reports            303  in   in   in   in   in
page_run_report         303  in   in   in   in   404
page_campaign_report    303  in   in   in   in   404
page_directive_report   303  in   in   in   403  403
page_do_freeze_report   303  in   in   403  in   in
page_do_issue_report    303  in   in   403  in   404
page_signing_keys       303  in   in   in   in   in
page_do_take_result     303  in   in   403  in   404
page_do_set_sender_name_paper 303  in   in   403  in   404
page_do_keep_signed_paper 303  in   in   403  in   404
page_frozen_report      303  in   in   in   in   404
page_compose                303  in   in   403  403  403
page_do_create_campaign     303  in   in   403  403  403
page_do_follow_up           303  in   in   403  403  403
page_edit                   303  in   in   403  403  403
page_follow_up              303  in   in   403  403  403
page_do_edit_campaign       303  in   in   403  403  403
page_do_add_run             303  in   in   403  403  403
page_do_add_held_run        303  in   in   403  403  403
page_do_remove_run          303  in   in   403  403  403
page_approvals              303  in   in   in   403  403
page_batches                303  in   in   in   in   in
page_new_batch              303  in   in   403  in   in
page_do_upload_batch        303  in   in   403  in   in
page_directives             303  in   in   in   in   in
page_new_directive          303  in   in   403  403  403
page_directive              303  in   in   in   in   404
page_do_set_addressee       303  in   in   403  403  403
page_outreach               303  in   in   403  403  403
page_do_report_outreach     303  in   in   403  403  403
page_texts                  303  in   in   in   in   in
page_opt_outs           303  in   in   in   in   in
page_do_find_person     303  in   403  403  in   in
page_notices            303  in   in   in   403  403
page_erasures           303  in   in   in   403  403
page_erasure            303  in   in   in   403  403
page_person_requests    303  in   in   in   403  403
page_person_request     303  in   in   in   403  403
page_audit              303  in   403  in   403  403
page_audit_verification 303  in   403  in   403  403
page_audit_export       303  in   403  in   403  403
page_people             303  in   403  403  403  403
page_person             303  in   403  403  403  403
page_keys               303  in   403  403  403  403
page_key                303  in   403  403  403  403
page_do_add_key         303  in   403  403  403  403
page_account            303  403  403  403  403  403
page_do_change_password 303  403  403  403  403  403
page_do_end_sessions    303  403  403  403  403  403
"""


def _declared() -> Iterator[tuple[str, str]]:
    """What operations declare, at the API and at their pages."""
    for name, each in OPERATIONS.items():
        said = ["in" if role in each.roles else "403" for role in (Role.ADMIN, Role.APPROVER, Role.AUDITOR)]
        own = "in" if Role.OPERATOR in each.roles else "403"
        names = {parameter.name for parameter in each.ids}
        other = "404" if names & RULES.keys() else "403" if CARRIER in names else own
        row = " ".join((*said, own, other if own == "in" else own))
        yield name, f"401 {row}"
        if each.page:
            yield PAGE_DOES + name, f"303 {row}"


DECLARED = dict(_declared())
EXPECTED: dict[str, str] = DECLARED | {
    name: " ".join(words) for name, *words in (line.split() for line in _TABLE.strip().splitlines())
}
