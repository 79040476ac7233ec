"""Labels of purposes, text forms, decisions, addressees and channels."""

from __future__ import annotations

from app.campaigns.drafts import Purpose, TextForm
from app.core.areas import Basis
from app.reports.figures.addressees import AddresseeKind, OutreachChannel
from app.web.translations import Said, say

PURPOSES: dict[str, Said] = {
    Purpose.AWARENESS: say("awareness"),
    Purpose.URGENT_WARNING: say("urgent warning"),
}
FORMS: dict[str, Said] = {
    TextForm.UNACCENTED: say("Without diacritics"),
    TextForm.ACCENTED: say("With diacritics"),
}
DECISIONS: dict[str, Said] = {
    "approved": say("approved"),
    "rejected": say("rejected"),
    "returned": say("returned to its author"),
    "voided": say("void: edited afterwards"),
}
BASES: dict[str, Said] = {
    Basis.REGISTERED: say("by the registered address"),
    Basis.SERVING: say("by the serving station"),
    Basis.UNDIVIDED: say("cannot distinguish areas: the whole province"),
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
    OutreachChannel.MEETING: say("meetings"),
    OutreachChannel.LOUDSPEAKER: say("loudspeakers"),
    OutreachChannel.PRINT: say("print, leaflets, boards"),
    OutreachChannel.RADIO: say("radio"),
    OutreachChannel.TELEVISION: say("television"),
    OutreachChannel.WEBSITE: say("web sites"),
    OutreachChannel.SOCIAL: say("social networks"),
    OutreachChannel.COUNTER: say("counters"),
    OutreachChannel.NOTICE: say("notices in apps, e-mail"),
    OutreachChannel.OTHER: say("another way"),
}
