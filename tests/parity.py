"""Every operation of the API: its command, and why there is none, or no act of a page.

The client's method has the operation's own name. A page's act has it as well, with `page_do_` before it.
"""

from __future__ import annotations

from app.cli.operation_commands import example
from tests.operations import OPERATIONS

# Operation -> a command that carries it out over --server; the first two words are the command.
COMMANDS = {name: example(each).removeprefix("loa ") for name, each in OPERATIONS.items() if each.command}
COMMANDS |= {
    "list_acts": "audit export",
    "verify_audit": "audit verify",
    "list_bad_lines": "batch bad-lines 1",
    "download_bad_lines": "batch bad-lines 1 --out bad.csv",
    "list_texts": "text list",
    "preview_text": "text preview Canh-giac",
    "get_campaign": "campaign show 1",
    "get_run": "run show 1",
    "get_forecast": "run forecast 1",
    "get_order": "run order 1",
    "get_order_paper": "run order 1 --out order.docx",
    "find_person": "delivery find 0912345678",
    "read_person_data": "privacy person 0912345678",
    "record_person_request": "privacy request 0912345678 --kind see --came 2026-11-27 --reference x",
    "get_person_request": "privacy paper 1",
    "answer_person_request": "privacy answer 1 --why x",
    "list_unknown": "unknown list 1",
    "download_unknown": "unknown export 1 --out unknown.csv",
    "run_report": "report run 1",
    "list_doubts": "report doubts 1",
    "batch_report": "report batch 1 1",
    "campaign_report": "report campaign 1",
    "directive_report": "report directive 1",
    "get_reach": "directive reach 1",
    "list_reports": "report list",
    "get_report": "report save 1 --folder saved",
    "get_report_file": "report save 1 --folder saved",
    "prove_report": "report verify 1",
    "list_signed_papers": "report signed 1",
    "list_statements": "statement list 1",
    "list_addressees": "addressee list 1",
    "get_status": "directive status 1",
    "list_erasures": "retention list",
    "get_erasure": "retention certificate 1",
    "print_erasure": "retention certificate 1",
    "get_receipt_file": "receipts show 1",
    "download_reconciliation": "receipts show 1 --out counts.csv",
    "download_receipt_lines": "receipts lines 1 --out lines.csv",
    "list_inbound_messages": "inbound list",
    "download_scam_reports": "inbound export --out reports.csv",
    # What changes something
    "upload_batch": "batch import list.csv --carrier vnpt",
    "create_directive": "directive create 303 --issued-on 2024-01-29 --issuer CAT --subject Tet",
    "put_off_deadline": "directive deadline 1 none --reason Tet",
    "create_campaign": "campaign create Tet --sender CASONLA --text Canh-giac",
    "follow_up": "campaign follow-up 1",
    "edit_campaign": "campaign edit 3 --name Moi",
    "add_run": "campaign add-run 3 --carrier vnpt --batch 1",
    "add_held_run": "campaign add-held-run 3 --carrier viettel --estimated 9",
    "watch_run": "run watch 99",
    "write_off_unknown": "unknown write-off 1 --all",
    "freeze_report": "report freeze --run 2",
    "keep_signed_paper": "report signed 1 scan.pdf",
    "issue_report": "report issue 1 --number 1 --on 2024-02-09 --signer An",
    "keep_attachment": "statement add 1 figures.json --manual --scan scan.pdf",
    "state_figures": "statement add 1 figures.json",
    "return_statement_form": "statement add 1 form.xlsx",
    "set_addressee": "addressee set 1 VNPT --kind carrier --carrier vnpt",
    "report_outreach": "addressee report 1 VNPT --channel meeting --pieces 1",
    "return_report_form": "addressee import 1 form.xlsx",
    "replay_failed_notices": "directive replay --failed-to a@b",
    "replay_notice": "directive replay 1",
    "add_do_not_send": "do-not-send add --carrier vnpt 0912345678",
    "remove_do_not_send": "do-not-send remove --carrier vnpt 0912345678",
    "upload_receipt_file": "receipts import results.csv --carrier vnpt",
    "add_user": "user add lan --role auditor",
    "set_user_password": "user password lan",
    "set_sender_name_paper": "sender-name paper 1 scan.pdf",
    "take_result": "result add 1 result.json",
    "receive_order": "order import result.json --batch 1",
    "export_result": "result export 1 --out signed.json",
    "add_key": "key add desk --role auditor",
    "rotate_key": "key rotate desk --overlap 0h",
}
_CARRIERS = "called by carriers, with credentials of their own; no method either"
_OWN = "a person's own sign-in, which is on pages; a command has an account or a key"
_MONITORS = "for monitors and balancers; `loa doctor` is for people"
NO_COMMAND = {
    **dict.fromkeys(("get_webhook", "get_webhook_token", "post_webhook", "post_webhook_token"), _CARRIERS),
    **dict.fromkeys(("healthz", "readyz", "metrics"), _MONITORS),
    **dict.fromkeys(
        ("log_in", "log_out", "get_me", "change_password", "list_sessions", "end_sessions"), _OWN
    ),
    **dict.fromkeys(("enrol_totp", "confirm_totp"), "one's own; `loa user totp NAME` does it at the host"),
    "take_gateway_sms": "called by an app on a test telephone, signed with the key of `loa panel gateway`",
    "watch_campaign": "`loa run watch` follows each of its runs",
    "verify_text": "for citizens, who have no Loa: the page `/verify`",
    "verify_report": "for whoever holds a printed report: the page `/verify/reports`",
    "get_signed_paper": "a signed PDF is opened from its report's page; `loa report signed` has its hash",
    "get_attachment": "a scan is looked at, not printed; its hash stands in statements and papers",
    "download_failed": "whole numbers for a carrier's own operator, who opens them from the run's page",
    "list_outreach": "`loa addressee list` counts them, form B prints them",
    "list_receipt_lines": "`loa receipts lines` writes all of them as CSV",
}
_FILE = "a workbook goes with its run or letter, from where it was made: command and API"
NO_ACT = {
    **dict.fromkeys(("get_webhook", "get_webhook_token", "post_webhook", "post_webhook_token"), _CARRIERS),
    **dict.fromkeys(("return_statement_form", "return_report_form"), _FILE),
    "take_gateway_sms": "called by an app on a test telephone",
    "read_panel_gateway": "a key to be typed into an app by whoever sets it up: `loa panel gateway`",
    "keep_attachment": "a scan is handed in with what it proves, by a program or a command",
    **dict.fromkeys(
        ("receive_order", "repeat_order", "export_result"),
        "for a carrier's own Loa, by the command or its programs",
    ),
    "end_signing_key": "an end that a contract sets beforehand; `loa signing-key end`",
    "confirm_clock": "who looks after the host knows whether its clock is right: `loa clock confirm`",
    "preview_text": "the compose page shows it as one types",
}
# Acts of pages that are no operation.
PAGES_ALONE = {
    "page_do_answer_panel_link": "what the holder of a test telephone presses, with a signed link alone",
    "page_language": "which language pages have, kept in a cookie",
    "page_search_words": "leads to what was looked for; a number never becomes part of an address",
}
