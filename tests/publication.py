"""What CAP 1.2 asks of a message: its elements in order, how often each may be there, and their values."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from app.directives.publication.cap import NAMESPACE

_ONE, _MAYBE, _MANY, _SOME = (1, 1), (0, 1), (0, 10**6), (1, 10**6)
_AT_ALERT = {
    "identifier": _ONE,
    "sender": _ONE,
    "sent": _ONE,
    "status": _ONE,
    "msgType": _ONE,
    "source": _MAYBE,
}
_AT_ALERT |= {"scope": _ONE, "restriction": _MAYBE, "addresses": _MAYBE, "code": _MANY, "note": _MAYBE}
_AT_ALERT |= {"references": _MAYBE, "incidents": _MAYBE, "info": _MANY}
_AT_INFO = {"language": _MAYBE, "category": _SOME, "event": _ONE, "responseType": _MANY, "urgency": _ONE}
_AT_INFO |= {"severity": _ONE, "certainty": _ONE, "audience": _MAYBE, "eventCode": _MANY, "effective": _MAYBE}
_AT_INFO |= {
    "onset": _MAYBE,
    "expires": _MAYBE,
    "senderName": _MAYBE,
    "headline": _MAYBE,
    "description": _MAYBE,
}
_AT_INFO |= {"instruction": _MAYBE, "web": _MAYBE, "contact": _MAYBE, "parameter": _MANY, "resource": _MANY}
_AT_INFO |= {"area": _MANY}
_AT_AREA = {"areaDesc": _ONE, "polygon": _MANY, "circle": _MANY, "geocode": _MANY, "altitude": _MAYBE}
_AT_AREA |= {"ceiling": _MAYBE}
_PAIR = {"valueName": _ONE, "value": _ONE}
ORDER = {"alert": _AT_ALERT, "info": _AT_INFO, "area": _AT_AREA, "parameter": _PAIR, "geocode": _PAIR}
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
_VALUES = {
    "identifier": r"[^\s,<&]+",
    "sender": r"[^\s,<&]+",
    "sent": _TIME,
    "effective": _TIME,
    "expires": _TIME,
    "status": "Actual|Exercise|System|Test|Draft",
    "msgType": "Alert|Update|Cancel|Ack|Error",
    "scope": "Public|Restricted|Private",
    "category": "Geo|Met|Safety|Security|Rescue|Fire|Health|Env|Transport|Infra|CBRNE|Other",
    "urgency": "Immediate|Expected|Future|Past|Unknown",
    "severity": "Extreme|Severe|Moderate|Minor|Unknown",
    "certainty": "Observed|Likely|Possible|Unlikely|Unknown",
    "language": "[a-z]{2,3}(-[A-Za-z0-9]+)?",
    "web": r"https://\S+",
}


def check_cap(alert: Element) -> None:
    """Raise AssertionError for what OASIS's standard does not allow."""
    assert alert.tag == f"{{{NAMESPACE}}}alert"
    for part in alert.iter():
        _check(part)


def _check(part: Element) -> None:
    name = part.tag.removeprefix(f"{{{NAMESPACE}}}")
    assert not part.attrib, name
    if name in ORDER:
        _check_children(name, [each.tag.removeprefix(f"{{{NAMESPACE}}}") for each in part])
        return
    assert len(part) == 0, name
    assert part.text, name
    assert re.fullmatch(_VALUES.get(name, r"(?s).+"), part.text), (name, part.text)


def _check_children(name: str, found: list[str]) -> None:
    known = list(ORDER[name])
    assert set(found) <= set(known), name
    places = [known.index(each) for each in found]
    assert places == sorted(places), (name, found)
    for child, (least, most) in ORDER[name].items():
        assert least <= found.count(child) <= most, (name, child)
