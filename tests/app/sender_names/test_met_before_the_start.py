"""What carriers refuse by name and text is said before the start: each case at a simulator, and here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import update

from app.api.bodies import filled
from app.campaigns import lifecycle
from app.core.errors import Invalid
from app.database.connection import Database
from app.database.models import links
from app.sender_names.register import NameBody, RulesBody
from carriers.contract import Accepted, Carrier, Deferred, Halted, LinkOptions, OutboundSms, Rejected
from carriers.registry import build
from carriers.simulators.mobifone import Mobifone, MobifoneBehaviour
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from tests.app.campaigns.rows import DRAFT, new_link, new_run
from tests.operations import carry_out

NAME = "CA SON LA"
TEXTS = {
    "short": f"{NAME}: khong chuyen tien cho nguoi la.",
    "long": f"{NAME}: " + "khong doc ma OTP cho bat ky ai, " * 6 + "hay bao cong an.",
    "line": f"{NAME} canh bao: trung thuong la lua dao.",
}
GOOD = {"name": NAME, "state": "registered"}
OTHER = "Chuc mung nam moi {D,100}"
# What the register says of a name that its carrier does not take.
UNREGISTERED: Mapping[str, list[dict[str, Any]]] = {
    "another name": [GOOD | {"name": "CA KHAC"}],
    "asked": [GOOD | {"state": "asked"}],
    "refused": [GOOD | {"state": "refused"}],
    "expired": [GOOD | {"state": "expired"}],
    "over": [GOOD | {"valid_to": "2024-02-09"}],
}


@dataclass(frozen=True, slots=True)
class Case:
    """What the carrier is like (flags of its simulator), and what the register has of it."""

    kind: str
    what: str
    text: str
    flags: Mapping[str, Any]
    entries: list[dict[str, Any]]
    rules: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    template_code: str = ""

    def __str__(self) -> str:
        return f"{self.kind}-{self.what}-{self.text}"


NEEDS = {"needs_template": True}
CODE = {"tlvs": {"0x1401": "field:template_code"}}


def cases() -> Iterator[Case]:
    for text in TEXTS:
        for state, entries in UNREGISTERED.items():
            code = {"expired": True} if state in ("expired", "over") else {"inactive": True}
            yield Case("vnpt", state, text, code, entries)
            yield Case("viettel", state, text, {"senders": "VT=CONGAN"}, entries)
            yield Case("mobifone", state, text, {"senders": "CONGAN"}, entries)
            yield Case("smpp", state, text, {"senders": "CONGAN"}, entries)
        known = [GOOD, GOOD | {"template": OTHER, "template_code": "1"}]
        yield Case("vnpt", "template", text, {"registered": OTHER}, known, NEEDS)
        yield Case("viettel", "template", text, {"registered": OTHER}, known, NEEDS)
        yield Case("mobifone", "template", text, {"template": "Chuc mung"}, known, NEEDS)
        yield Case("smpp", "template", text, {"registered": OTHER}, known, NEEDS)
        yield Case("smpp", "no code", text, {"needs_tlv": 0x1401}, known, {}, CODE)
    words = {"forbidden_words": ["trung thuong"]}
    yield Case("vnpt", "word", "line", {"keyword": "trung thuong"}, [GOOD], words)
    yield Case("viettel", "word", "line", {"blacklist": "trung thuong"}, [GOOD], words)


CASES = list(cases())
SIMULATORS: Mapping[str, Any] = {
    "vnpt": lambda flags: Vnpt(VnptBehaviour(**flags)),
    "viettel": lambda flags: Viettel(ViettelBehaviour(**flags)),
    "mobifone": lambda flags: Mobifone(MobifoneBehaviour(**flags)),
    "smpp": lambda flags: Smsc(SmscBehaviour(**flags)),
}
PHONES = {"vnpt": "84912345678", "viettel": "84981234567", "mobifone": "84901234567", "smpp": "84912345678"}
OPTIONS: Mapping[str, dict[str, Any]] = {
    "vnpt": {
        "portal_user": "SONLA_CA",
        "agent_id": "999",
        "contract_id": "70001",
        "label_id": "900101",
        "label": NAME,
        "traffic": "cskh",
        "templates": {"800123": "{D,1000}"},
    },
    "viettel": {"cp_code": "SLA_CA"},
    "mobifone": {"login_pause_s": 0.01},
    "smpp": {"system_id": "loa", "receipt_level": "operator"},
}


@asynccontextmanager
async def open_link(case: Case) -> AsyncIterator[Carrier]:
    async with SIMULATORS[case.kind](case.flags) as far_end:
        place = {"host": "127.0.0.1", "port": far_end.port} if case.kind == "smpp" else {}
        place |= {} if place else {"base_url": far_end.url, "user": "loa"}
        own = OPTIONS[case.kind] | {"password": "s3cr3t-w0rd"} | place | case.options
        carrier = build(case.kind, LinkOptions(f"{case.kind}-1", case.kind, 100.0, own))
        await carrier.open()
        try:
            yield carrier
        finally:
            await carrier.close()


async def answer(case: Case) -> Any:
    message = OutboundSms(
        PHONES[case.kind], TEXTS[case.text], NAME, key="SLA-1", template_code=case.template_code
    )
    async with open_link(case) as carrier:
        result: Any = Deferred("", 0)
        while isinstance(result, Deferred):  # until the link is up
            await asyncio.sleep(0.01)
            (result,) = await carrier.submit([message])
    return result


def submitted(db: Database, case: Case) -> None:
    """Fill the register as the case says, and submit the campaign."""
    carrier = "viettel" if case.kind == "smpp" else case.kind
    for each in case.entries:
        carry_out(db, "add_sender_name", body=filled(NameBody, {"carrier": carrier} | each))
    if case.rules:
        body = filled(RulesBody, {"lead_days": 35} | case.rules)
        carry_out(db, "set_registration_rules", carrier=carrier, body=body)
    db.write(new_link, f"{carrier}-1", carrier=carrier)
    db.write(lambda c: c.execute(update(links).values(needs_template_code=bool(case.options))))
    draft = replace(DRAFT, sender=NAME, text=TEXTS[case.text])
    campaign_id, _ = db.write(new_run, draft, carrier=carrier)
    db.write(lifecycle.submit, campaign_id, "author")


@pytest.mark.longer
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_the_carrier_would_refuse_never_gets_as_far_as_the_approval(
    db: Database, case: Case
) -> None:
    assert isinstance(await answer(case), Rejected | Halted)
    with pytest.raises(Invalid):
        submitted(db, case)


def test_there_are_sixty_of_them() -> None:
    assert len({str(case) for case in CASES}) == len(CASES) >= 60


FREE = f"{NAME}: {{D,300}}"
TAKEN = [
    Case("vnpt", "all", "short", {"registered": FREE}, [GOOD, GOOD | {"template": FREE}], NEEDS),
    Case("viettel", "all", "long", {"senders": f"VT={NAME}"}, [GOOD]),
    Case("mobifone", "all", "line", {"senders": NAME, "template": NAME}, [GOOD]),
    Case("smpp", "name", "short", {"senders": NAME}, [GOOD]),
    Case(
        "smpp", "code", "line", {"senders": NAME, "needs_tlv": 0x1401},
        [GOOD, GOOD | {"template": "{D,200}", "template_code": "800123"}], {}, CODE, "800123",
    ),
]  # fmt: skip


@pytest.mark.longer
@pytest.mark.parametrize("case", TAKEN, ids=str)
async def test_what_the_register_lets_pass_is_taken(db: Database, case: Case) -> None:
    assert isinstance(await answer(case), Accepted)
    submitted(db, case)
