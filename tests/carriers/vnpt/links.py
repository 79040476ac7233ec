"""VNPT links for tests: their settings, their messages, and a carrier that answers by a table."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from carriers.contract import LinkOptions, OutboundSms, SubmitResult
from carriers.options import VIETNAM
from carriers.vnpt.carrier import VnptCarrier

URL = "http://sms.example.vn/smsbn/api"
PASSWORD = "s3cr3t-w0rd"
TEXT = "Cong an tinh canh bao: khong cung cap ma OTP cho bat ky ai."
ACCENTED = "Công an tỉnh cảnh báo: không cung cấp mã OTP cho bất kỳ ai."
# A working day, in hours that advertising may use.
MORNING = datetime(2024, 1, 29, 9, 30, tzinfo=VIETNAM)


def options(url: str = URL, **more: object) -> dict[str, object]:
    base: dict[str, object] = {
        "base_url": url,
        "user": "loa-api",
        "password": PASSWORD,
        "portal_user": "SONLA_CA",
        "agent_id": "999",
        "contract_id": "70001",
        "label_id": "900101",
        "label": "CONGAN",
        "traffic": "cskh",
        "templates": {"800123": "{D,1000}"},
        "read_pause_s": 0.001,
    }
    return {**base, **more}


@asynccontextmanager
async def open_link(
    url: str = URL, now: datetime | None = MORNING, **more: object
) -> AsyncIterator[VnptCarrier]:
    link = LinkOptions("vnpt-1", "vnpt", 100, options(url, **more))
    carrier = VnptCarrier(link) if now is None else VnptCarrier(link, lambda: now)
    await carrier.open()
    try:
        yield carrier
    finally:
        await carrier.close()


def sms(number: int = 1, text: str = TEXT, prefix: str = "8491234", key: str | None = None) -> OutboundSms:
    key = f"SLA-{number:06d}" if key is None else key
    return OutboundSms(f"{prefix}{number:04d}", text, "CONGAN", key=key)


async def send_one(url: str = URL, **more: object) -> SubmitResult:
    async with open_link(url, **more) as carrier:
        (result,) = await carrier.submit([sms()])
    return result


def asked(request: Any) -> dict[str, Any]:
    """The fields of a JSON request that respx has kept."""
    found: dict[str, Any] = json.loads(request.content)["RQST"]
    return found
