"""Purposes, forms, decisions, addressees and channels as people call them."""

from __future__ import annotations

from app.campaigns.drafts import Form, Purpose
from app.core.areas import Basis
from app.reports.addressees import AddresseeKind, Channel
from app.web.translations import Said, say

PURPOSES: dict[str, Said] = {
    Purpose.AWARENESS: say("awareness"),
    Purpose.URGENT_WARNING: say("urgent warning"),
}
FORMS: dict[str, Said] = {
    Form.UNACCENTED: say("Without diacritics"),
    Form.ACCENTED: say("With diacritics"),
}
DECISIONS: dict[str, Said] = {
    "approved": say("approved"),
    "rejected": say("rejected"),
    "returned": say("returned to its author"),
    "voided": say("void: it was edited afterwards"),
}
BASES: dict[str, Said] = {
    Basis.REGISTERED: say("by the registered address"),
    Basis.SERVING: say("by the serving station"),
    Basis.UNDIVIDED: say("not at all: the whole province"),
}
KINDS: dict[str, Said] = {
    AddresseeKind.DEPARTMENT: say("departments"),
    AddresseeKind.LOCALITY: say("districts and communes"),
    AddresseeKind.UNION: say("fronts and unions"),
    AddresseeKind.PRESS: say("press and broadcasters"),
    AddresseeKind.BANK: say("banks"),
    AddresseeKind.CARRIER: say("telecom carriers"),
    AddresseeKind.OTHER: say("other bodies"),
}
CHANNELS: dict[str, Said] = {
    Channel.MEETING: say("meetings"),
    Channel.LOUDSPEAKER: say("loudspeakers"),
    Channel.PRINT: say("print, leaflets, boards"),
    Channel.RADIO: say("radio"),
    Channel.TELEVISION: say("television"),
    Channel.WEBSITE: say("web sites"),
    Channel.SOCIAL: say("social networks"),
    Channel.COUNTER: say("counters"),
    Channel.NOTICE: say("notices in apps, e-mail"),
    Channel.OTHER: say("another way"),
}
