"""The field mappings that come with Loa, in the notation of the settings table `map`."""

from __future__ import annotations

from typing import Any

# By convention: no Vietnamese carrier documents its receipts. The statuses are SMPP v3.4, appendix B.
_GENERIC: dict[str, Any] = {
    "reference": ["request_id", "message_id"],
    "phone": "msisdn",
    "status": "status",
    "statuses": {
        "DELIVRD": "delivered",
        "UNDELIV": "undelivered",
        "REJECTD": "undelivered",
        "DELETED": "undelivered",
        "EXPIRED": "expired",
        "SENT": "in_transit",
        "ACCEPTD": "in_transit",
        "ENROUTE": "in_transit",
        "UNKNOWN": "unknown",
    },
    "code": "error",
    "done_at": "done_at",
}

# eSMS.vn's manual: GET with these names. "5" is "finished", not "delivered": the counts decide. For
# advertising there is one total per SMSID, without a phone.
_ESMS: dict[str, Any] = {
    "source": "query",
    "reference": ["SMSID", "RequestId"],
    "phone": "phonenumber",
    "needs_phone": True,
    "status": "SendStatus",
    "statuses": {
        "1": "in_transit",  # awaits approval
        "2": "in_transit",  # waits to be sent
        "4": "undelivered",  # refused
        "5": "delivered",  # finished
        "7": "in_transit",  # sent, awaits its report
    },
    "succeeded": "SendSuccess",
    "failed": "SendFailed",
}

# FPT's manual: JSON; it expects {"status":1}.
_FPT: dict[str, Any] = {
    "reference": "smsid",
    "status": "status",
    "statuses": {"1": "delivered", "0": "undelivered", "2": "in_transit", "-11": "in_transit"},
    "code": "error",
}

# One public client of VietGuys: JSON, all of it under "data".
_VIETGUYS: dict[str, Any] = {
    "events": "data",
    "reference": "message_id",
    "status": "status",
    "statuses": {"delivered": "delivered", "sent": "in_transit", "fail": "undelivered"},
}

# Incom's webhook has these names; its statuses are documented for status queries.
_INCOM: dict[str, Any] = {
    "reference": "IdOmniMess",
    "status": "Status",
    "statuses": {"SUCCESS": "delivered", "FAIL": "undelivered", "PROCESSING": "in_transit"},
    "code": "ErrorCode",
}

# One public client of ABENLA: a query on POST; status 2 in XML acknowledges it. The answer's element names
# are our guess: compare them with your contract.
_ABENLA: dict[str, Any] = {
    "source": "query",
    "reference": "SMSGUID",
    "status": "SMSSTATUS",
    "statuses": {"3": "delivered"} | dict.fromkeys(["4", "5", "6", "7", "8", "9", "10", "13"], "undelivered"),
    "code": "SMSSTATUS",
    "reasons": {
        "5": "no_such_number",
        "6": "wrong_request",  # our account has expired
        "7": "wrong_request",  # our account is empty
        "8": "wrong_request",  # no price agreed
        "9": "system",
        "10": "filtered",
        "13": "filtered",
    },
    "answer": '<?xml version="1.0" encoding="utf-8"?><Response><Status>2</Status></Response>',
    "answer_type": "application/xml",
}

PRESETS: dict[str, dict[str, Any]] = {
    "generic": _GENERIC,
    "esms": _ESMS,
    "fpt": _FPT,
    "vietguys": _VIETGUYS,
    "incom": _INCOM,
    "abenla": _ABENLA,
}
