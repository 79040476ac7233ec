"""300 documents that nobody may take: `python -m tests.app.signed_orders.bad_documents FILE` writes a demo.

Each differs from a good result, or a good order, in one thing; what it is stands before the document.
"""

from __future__ import annotations

import base64
import copy
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.signed_orders import loa_carrier
from tests.app.signed_orders.documents import CARRIER, NOW, POLICE, STRANGER, result, row, signed_order

Bad = tuple[str, bytes]
UNKNOWN = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
PHONES = (
    "0912345678",
    "+84 912 345 678",
    "84-912-345-678",
    "(091) 234.5678",
    "０９１２３４５６７８",
    "912 345 678",
)


def results(good: dict[str, Any], taken: bytes, foreign: Sequence[bytes], now: datetime) -> list[Bad]:
    """Bad results beside a good one that was taken. foreign: signed orders that are not the result's."""
    fresh = copy.deepcopy(good) | {"version": good["version"] + 1, "changes": "Bổ sung"}
    signed = loa_carrier.sign(fresh, CARRIER)
    return [
        *_altered(signed, fresh),
        *_truncated(signed),
        *_replayed(taken),
        *_older(good),
        *_signed_by_others(fresh),
        *_reordered(fresh),
        *_future(fresh, now),
        *_foreign(fresh, foreign),
        *_wrong_sums(fresh),
        *_wrong_types(fresh),
        *_with_phones(fresh),
    ]


def orders(good: dict[str, Any], now: datetime) -> list[Bad]:
    """Bad orders beside a good one, as a carrier may get them."""
    signed = loa_carrier.sign(good, POLICE)
    late = {**good["content"], "valid_until": _at(now, timedelta(days=-1))}
    return [
        *_altered(signed, good),
        *_truncated(signed, 20),
        ("signed by a stranger", loa_carrier.sign(good, STRANGER)),
        ("signed by the carrier itself", loa_carrier.sign(good, CARRIER)),
        *_reordered(good, POLICE),
        ("issued in the future", loa_carrier.sign(good | {"issued_at": _at(now, timedelta(days=1))}, POLICE)),
        ("no longer valid", loa_carrier.sign(good | {"content": late}, POLICE)),
        *((f"a result: {what}", document) for what, document in _older(result(signed))),
    ]


def _at(now: datetime, later: timedelta) -> str:
    return (now + later).strftime("%Y-%m-%dT%H:%M:%SZ")


def _by(content: Mapping[str, Any], change: Callable[[Any], Any], key: Ed25519PrivateKey = CARRIER) -> bytes:
    """The content with a change, honestly signed."""
    changed = copy.deepcopy(dict(content))
    change(changed)
    return _raw(loa_carrier.canonical(changed), str(content["format"]), key)


def _altered(signed: bytes, content: Mapping[str, Any]) -> Iterator[Bad]:
    """One field, one byte or one bit is another, under the old signature."""
    outer = json.loads(signed)
    for name, value in content.items():
        other = f"{value}x" if isinstance(value, str) else not value
        fields = dict(content) | {name: other}
        payload = loa_carrier.b64(loa_carrier.canonical(fields))
        yield f"altered: {name}", json.dumps(outer | {"payload": payload}).encode()
    for at in range(0, len(outer["payload"]), max(1, len(outer["payload"]) // 25)):
        letter = "A" if outer["payload"][at] != "A" else "B"
        payload = outer["payload"][:at] + letter + outer["payload"][at + 1 :]
        yield f"altered: payload at {at}", json.dumps(outer | {"payload": payload}).encode()
    for bit in range(0, 512, 32):
        raw = bytearray(loa_carrier.unb64(outer["signatures"][0]["signature"], "x"))
        raw[bit // 8] ^= 1 << bit % 8
        one = outer["signatures"][0] | {"signature": loa_carrier.b64(bytes(raw))}
        yield f"altered: signature, bit {bit}", json.dumps(outer | {"signatures": [one]}).encode()


def _truncated(signed: bytes, pieces: int = 40) -> Iterator[Bad]:
    for at in range(0, len(signed) - 2, len(signed) // pieces):
        yield f"truncated after {at} bytes", signed[:at]
    outer = json.loads(signed)
    for cut in (4, 8, 400):
        yield (
            f"payload without its last {cut} letters",
            json.dumps(outer | {"payload": outer["payload"][:-cut]}).encode(),
        )


def _replayed(taken: bytes) -> Iterator[Bad]:
    outer = json.loads(taken)
    yield "replayed", taken
    yield "replayed without blanks", json.dumps(outer, separators=(",", ":")).encode()
    yield "replayed with blanks", b"  " + json.dumps(outer, indent=4).encode() + b"\n\n"
    yield "replayed in another order", json.dumps(dict(reversed(outer.items()))).encode()
    yield "replayed with a second signature", _countersigned(taken, STRANGER)


def _countersigned(taken: bytes, key: Ed25519PrivateKey) -> bytes:
    content = loa_carrier.read(taken).content
    second = json.loads(loa_carrier.sign(content, key))["signatures"]
    outer = json.loads(taken)
    return json.dumps(outer | {"signatures": outer["signatures"] + second}).encode()


def _older(good: Mapping[str, Any]) -> Iterator[Bad]:
    yield "of the same version", _by(good, lambda c: c.update(remarks="khác"))
    yield "of version 1 with changes", _by(good, lambda c: c.update(version=1, changes="x"))
    yield "of version 0", _by(good, lambda c: c.update(version=0))
    yield "of an older version", _by(good, lambda c: c.update(version=1, changes="", remarks="cũ"))


def _signed_by_others(fresh: Mapping[str, Any]) -> Iterator[Bad]:
    for name, key in (("another carrier", STRANGER), ("the police", POLICE), ("nobody known", UNKNOWN)):
        yield f"re-signed by {name}", loa_carrier.sign(fresh, key)
    yield "re-signed by two strangers", loa_carrier.sign(fresh, STRANGER, UNKNOWN)
    honest, other = (json.loads(loa_carrier.sign(fresh, key)) for key in (CARRIER, STRANGER))
    mixed = other["signatures"][0] | {"protected": honest["signatures"][0]["protected"]}
    yield (
        "the carrier's header over a stranger's signature",
        json.dumps(honest | {"signatures": [mixed]}).encode(),
    )
    twice = honest["signatures"] * 2
    yield "signed twice by one key", json.dumps(honest | {"signatures": twice}).encode()
    yield "without a signature", json.dumps(honest | {"signatures": []}).encode()
    yield "with an empty signature", _header(honest, {}, signature="")
    for change in (
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"typ": "loa-order/1"},
        {"typ": "JWT"},
        {"kid": ""},
        {"kid": 7},
        {"crit": ["exp"]},
        {"jwk": loa_carrier.jwk(STRANGER.public_key())},
        {"b64": False},
    ):
        yield f"with the header {change}", _header(honest, change)
    plain = {"payload": honest["payload"], **honest["signatures"][0]}
    yield "in the flattened serialization", json.dumps(plain).encode()
    one = honest["signatures"][0]
    compact = f"{one['protected']}.{honest['payload']}.{one['signature']}"
    yield "in the compact serialization", json.dumps({"jws": compact}).encode()


def _header(outer: Mapping[str, Any], change: Mapping[str, Any], **fields: Any) -> bytes:
    """The document with another header, signed by the carrier if it says how."""
    head = {"alg": "EdDSA", "kid": loa_carrier.kid(CARRIER.public_key()), "typ": "loa-result/1"} | change
    protected = loa_carrier.b64(loa_carrier.canonical(head))
    raw = CARRIER.sign(f"{protected}.{outer['payload']}".encode())
    one = {"protected": protected, "signature": loa_carrier.b64(raw)} | fields
    return json.dumps({"payload": outer["payload"], "signatures": [one]}).encode()


def _reordered(fresh: Mapping[str, Any], key: Ed25519PrivateKey = CARRIER) -> Iterator[Bad]:
    """The same content in other bytes, honestly signed: it would have another SHA-256."""
    text = loa_carrier.canonical(fresh).decode()
    turned = dict(sorted(fresh.items(), reverse=True))
    for name, payload in {
        "names in another order": json.dumps(turned, ensure_ascii=False, separators=(",", ":")),
        "blanks": json.dumps(fresh, ensure_ascii=False, sort_keys=True),
        "escaped letters": json.dumps(fresh, sort_keys=True, separators=(",", ":")).replace(
            "loa", "\\u006coa"
        ),
        "a name twice": text[:-1] + f',"format":{json.dumps(fresh["format"])}}}',
        "a byte order mark": "\ufeff" + text,
        "a line end": text + "\n",
        "a comma too many": text[:-1] + ",}",
        "two documents": text + text,
        "a list": f"[{text}]",
        "nothing": "null",
    }.items():
        yield f"payload with {name}", _raw(payload.encode(), str(fresh["format"]), key)
    for number in ("1.0", "1e0", "-0", "01", "9" * 400, "NaN", "Infinity"):
        changed = text.replace('"format"', f'"estimate":{number},"format"', 1)
        yield f"payload with the number {number[:9]}", _raw(changed.encode(), str(fresh["format"]), key)


def _raw(payload: bytes, form: str, key: Ed25519PrivateKey) -> bytes:
    head = {"alg": "EdDSA", "kid": loa_carrier.kid(key.public_key()), "typ": form}
    protected, body = loa_carrier.b64(loa_carrier.canonical(head)), loa_carrier.b64(payload)
    raw = key.sign(f"{protected}.{body}".encode())
    one = {"protected": protected, "signature": loa_carrier.b64(raw)}
    return json.dumps({"payload": body, "signatures": [one]}).encode()


def _future(fresh: Mapping[str, Any], now: datetime) -> Iterator[Bad]:
    for later in (timedelta(minutes=30), timedelta(hours=7), timedelta(days=1), timedelta(days=3650)):
        at = _at(now, later)
        for names in (
            ("made_at",),
            ("cutoff_at",),
            ("ended_at", "made_at"),
            ("began_at", "ended_at", "made_at"),
        ):
            changes = dict.fromkeys(names, at)
            yield f"{names} {later} from now", _by(fresh, lambda c, said=changes: c.update(said))
    for sooner in (timedelta(days=1), timedelta(days=400)):
        for name in ("began_at", "ended_at"):
            changes = {name: _at(now, -sooner)}
            yield f"{name} {sooner} ago", _by(fresh, lambda c, said=changes: c.update(said))


def _foreign(fresh: Mapping[str, Any], foreign: Sequence[bytes]) -> Iterator[Bad]:
    for number, other in enumerate(foreign):
        asked = loa_carrier.read(other)
        about = {"number": asked.content["number"], "sha256": asked.sha256}
        yield f"about a foreign order {number}", _by(fresh, lambda c, o=about: c.update(order=o))
        yield (
            f"about the number of order {number}",
            _by(fresh, lambda c, n=about["number"]: c["order"].update(number=f"{n}1"[:8])),
        )
        yield (
            f"about the hash of order {number}",
            _by(fresh, lambda c, h=about["sha256"]: c["order"].update(sha256=h)),
        )
        yield f"an order {number} as a result", other
    for carrier in ("viettel", "mobifone", "VNPT", "", "vnpt\u200b"):
        yield f"of the carrier {carrier!r}", _by(fresh, lambda c, name=carrier: c.update(carrier=name))


def _wrong_sums(fresh: Mapping[str, Any]) -> Iterator[Bad]:
    for name in loa_carrier.COUNTS:
        for step in (1, -1, 1000):
            yield (
                f"total {name} {step:+}",
                _by(fresh, lambda c, n=name, s=step: c["totals"].update({n: c["totals"][n] + s})),
            )
            yield (
                f"area {name} {step:+}",
                _by(fresh, lambda c, n=name, s=step: c["areas"][0].update({n: c["areas"][0][n] + s})),
            )
    for part in ("excluded", "failed"):
        yield (
            f"causes of {part}",
            _by(fresh, lambda c, p=part: c.update({p: [{"cause": "other", "count": 7}]})),
        )
        twice = [{"cause": "other", "count": 0}] * 2
        yield f"a cause of {part} twice", _by(fresh, lambda c, p=part, t=twice: c.update({p: t}))
    for parts in (1, 345_999, 3_460_001):
        yield f"{parts} parts", _by(fresh, lambda c, n=parts: c.update(parts=n))
    yield "an area twice", _by(fresh, lambda c: c["areas"].append(dict(c["areas"][0])))
    yield "an area less", _by(fresh, lambda c: c["areas"].pop())
    yield "an unknown area", _by(fresh, lambda c: c["areas"][0].update(area="99999"))
    yield "an area withheld that is not", _by(fresh, lambda c: c["withheld"].update(areas=["116"]))
    for small in (1, 4):
        rows = [row("116", 346_000 - small, 318_000, 20_000 - small, 4_000), row("125", small, 0, small)]
        yield f"a cell of {small}", _by(fresh, lambda c, r=rows: c.update(areas=r))
    yield "receipts without any", _by(fresh, lambda c: c.update(proves="none"))
    yield "final without an end", _by(fresh, lambda c: c.update(ended_at=None))


def _wrong_types(fresh: Mapping[str, Any]) -> Iterator[Bad]:
    for name in fresh:
        yield f"without {name}", _by(fresh, lambda c, n=name: c.pop(n))
        for value in ([], {}, -1, "", None, True):
            if type(value) is type(fresh[name]) or (value is None and name in ("began_at", "parts")):
                continue
            if not isinstance(fresh[name], list) or value != []:
                yield f"{name}: {value!r}", _by(fresh, lambda c, n=name, v=value: c.update({n: v}))
    for extra in ("x", "phones", "__proto__", "numbers"):
        yield f"an unknown field {extra}", _by(fresh, lambda c, n=extra: c.update({n: []}))
        yield f"an unknown count {extra}", _by(fresh, lambda c, n=extra: c["totals"].update({n: 1}))


def _with_phones(fresh: Mapping[str, Any]) -> Iterator[Bad]:
    for phone in PHONES:
        for field in ("remarks", "changes"):
            yield f"{phone} in {field}", _by(fresh, lambda c, f=field, p=phone: c.update({f: f"gọi {p}"}))
        yield f"{phone} as a name", _by(fresh, lambda c, p=phone: c.update({p: 1}))
    for count in (84_912_345_678, 912_345_678):
        yield f"{count} as a count", _by(fresh, lambda c, n=count: c["totals"].update(no_receipt=n))


def written(documents: Sequence[Bad]) -> str:
    """The documents as lines of JSON."""
    lines = ({"why": why, "document": base64.b64encode(content).decode()} for why, content in documents)
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in lines)


if __name__ == "__main__":
    about = signed_order()
    demo = result(about)
    taken = loa_carrier.sign(demo, CARRIER)
    Path(sys.argv[1]).write_text(written(results(demo, taken, [signed_order(number="3-1")], NOW)), "utf-8")
