"""How the simulated VNPT behaves: its account, its limits, its formats and its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from carriers.simulators.randomness import flag
from carriers.simulators.web import WebBehaviour

DAYS = {"dd-MM-yyyy": "%d-%m-%Y", "dd/MM/yyyy": "%d/%m/%Y"}
NETWORKS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True, slots=True)
class VnptBehaviour(WebBehaviour):
    """The common behaviour and VNPT's own; an id that is "" matches any."""

    # The account
    portal_user: str = flag("", "the only USERNAME that is known ('': any)")
    agent_id: str = flag("", "the only AGENTID that is known ('': any)")
    adser_id: str = flag("500", "the customer that get_adser lists")
    contract_id: str = flag("", "the only CONTRACTID that is known ('': any)")
    contract_until: str = flag("31-12-2030", "ENDVALIDDATED of the contract")
    traffic: str = flag("", "the CONTRACTTYPEID of the template: 1 CSKH, 2 QC ('': any)")
    label_id: str = flag("", "the only LABELID that is known ('': any)")
    label: str = flag("CONGAN", "the sender ID of that label")
    template_id: str = flag("", "the only TEMPLATEID that is known ('': any)")
    template: str = flag("{D,1000}", "the template's content; {D,n} or {P1} are its parameters")
    # What is refused
    answer_code: str = flag("", "the code that every list gets, whatever is in it, as 29")
    ported: str = flag("", "endings of numbers with the network that serves them, as 07=3,13=2: code 25")
    keywords: str = flag("", "words that no text may have, as vay,casino: code 30")
    max_length: int = flag(640, "characters of the longest text: code 11")
    quota: int = flag(0, "segments until the package is used up (0: no end)")
    quota_code: str = flag("22", "what it says then: 20, 21 or 22")
    blocked_hours: str = flag("-800 1130-1300 1830-2000 2100-", "when QC is refused: code 8")
    per_day: int = flag(3, "QC requests for one number in a day: code 26 from then on")
    # Spellings
    error_as_number: bool = flag(False, "codes are numbers in place of strings")
    success: str = flag("success", "ERROR_DESC of what was taken; Success is seen as well")
    schedule_format: str = flag("dd-MM-yyyy", "how days are written: dd-MM-yyyy or dd/MM/yyyy")
    status_field: str = flag("STATUS", "where the status stands: STATUS or ERROR")
    # The clock
    clock: str = flag("", "the time in Viet Nam at its start, as 2024-01-29T09:30 ('': the machine's)")
    stage_s: float = flag(0.0, "seconds from one status to the next: 5, 2, then 3 for QC, then 0 or 1")

    def __post_init__(self) -> None:
        WebBehaviour.__post_init__(self)
        if self.schedule_format not in DAYS:
            raise ValueError(f"schedule_format: {self.schedule_format!r} is none of {', '.join(DAYS)}")
        if self.clock:
            datetime.fromisoformat(self.clock)
        networks(self)


def networks(behaviour: VnptBehaviour) -> Mapping[str, str]:
    """Return ending of a ported number -> the id of its network."""
    pairs = [item.partition("=") for item in filter(None, behaviour.ported.replace(" ", "").split(","))]
    strange = next((item for item in pairs if item[2] not in NETWORKS), None)
    if strange is not None:
        raise ValueError(f"ported: {''.join(strange)!r} must be ENDING=NETWORK, with a network of 1 to 5")
    return {ending: network for ending, _, network in pairs}
