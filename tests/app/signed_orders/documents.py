"""An order, its result and the keys of both sides, as tests change them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.signed_orders import loa_carrier

NOW = datetime(2031, 2, 10, 1, tzinfo=UTC)
POLICE, CARRIER, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
TEXT = "Cong an tinh Son La: canh giac voi cuoc goi gia danh."


def keys(*private: Ed25519PrivateKey) -> dict[str, Any]:
    return {loa_carrier.kid(key.public_key()): key.public_key() for key in private}


def order(**changes: Any) -> dict[str, Any]:
    content = {
        "directive": {"number": "303/CAT-PA05", "issued_on": "2031-01-29", "issuer": "Công an tỉnh Sơn La"},
        "purpose": "awareness",
        "sender": "CASONLA",
        "texts": [
            {"language": "", "text": TEXT, "sha256": hashlib.sha256(TEXT.encode()).hexdigest(), "parts": 1}
        ],
        "begins_at": "2031-02-05T00:00:00Z",
        "ends_at": "2031-02-12T00:00:00Z",
        "day_begins": "07:00",
        "day_ends": "21:00",
        "time_zone": "Asia/Ho_Chi_Minh",
        "area_basis": "dia_chi_dang_ky",
        "areas_of": "2031-02-05",
        "areas": [{"code": "03646", "name": "Phường Tô Hiệu"}, {"code": "03985", "name": "Xã Mai Sơn"}],
        "estimated": 350_000,
        "figures": ["eligible", "sent", "received", "by_area"],
        "report_by": "2031-02-24T10:00:00Z",
        "valid_until": "2031-02-28T00:00:00Z",
        "approval": {"sha256": "0" * 64, "approved_at": "2031-02-03T02:00:00Z"},
    }
    return {
        "format": "loa-order/1",
        "kind": "order",
        "number": "2-1",
        "issuer": "Công an tỉnh Sơn La",
        "carrier": "vnpt",
        "issued_at": "2031-02-03T02:30:00Z",
        "replaces": None,
        "reason": "",
        "content": content,
    } | changes


def signed_order(key: Ed25519PrivateKey = POLICE, **changes: Any) -> bytes:
    return loa_carrier.sign(order(**changes), key)


def row(area: str | None, sent: int, received: int, failed: int, excluded: int = 0) -> dict[str, Any]:
    counts = {"eligible": sent + excluded, "excluded": excluded, "sent": sent, "received": received}
    counts |= {"failed": failed, "no_receipt": sent - received - failed}
    return counts if area is None else {"area": area} | counts


def result(about: bytes | None = None, **changes: Any) -> dict[str, Any]:
    asked = loa_carrier.read(about or signed_order())
    return {
        "format": "loa-result/1",
        "order": {"number": asked.content["number"], "sha256": asked.sha256},
        "carrier": asked.content["carrier"],
        "version": 1,
        "changes": "",
        "final": True,
        "made_at": "2031-02-09T01:00:00Z",
        "began_at": "2031-02-05T01:00:00Z",
        "ended_at": "2031-02-07T10:30:00Z",
        "cutoff_at": "2031-02-09T00:00:00Z",
        "proves": "operator",
        "totals": row(None, 346_000, 318_000, 20_000, 4_000),
        "parts": 346_000,
        "excluded": [{"cause": "repeated", "count": 1_500}, {"cause": "barred", "count": 2_500}],
        "failed": [],
        "areas": [row("03646", 200_000, 190_000, 5_000, 4_000), row("03985", 146_000, 128_000, 15_000)],
        "withheld": {"rule": "fewer-than-5", "areas": []},
        "remarks": "",
    } | changes


def signed_result(key: Ed25519PrivateKey = CARRIER, about: bytes | None = None, **changes: Any) -> bytes:
    return loa_carrier.sign(result(about, **changes), key)
