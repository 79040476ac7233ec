"""The demo's carriers over SMPP: behaviour of each simulator, and settings of its link."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

from app.core.config import LinkSettings

ANYTHING = "loa-demo"  # the simulators accept any credentials
# Simulators end by themselves, should the demo be killed.
_LAST_RESORT = ("--until-idle", "300", "--for", "43200")
QUICK_RECEIPTS = ("--receipt-delay-s", "0.3", "--receipt-spread-s", "0.7", "--receipt-window", "1000")


class Receipts(StrEnum):
    """How receipts reach the demo."""

    LINK = "by the link itself"
    POLL = "asked for, message by message"
    WEBHOOK = "by a signed webhook"
    FILE = "in the carrier's result file"


@dataclass(frozen=True, slots=True)
class DemoCarrier:
    """One carrier: its simulator with its behaviour in words and flags, and its link.

    link: the adapter's options, where {port} stands for the simulator's port.
    """

    words: str
    behaviour: tuple[str, ...]
    segments_per_second: float
    link: dict[str, object]
    kind: str = "smpp"
    simulator: str = "smsc"
    receipts: Receipts = Receipts.LINK

    def flags(self, seed: int) -> list[str]:
        return ["--port", "0", "--json", "--seed", str(seed), *_LAST_RESORT, *self.behaviour]

    def settings(self, carrier: str, port: int, **more: object) -> LinkSettings:
        options = _SMPP if self.kind == "smpp" else {}
        placed = {name: _placed(value, port) for name, value in (options | self.link | more).items()}
        return LinkSettings(
            carrier=carrier,
            kind=self.kind,
            segments_per_second=self.segments_per_second,
            password=SecretStr(ANYTHING),
            **placed,
        )


_SMPP: dict[str, object] = {"host": "127.0.0.1", "port": "{port}", "system_id": ANYTHING, "window": 100}
_SMPP |= {"receipt_level": "handset"}  # the simulators' receipts are the handsets'


def _placed(value: object, port: int) -> object:
    return value.format(port=port) if isinstance(value, str) else value


def scenario(subscribers: int) -> dict[str, DemoCarrier]:
    # Each missing answer blocks the link for the response time-out, so a large demo gets a smaller share.
    unanswered = min(0.002, 60 / subscribers)
    return {"viettel": _VIETTEL, "vnpt": _VNPT, "mobifone": _mobifone(unanswered)}


_VIETTEL = DemoCarrier(
    "quick; some receipts come before the answer, 3 % of messages fail, a few are never reported",
    (
        *QUICK_RECEIPTS,
        *("--outcomes", "UNDELIV/001=0.02,EXPIRED/027=0.01"),
        *("--early", "0.02", "--unreported", "0.001"),
    ),
    4000.0,
    {},
)
_VNPT = DemoCarrier(
    "takes 1,500 messages/s and throttles beyond; ids in hex, in receipts in decimal; 1 % reported twice",
    (
        *QUICK_RECEIPTS,
        *("--rate-limit", "1500", "--refusals", "0x08=0.002,0x0B=0.003", "--outcomes", "UNDELIV/001=0.015"),
        *("--id-form", "hex", "--receipt-id-form", "dec", "--twice", "0.01"),
    ),
    2000.0,
    {"id_mode": "hex_dec"},
)


def _mobifone(unanswered: float) -> DemoCarrier:
    return DemoCarrier(
        "slow to answer; rejects some numbers, and some answers never arrive, though the message "
        "was accepted",
        (
            *("--answer-delay-s", "0.02", "--answer-spread-s", "0.05", "--unanswered", f"{unanswered:.6f}"),
            *("--refusals", "0x0B=0.01", "--outcomes", "UNDELIV/001=0.02", "--out-of-order"),
            *("--unreported", "0.002", "--receipt-delay-s", "0.3", "--receipt-spread-s", "0.7"),
        ),
        800.0,
        {"response_timeout_s": 1.5},
    )
