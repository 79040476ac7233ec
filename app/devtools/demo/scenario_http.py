"""The demo's carriers over their own HTTP interfaces, plus one over SMPP."""

from __future__ import annotations

from app.devtools.demo.scenario_smpp import ANYTHING, QUICK_RECEIPTS, DemoCarrier, Receipts

# Relative sizes, for the first three as in app/devtools/sample_data.py.
SHARES = {"viettel": 0.6, "vnpt": 0.3, "mobifone": 0.12, "vietnamobile": 0.1}

# The simulators accept any account, contract, label and template.
_VNPT_ACCOUNT: dict[str, object] = {
    "user": "loa",
    "portal_user": "SONLA_CA",
    "agent_id": "999",
    "contract_id": "70001",
    "label_id": "900101",
    "label": "CONG AN",
    "templates": {"800123": "{D,1000}"},
}
_PATIENCE: dict[str, object] = {"answer_timeout_s": 2.0, "in_flight": 20}


def scenario(subscribers: int) -> dict[str, DemoCarrier]:
    # Each lost answer costs a time-out, so a large demo gets a smaller share.
    lost = min(0.01, 20 / subscribers)
    return {
        "viettel": _viettel(lost),
        "vnpt": _vnpt(lost),
        "mobifone": _mobifone(lost),
        "vietnamobile": _VIETNAMOBILE,
    }


def _viettel(lost: float) -> DemoCarrier:
    return DemoCarrier(
        "SOAP, lists with a result for each number; 3 % of messages fail, some receipts come early or twice",
        (
            *QUICK_RECEIPTS[:4],
            *("--outcomes", "UNDELIV/001=0.02,EXPIRED/027=0.01", "--early", "0.01", "--twice", "0.01"),
            *("--receipt-batch", "200", "--hang", f"{lost:.6f}", "--gzip", "0.1"),
        ),
        4000.0,
        {"base_url": "http://127.0.0.1:{port}/bulkapi", "user": "loa", "cp_code": "SLA_CA"}
        | {"receipt_level": "handset", "accented": False}
        | _PATIENCE,
        kind="viettel",
        simulator="viettel",
        receipts=Receipts.WEBHOOK,
    )


def _vnpt(lost: float) -> DemoCarrier:
    return DemoCarrier(
        "JSON, lists with one verdict for all; ported numbers and bad ones are found by halving the list",
        (
            *QUICK_RECEIPTS[:4],
            *("--ported", "707=3,808=2", "--refused", "0313", "--outcomes", "UNDELIV/001=0.015"),
            *("--hang", f"{lost:.6f}", "--error-502", f"{lost:.6f}"),
        ),
        2000.0,
        {"base_url": "http://127.0.0.1:{port}/smsbn/api", "traffic": "cskh", "poll": "all"}
        | {"poll_after_s": 1.0, "queries_per_second": 1000.0}
        | _VNPT_ACCOUNT
        | _PATIENCE,
        kind="vnpt",
        simulator="vnpt",
        receipts=Receipts.POLL,
    )


def _mobifone(lost: float) -> DemoCarrier:
    return DemoCarrier(
        "one number in a request, in a session that ends; no receipts at all, but a file in the end",
        (
            *("--session-age-s", "5", "--refused", "13", "--outcomes", "UNDELIV/001=0.02"),
            *("--hang", f"{lost:.6f}", "--receipt-delay-s", "0.1"),
        ),
        800.0,
        {"base_url": "http://127.0.0.1:{port}/smsg", "user": "loa", "session_s": 3.0} | _PATIENCE,
        kind="mobifone",
        simulator="mobifone",
        receipts=Receipts.FILE,
    )


_VIETNAMOBILE = DemoCarrier(
    "SMPP; 2 % of messages fail, some receipts come before the answer",
    (*QUICK_RECEIPTS, "--outcomes", "UNDELIV/001=0.02", "--early", "0.02"),
    1000.0,
    {},
)

__all__ = ["ANYTHING", "SHARES", "scenario"]
