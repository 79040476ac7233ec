"""What of the program's words no page says: whole modules, and single strings; each with its reason."""

from __future__ import annotations

_HOST = "said at the host, by the command line and rehearsals, in English"
_START = "ends the start, before any page is there"
_API = "the API's own description"
_PROGRAMS = "the answer to a program: a carrier's webhook, a monitor"
_NAMES = "names of columns, words and operations, which are read"
_SQL = "SQL, and what only `loa database` says"
_PAPER = "papers, which are Vietnamese"
_OWN = "pages have sentences of their own for it"

# The beginning of a path.
MODULES = {
    "app/security/protection.py": "names of columns",
    "app/cli/": _HOST,
    "app/devtools/": _HOST,
    "app/diagnostics/": _HOST,
    "app/dispatch/restore_recovery.py": _HOST,
    "app/database/server_waits.py": _HOST,
    "app/runtime/worker.py": _HOST,
    "app/reports/verification/verify.py": _HOST,
    "app/reports/counting/unique_reach.py": _HOST,
    "carriers/simulators/": _HOST,
    "app/core/config.py": _START,
    "app/runtime/transport_security.py": _START,
    "app/observability/logs.py": _START,
    "app/database/schema.py": _START,
    "app/runtime/http_server.py": _START,
    "app/core/setting_sources.py": _START,
    "app/runtime/webhooks.py": _START,
    "app/receipts/poll.py": _START,
    "app/api/openapi.py": _API,
    "app/api/api_docs.py": _API,
    "app/runtime/api_app.py": _API,
    "app/campaigns/queries.py": _PROGRAMS,  # the run's page has its own words for the counts
    "app/observability/metrics.py": _PROGRAMS,
    "app/receipts/routes.py": _PROGRAMS,
    "app/receipts/webhook_calls.py": _PROGRAMS,
    "app/receipts/webhook_handler.py": _PROGRAMS,
    "carriers/webhook/": _PROGRAMS,
    "app/telephone_panel/gateway_route.py": _PROGRAMS,
    "app/security/roles.py": _NAMES,
    "app/receipts/result_files/status_words.py": _NAMES,
    "app/reports/figures/addressees.py": _NAMES,
    "app/receipts/result_files/queries.py": _NAMES,
    "app/core/errors.py": "where programs find what there is: the pages' sentence goes without",
    "carriers/viettel/queries.py": _HOST,
    "carriers/vnpt/account_check.py": _HOST,
    "carriers/vnpt/status_queries.py": _HOST,
    "app/ledger/": _SQL,
    "app/reports/figures/figures.py": "figures are told by their own table, in both languages",
    "app/reports/export/": _PAPER,
    "app/file_import/form_writer.py": _PAPER,
    "app/campaigns/forecast.py": _OWN,
    "carriers/text/": _OWN,
}

_DATA = "kept and exported as it was written: of a person, a receipt, an act of the audit"
_INSIDE = "the name of a lock, a count, a form; what a carrier says; what a table's row becomes"
_LOG = "an error within the program: it ends the start, or in the log"

WORDS = {
    " (command line)": _DATA,
    "run {}": _DATA,
    "batch {}": _DATA,
    "audience {} {}": _INSIDE,
    "file {}, line {}: {}": _DATA,
    "state {}": _DATA,
    "query_sm: {}": _DATA,
    "Did you mean {}?": _START,
    "Use * or some of: {}.": _START,
    (
        "Cannot use the folder {} for the ledger ({}). Give this account write access (docs/access.md "
        "explains how two people share it), or choose another folder with LOA_DATA."
    ): _START,
    "http {}": _INSIDE,
    "login {}": _INSIDE,
    "key {}": _INSIDE,
    "address {}": _INSIDE,
    "page {}": _INSIDE,
    "panel gateway {} {}": _INSIDE,
    "panel link {} {} {}": _INSIDE,
    "telephone panel": _API,
    "inbound messages": _API,
    "receipt files": _API,
    "stated figures": _API,
    "attachment; {}": _INSIDE,
    "{}: an operation needs a unique name and at least one role": _START,
    "{}: RULES has no entry for {}": _START,
    "{}: a carrier in a query is called {}, not {}": _START,
    "{}: {} must be of the type Carrier": _START,
    "{}: its page needs {}, which {} has not": _START,
    "{}: these modules declare no such form": _START,
    "{}: {}.{} must be of the type Carrier": _START,
    "Insert MT_QUEUE: OK": _INSIDE,
    "nobody's password": _INSIDE,
    "until the hours that are open": _INSIDE,
    "for the pause that the link names": _INSIDE,
    "until the next day's open hours": _INSIDE,
    "reason in words": _PAPER,
    "{} theo {}": _PAPER,
    "{} tin": _PAPER,
    "Loa: errors": _API,
    "Value error, ": _LOG,
    "no answer after {} s": _LOG,
    "The pooler in front of PostgreSQL has no free connection for Loa. Set default_pool_size in "
    "pgbouncer.ini to at least 12 for each process of Loa, then start it again.": _LOG,
    "The pooler in front of PostgreSQL hands out connections by transaction and loses prepared statements. "
    "Set max_prepared_statements = 200 in pgbouncer.ini (pgbouncer 1.21 or later), or pool_mode = session.": (
        _LOG
    ),
    "the server has closed the connection": _LOG,
    "{} is not a valid element name.": _LOG,
    "The database did not come back within {} s after the stop request.": _LOG,
    (
        "Another Loa (process {}) is using the folder {}. With SQLite only one process can send. Stop "
        "the other process, choose another folder with LOA_DATA, or set LOA_DATABASE_URL to a "
        "PostgreSQL server, which several processes can share."
    ): _START,
    "can't be 'auto': an id of digits only reads as decimal and as hexadecimal, so a guess would hang some "
    "receipts on the wrong message; ask the carrier, and name one of: same, hex_dec, dec_hex": _START,
    "a MobiFone link": _START,
    "a Viettel link": _START,
    "an SMPP link": _START,
    "dd/MM/yyyy HH": _INSIDE,
    "dd-MM-yyyy HH": _INSIDE,
    "The bind as {} at {}:{}": _HOST,
    "no data was received from it": _HOST,
    "Try again in a moment.": _HOST,
    "The key “{}” was {} under this Idempotency-Key. Its secret was shown once and is stored nowhere; if it "
    "never reached you, rotate the key (POST /v1/keys/{{}}/rotate) under a new Idempotency-Key.": _PROGRAMS,
    "The message itself: it alone may have a phone number, such as a hotline.": _API,
    # loa_carrier.py at the command line of a carrier
    **dict.fromkeys(
        (
            "Line {}: {} is not an outcome.",
            "Line {}: {} must be a whole number.",
            "Line {} repeats the area {}. Give each area one line.",
            "Line {} has fewer cells than the first line.",
            "PEM for sign, else the signer's JWK",
            "Read its fingerprint to the police over the telephone: {}",
            "SHA-256 of the order: {}",
            "SMS parts sent",
            "Signed by the key {} (fingerprint {}).",
            "The first line must name these columns once each: {}.",
            "The result keeps the format, adds up, and is about this order.",
            "The table has no line below the names of its columns.",
            "Wrote {}.",
            "columns area,eligible,excluded,sent,... or area,outcome,cause",
            "from version 2 on: what changed, and why",
            "loa_carrier: The order does not keep its format.",
            "loa_carrier: {}",
            "for the private key; FILE.jwk is for the police",
            "--carrier must be such as vnpt.",
            "your code in the orders, such as vnpt",
            "such as 2031-02-05T01:00:00Z",
            "the figures will change no more",
            "{} is not of the format {}.",
        ),
        _HOST,
    ),
}
