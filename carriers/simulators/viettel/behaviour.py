"""How the simulated Viettel behaves: its account, its refusals, and formats that are not evidenced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from carriers.simulators.randomness import flag
from carriers.simulators.web import WebBehaviour

TELCOS = ("VT", "VN", "MB", "VM")
DATES = {"dd/MM/yyyy": "%d/%m/%Y", "dd-MM-yyyy": "%d-%m-%Y", "yyyyMMdd": "%Y%m%d"}
CHOICES = {
    "dlr_id_in": ("result", "message"),
    "fault_code": ("S:Server", "S:Client"),
    "date_format": tuple(DATES),
}


@dataclass(frozen=True, slots=True)
class ViettelBehaviour(WebBehaviour):
    """The common behaviour and Viettel's own; all operations share one path, so troubles hit any."""

    # The account
    cp_code: str = flag("", "the only CPCode that is known ('': any)")
    tax_code: str = flag("", "the only TaxCode that wsGetCpCode knows ('': any)")
    seen_ip: str = flag("127.0.0.1", "the caller's address, as getIp and IP_INVALID show it")
    refuse_ip: bool = flag(False, "that address is not on the list: IP_INVALID")
    balance: int = flag(1_000_000_000, "what checkBalance says at the start; each segment takes 1")
    balance_words: str = flag("BALANCE_NOT_ENOUGH", "words at its end; the real ones are not evidenced")
    # What is refused
    senders: str = flag("", "sender IDs of each network, as VT=CONGAN|CA SONLA,VN=CONGAN ('': any, in all)")
    ported: str = flag("", "endings of numbers with the network that serves them, as 07=VN,13=MB")
    duplicate_min: float = flag(5.0, "minutes in which the same text to the same number is a duplicate")
    command_code: str = flag("bulksms", "the only CommandCode")
    max_bytes: int = flag(480, "bytes of the longest Content")
    blacklist: str = flag("", "words that no Content may have, as vay,casino")
    template: str = flag("", "words that a Content must have, else it fits no template")
    information_error: float = flag(0.0, "share of messages refused with 'Check information error'")
    too_fast: str = flag("", "words of a throttled submit ('': HTTP 429; the real ones are not evidenced)")
    refusal: str = flag("", "the words that every message is refused with, whatever is in it")
    # Shapes
    fault: float = flag(0.0, "share of submits answered with S:Fault")
    fault_code: str = flag("S:Server", "its faultcode; after S:Server the messages are taken all the same")
    dlr_id_in: str = flag("result", "where wsCpMtRegDlr has its id: result or message")
    details_missing: float = flag(0.0, "share of messages of a list that its answer leaves out")
    date_format: str = flag("dd/MM/yyyy", "how getFailSub and the reports write days")
    first_page: int = flag(1, "the number of getFailSub's first page")
    pages_ignored: bool = flag(False, "getFailSub gives the same page whatever is asked for")

    def __post_init__(self) -> None:
        WebBehaviour.__post_init__(self)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: {getattr(self, name)!r} is none of {', '.join(choices)}")
        ported_to(self), declared(self)


@lru_cache(maxsize=16)
def ported_to(behaviour: ViettelBehaviour) -> Mapping[str, str]:
    """Return ending of a ported number -> the network that serves it."""
    pairs = [item.partition("=") for item in filter(None, behaviour.ported.replace(" ", "").split(","))]
    if not all(ending.isdecimal() and telco in TELCOS for ending, _, telco in pairs):
        raise ValueError(f"ported: {behaviour.ported!r} must be as 07=VN; there are {', '.join(TELCOS)}")
    return {ending: telco for ending, _, telco in pairs}


@lru_cache(maxsize=16)
def declared(behaviour: ViettelBehaviour) -> Mapping[str, frozenset[str]]:
    """Return network -> the sender IDs registered there; empty if any is accepted everywhere."""
    found = {}
    for item in filter(None, behaviour.senders.split(",")):
        telco, equals, names = item.partition("=")
        if telco.strip() not in TELCOS or not equals:
            raise ValueError(f"senders: {item!r} must be as VT=CONGAN; there are {', '.join(TELCOS)}")
        found[telco.strip()] = frozenset(name.strip() for name in names.split("|"))
    return found
