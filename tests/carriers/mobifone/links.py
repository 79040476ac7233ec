"""A MobiFone link for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from carriers.contract import LinkOptions, OutboundSms
from carriers.mobifone.carrier import MobifoneCarrier

PASSWORD = "s3cr3t-w0rd"
ACCENTED = "Công an tỉnh cảnh báo: không cung cấp mã OTP cho bất kỳ ai."


def options(base_url: str, **more: object) -> LinkOptions:
    own = {"base_url": base_url, "user": "loa", "password": PASSWORD, "login_pause_s": 0.01, **more}
    return LinkOptions("mobifone-1", "mobifone", 10.0, own)


@asynccontextmanager
async def link(base_url: str, **more: object) -> AsyncIterator[MobifoneCarrier]:
    """An open link."""
    carrier = MobifoneCarrier(options(base_url, **more))
    await carrier.open()
    try:
        yield carrier
    finally:
        await carrier.close()


def letters(count: int, text: str = "Canh bao lua dao") -> list[OutboundSms]:
    return [OutboundSms(f"8490123{number:04d}", text, "CONGAN") for number in range(count)]
