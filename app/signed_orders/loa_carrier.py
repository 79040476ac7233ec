#!/usr/bin/env python3
"""Signed orders and results of an SMS broadcast, for carriers: show, draft, sign, check.

Needs only Python 3.11 and `cryptography`; Loa works with it as well. docs/signed-orders.md has the formats.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # what commands of Loa that sign nothing need not load
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ORDER, RESULT = "loa-order/1", "loa-result/1"
MOST_BYTES = 1_048_576
MOST = 200_000_000  # of a count: less than any mobile number written as one
CLOCKS = timedelta(minutes=10)  # by which two clocks may differ
PROVES = ("handset", "operator", "none")  # what a receipt proves: that it arrived, or reached the centre
COUNTS = ("eligible", "excluded", "sent", "received", "failed", "no_receipt")
EXCLUDED = ("repeated", "wrong_number", "barred", "other_network", "other")
FAILED = ("expired", "no_such_number", "barred", "handset", "other_network", "filtered", "system", "other")
WITHHELD = "*"  # beside "?", where a subscriber's area is not known


class Refused(ValueError):
    """A document that is not taken, with a sentence that says why; values: of its places, in their order."""

    def __init__(self, template: str, *values: object) -> None:
        self.template, self.values = (
            template,
            dict(zip(re.findall(r"{(\w+)}", template), values, strict=True)),
        )
        super().__init__(template.format(**self.values))


def _need(holds: object, template: str, *values: object) -> None:
    if not holds:
        raise Refused(template, *values)


def parse(content: bytes) -> Any:
    """Read JSON; refuse duplicate names, fractions, and what two readers could take differently."""
    _need(len(content) <= MOST_BYTES, "The document is larger than {most_bytes} bytes.", MOST_BYTES)
    hooks: dict[str, Any] = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), _whole)
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_object, **hooks)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise Refused("The document is damaged, or not JSON in UTF-8.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, times in Counter(name for name, _ in pairs).items():
        _need(times == 1, "The field {name} is given twice.", _shown(name))
    return dict(pairs)


def _whole(digits: str) -> int:
    whole = re.fullmatch("-?[0-9]{1,15}", digits)
    _need(whole, "Only whole numbers are allowed, not {digits}.", _shown(digits))
    return int(digits)


def canonical(value: Any) -> bytes:
    """Return the one way to write a value of objects, lists, texts, whole numbers, true, false and null."""
    try:
        return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        raise Refused(
            "A text contains an unpaired surrogate, or the document is nested too deeply."
        ) from None


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _sorted(value[name]) for name in names}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _shown(text: str) -> str:
    plain = "".join(char if char.isprintable() else "?" for char in text[:60])
    return "“(a phone number)”" if has_phone(plain) else f"“{plain}”"


_MARKS = r"[^0-9A-Za-z]{0,6}"
_PHONE = re.compile(
    rf"(?<![0-9])(?:(?:\+|00)?8{_MARKS}4{_MARKS}(?:0{_MARKS})?|0{_MARKS})[35789](?:{_MARKS}[0-9]){{8}}(?![0-9])"
    r"|(?<![0-9])[35789](?:(?: {1,3}|\.{1,3}|[-_\u2010-\u2015]{1,3})?[0-9]){8}(?![0-9])"
    r"|\+[1-9](?:[ .()-]{0,3}[0-9]){8,14}(?![0-9])"
)
_SPELLED = re.compile(r"(?:\b(?:khong|mot|hai|ba|bon|tu|nam|lam|sau|bay|tam|chin)\b\W{0,3}){9}")
_MOMENTS = re.compile(
    r"(?<![0-9:])(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?![0-9:])|(?<![0-9])20[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9])"
    r"|(?<![0-9])[0-3]?[0-9]([/-])[01]?[0-9]\1[0-9]{4}(?![0-9])"
)


def has_phone(text: str) -> bool:
    seen = [char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf"]
    plain = "".join(str(unicodedata.digit(char, char)) for char in seen)
    letters = unicodedata.normalize("NFD", text.casefold())
    words = "".join(char for char in letters if unicodedata.category(char) != "Mn")
    return any((_PHONE.search(_MOMENTS.sub("x", plain)), _SPELLED.search(words)))


# A regular expression's class: what shows nothing, what turns a line round, and what ends it elsewhere.
UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f"  # not escaped, since not every language would read that
)


def unseen(text: str) -> str:
    """Return the first character that nobody sees or that turns a line round, or "" for none.

    Also the first one of a text that has nothing but marks without a letter.
    """
    found = re.search(f"[{UNSEEN}]", text)
    bare = "".join(text.split())
    marks = bare and all(unicodedata.category(char) in ("Mn", "Me") for char in bare)
    return found[0] if found else bare[:1] if marks else ""


Rule = dict[str, Any]
DAY, CODE = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{3}([0-9]{2})?"


def fields(kind: Any = "object", /, **rules: Rule) -> Rule:
    return {"type": kind, "additionalProperties": False, "required": list(rules), "properties": rules}


def rule(kind: Any, **limits: Any) -> Rule:
    return {"type": kind} | limits


# fmt: off
_AT = f"^{DAY}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}Z$"
TIME, MAYBE = rule("string", pattern=_AT), rule(["string", "null"], pattern=_AT)
HASH, CARRIER = rule("string", pattern="^[0-9a-f]{64}$"), rule("string", pattern="^[a-z0-9][a-z0-9_-]{0,39}$")
WHICH, PROSE = rule("string", pattern="^[0-9]{1,6}-[0-9]{1,3}$"), rule("string", minLength=0, maxLength=2000)
N, N_OR_NULL = (rule(kind, minimum=0, maximum=MOST) for kind in ("integer", ["integer", "null"]))
_COUNTS = dict.fromkeys(COUNTS[:3], N) | dict.fromkeys(COUNTS[3:], N_OR_NULL)
_EXCLUDED, _FAILED = (fields(cause=rule("string", enum=list(each)), count=N) for each in (EXCLUDED, FAILED))
_AREA, _HIDDEN = rule("string", pattern=f"^({CODE}|[?*])$"), rule("string", pattern=f"^({CODE}|[?])$")
SCHEMA = fields(
    format=rule("string", enum=[RESULT]), order=fields(number=WHICH, sha256=HASH), carrier=CARRIER,
    version=rule("integer", minimum=1, maximum=999), changes=PROSE, final=rule("boolean"), made_at=TIME,
    began_at=MAYBE, ended_at=MAYBE, cutoff_at=TIME, proves=rule("string", enum=list(PROVES)),
    totals=fields(**_COUNTS), parts=N_OR_NULL | {"maximum": MOST * 10}, remarks=PROSE,
    excluded=rule("array", items=_EXCLUDED, minItems=0, maxItems=len(EXCLUDED)),
    failed=rule("array", items=_FAILED, minItems=0, maxItems=len(FAILED)),
    areas=rule("array", items=fields(area=_AREA, **_COUNTS), minItems=0, maxItems=401),
    withheld=fields(rule=rule("string", enum=["fewer-than-5"]),
                    areas=rule("array", items=_HIDDEN, minItems=0, maxItems=401)))
_KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
# fmt: on


def check(value: Any, schema: Rule, place: str) -> None:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    right = type(value) in [_KINDS[kind] for kind in kinds]
    _need(right, "{place} must be of the type {words}.", place, " or ".join(kinds))
    if isinstance(value, dict):
        for name in sorted(value.keys() - schema["properties"].keys()):
            raise Refused("{place} has an unknown field {name}.", place, _shown(name))
        for name, each in schema["properties"].items():
            _need(name in value, "{place} lacks the field {name}.", place, name)
            check(value[name], each, f"{place}.{name}")
    elif isinstance(value, list):
        least, most = schema["minItems"], schema["maxItems"]
        _need(least <= len(value) <= most, "{place} must have {least} to {most} entries.", place, least, most)
        for number, each in enumerate(value):
            check(each, schema["items"], f"{place}.{number}")
    elif isinstance(value, str):
        _check_text(value, schema, place)
    elif type(value) is int:
        least, most = schema["minimum"], schema["maximum"]
        _need(least <= value <= most, "{place} must be between {least} and {most}.", place, least, most)


def _check_text(value: str, schema: Rule, place: str) -> None:
    words, pattern = schema.get("enum", [value]), schema.get("pattern", "")
    _need(value in words, "{place} must be one of: {words}.", place, ", ".join(words))
    fits = not pattern or re.fullmatch(pattern, value)
    _need(fits, "{place} is not written as required ({pattern}).", place, pattern)
    if DAY in pattern:
        moment(value)
    if "maxLength" in schema:
        least, most = schema["minLength"], schema["maxLength"]
        fits = least <= len(value) <= most
        _need(fits, "{place} must have {least} to {most} characters.", place, least, most)
        control = any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in value)
        _need(not control, "{place} has a control character.", place)
        allowed = "$comment" in schema or not has_phone(value)
        _need(allowed, "{place} contains a phone number. Documents must not contain any. Remove it.", place)
        hidden = unseen(value)
        code = f"U+{ord(hidden):04X}" if hidden else ""
        _need(not hidden, "{place} has the invisible character {code}. Remove it.", place, code)


def moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Refused("{text} is not a valid time.", _shown(text)) from None


def check_result(result: Any, now: datetime | None = None) -> None:
    """Refuse what is not a result by the format, or does not add up; `now`: its time is checked as well."""
    check(result, SCHEMA, "result")
    later = result["changes"].strip() if result["version"] > 1 else not result["changes"]
    _need(
        later, "The field changes must be empty in version 1, and from version 2 on say what changed and why."
    )
    times = [result[name] for name in ("began_at", "ended_at", "made_at") if result[name]]
    ordered = (result["began_at"] or "") <= result["cutoff_at"] <= result["made_at"] and times == sorted(
        times
    )
    _need(ordered, "The times must be in this order: began_at, ended_at, cutoff_at, made_at.")
    future = now is not None and moment(result["made_at"]) > now + CLOCKS
    _need(not future, "The result is dated in the future. Check the clocks of both sides.")
    _need(
        not result["final"] or result["ended_at"], "A final result must state when sending ended (ended_at)."
    )
    totals, rows, hidden = result["totals"], result["areas"], result["withheld"]["areas"]
    _check_row("totals", totals, result["proves"])
    begun = result["began_at"] or not (result["ended_at"] or totals["sent"])
    _need(begun, "The result needs began_at, since messages were sent or sending has ended.")
    for name in ("excluded", "failed"):
        causes, sums = result[name], sum(each["count"] for each in result[name])
        once = len({each["cause"] for each in causes}) == len(causes)
        _need(once, "{name} lists the same cause twice.", name)
        _need(
            not causes or totals[name] is not None,
            "Without receipts, the causes of {name} must be empty.",
            name,
        )
        agrees = not causes or sums == totals[name]
        _need(agrees, "The causes of {name} do not add up to {total}.", name, totals[name])
    sent, parts = totals["sent"], result["parts"]
    _need(parts is None or sent <= parts <= sent * 10, "The parts must be 1 to 10 times the messages sent.")
    names = [row["area"] for row in rows]
    every = [name for name in names if name != WITHHELD] + hidden
    _need(len({*every, *names}) == len(every) + (WITHHELD in names), "An area is given twice.")
    _need(
        (WITHHELD in names) is bool(hidden),
        "If areas are withheld, the result must have a row * with their sum; otherwise it must have none.",
    )
    for row in rows:
        _check_row(f"area {row['area']}", row, result["proves"])
        shown = _small(row) and (row["area"] != WITHHELD or len(rows) > 1)
        _need(not shown, "Area {area} has a cell of 1 to 4 persons, which must be withheld.", row["area"])
    for name in COUNTS if rows else ():
        sums = None if totals[name] is None else sum(row[name] for row in rows)
        _need(sums == totals[name], "{name} by area does not add up to {total}.", name, totals[name])


def _check_row(place: str, row: Mapping[str, Any], proves: str) -> None:
    known, sent = [row[name] for name in COUNTS[3:] if row[name] is not None], row["sent"]
    _need(row["eligible"] - row["excluded"] == sent, "{place}: sent must be eligible minus excluded.", place)
    if proves == "none":
        _need(not known, "{place}: without receipts, received, failed and no_receipt must be null.", place)
    else:
        _need(len(known) == 3, "{place} needs received, failed and no_receipt; write 0 for none.", place)
        _need(sum(known) == sent, "{place}: received, failed and no_receipt must add up to sent.", place)


def _small(row: Mapping[str, Any]) -> bool:
    return any(0 < (row[name] or 0) < 5 for name in COUNTS)


def withhold(rows: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Merge areas with a cell of 1 to 4 persons, and as many more as needed; return rows and areas."""
    ordered = sorted((dict(row) for row in rows), key=lambda row: (row["eligible"], row["area"]))
    hidden, shown = [row for row in ordered if _small(row)], [row for row in ordered if not _small(row)]
    while hidden and shown and _small(_sum(hidden)):
        hidden.append(shown.pop(0))
    merged = [_sum(hidden)] if hidden else []
    return sorted(shown, key=lambda row: row["area"]) + merged, sorted(row["area"] for row in hidden)


def _sum(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = {name: [row[name] for row in rows] for name in COUNTS}
    return {"area": WITHHELD} | {name: None if None in each else sum(each) for name, each in columns.items()}


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def unb64(text: Any, what: str) -> bytes:
    is_text = isinstance(text, str) and re.fullmatch("[A-Za-z0-9_-]*", text) and len(text) % 4 != 1
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if is_text else b""
    _need(is_text and b64(content) == text, "{what} is not base64url without padding.", what)
    return content


_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]  # extended coordinates: X, Y, Z, T


def _add(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


@cache
def is_sound(raw: bytes) -> bool:
    """Return whether 32 bytes are a public key by RFC 8032 that somebody can have a private key for.

    That is a point of the curve in its only encoding, whose order is the large prime: of the few points of
    low order anybody can make signatures, and libraries accept them.
    """
    y, sign = int.from_bytes(raw, "little") & (2**255 - 1), raw[31] >> 7
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if y >= _P or (x * x - square) % _P or not x:  # x = 0 is of order 1 or 2
        return False
    x = _P - x if x & 1 != sign else x
    power: _Point = (x, y, 1, x * y % _P)
    total: _Point = (0, 1, 1, 0)
    for bit in range(_L.bit_length()):
        total = _add(total, power) if _L >> bit & 1 else total
        power = _add(power, power)
    return total[0] == 0 and total[1] == total[2]


def jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_bytes_raw())}


def kid(key: Ed25519PublicKey) -> str:
    """Return the key's thumbprint by RFC 7638, by which signatures name it."""
    return b64(hashlib.sha256(canonical(jwk(key))).digest())


def fingerprint(key_id: str) -> str:
    """Return what two people compare over the telephone: the first half of the thumbprint in hexadecimal."""
    digits = unb64(key_id, "The key's name").hex()[:32]
    return " ".join(digits[at : at + 4] for at in range(0, 32, 4))


def read_jwk(content: Any) -> Ed25519PublicKey:
    """Read a public key; a private one (`d`) is refused, since nobody else may ever have it."""
    named = isinstance(content, dict) and (content.get("kty"), content.get("crv")) == ("OKP", "Ed25519")
    _need(named, "The key must be an Ed25519 JWK: kty OKP, crv Ed25519, x.")
    _need("d" not in content, "This is a private key (d). Never pass it on. Create a new key.")
    raw = unb64(content.get("x"), "The key")
    _need(len(raw) == 32, "An Ed25519 key has 32 bytes.")
    _need(is_sound(raw), "This is not a valid Ed25519 public key. Create a new key.")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(raw)
    _need(content.get("kid") in (None, kid(key)), "The key's kid must be its RFC 7638 thumbprint.")
    return key


AGENCY = "agency"  # as holder of a key; a carrier is named by its code


def _claim(holder: str, key_id: str) -> bytes:
    return f"loa-key/1.{holder}.{key_id}".encode("ascii")


def prove(key: Ed25519PrivateKey, holder: str) -> str:
    """Return the proof that this holder has the private key, which goes into the JWK as `proof`."""
    return b64(key.sign(_claim(holder, kid(key.public_key()))))


def require_proof(content: Any, holder: str) -> Ed25519PublicKey:
    """Read a public key; refuse it unless this holder has proved to have the private key."""
    from cryptography.exceptions import InvalidSignature

    key = read_jwk(content)
    _need(
        "proof" in content,
        "The key has no proof. Create it with a current new-key command, or sign {claim} with it.",
        _claim(holder, kid(key)).decode("ascii"),
    )
    try:
        key.verify(unb64(content["proof"], "The proof"), _claim(holder, kid(key)))
    except InvalidSignature:
        raise Refused("The proof is not of this key and holder. Create it for {holder}.", holder) from None
    return key


class Signed(NamedTuple):
    """A signed document, not yet verified. signatures: key, what was signed, signature."""

    format: str
    payload: bytes
    content: Any
    signatures: list[tuple[str, bytes, bytes]]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()


def read(content: bytes) -> Signed:
    """Read a signed document; it proves nothing until `verify`."""
    outer = parse(content)
    whole = isinstance(outer, dict) and outer.keys() == {"payload", "signatures"}
    _need(whole, "A signed document must have exactly the fields payload and signatures.")
    payload, signatures = unb64(outer["payload"], "The payload"), outer["signatures"]
    several = isinstance(signatures, list) and 1 <= len(signatures) <= 10
    _need(several, "A signed document must have 1 to 10 signatures.")
    heads = [_signature(each, outer["payload"]) for each in signatures]
    _need(len({key for _, key, _, _ in heads}) == len(heads), "The same key has signed the document twice.")
    inner = parse(payload)
    right = canonical(inner)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(right, payload, strict=False))))
    _need(
        right == payload, "The payload is not canonical JSON (RFC 8785) after its first {same} bytes.", same
    )
    form = str(inner.get("format")) if isinstance(inner, dict) else ""
    typed = form in (ORDER, RESULT) and all(typ == form for typ, *_ in heads)
    _need(typed, "The format in the payload and in each typ must be {order} or {result}.", ORDER, RESULT)
    return Signed(form, payload, inner, [(key, signed, raw) for _, key, signed, raw in heads])


def documents(content: bytes) -> list[bytes]:
    """Return the documents of a file: one, or the list of all documents of an order, the newest first."""
    outer = parse(content)
    if not isinstance(outer, list):
        return [content]
    _need(1 <= len(outer) <= 999, "A file must have 1 to 999 documents.")
    return [json.dumps(each, indent=1).encode("ascii") for each in outer]


def newest(content: bytes) -> bytes:
    """Return the newest document of a file, by its number. Its signature is still to be verified."""
    every = documents(content)
    return every[0] if len(every) == 1 else max(every, key=_serial)


def _serial(content: bytes) -> int:
    number = read(content).content.get("number")
    _need(isinstance(number, str) and re.fullmatch(WHICH["pattern"], number), "A document has no number.")
    return int(number.partition("-")[2])


def _signature(entry: Any, payload: str) -> tuple[str, str, bytes, bytes]:
    fields = isinstance(entry, dict) and entry.keys() == {"protected", "signature"}
    _need(fields, "A signature must have exactly the fields protected and signature.")
    head = parse(unb64(entry["protected"], "The signature's header"))
    fields = isinstance(head, dict) and head.keys() == {"alg", "kid", "typ"}
    _need(fields, "A signature's header must have exactly the fields alg, kid and typ.")
    texts = head["alg"] == "EdDSA" and isinstance(head["kid"], str)
    _need(texts, "A signature's alg must be EdDSA, and its kid must be text.")
    named = len(unb64(head["kid"], "A signature's kid")) == 32
    raw = unb64(entry["signature"], "The signature")
    _need(named and len(raw) == 64, "A signature has 64 bytes, and its kid is a thumbprint of 32.")
    signed = f"{entry['protected']}.{payload}".encode("ascii")
    return head["typ"], head["kid"], signed, raw


def verify(signed: Signed, keys: Mapping[str, Ed25519PublicKey]) -> list[str]:
    """Return which of these keys have signed it. Refuse it without one, or where a signature is wrong."""
    from cryptography.exceptions import InvalidSignature

    known = [each for each in signed.signatures if each[0] in keys]
    names = ", ".join(_shown(key) for key, *_ in signed.signatures)
    _need(known, "The document is signed by the key {names}, which is not trusted here.", names)
    for key, over, raw in known:
        try:
            keys[key].verify(raw, over)
        except InvalidSignature:
            raise Refused("The document was altered: the signature of the key {key} is wrong.", key) from None
    return [key for key, *_ in known]


def sign(content: Mapping[str, Any], *keys: Ed25519PrivateKey) -> bytes:
    payload, signatures = b64(canonical(content)), []
    for key in keys:
        head = {"alg": "EdDSA", "kid": kid(key.public_key()), "typ": content["format"]}
        protected = b64(canonical(head))
        raw = key.sign(f"{protected}.{payload}".encode("ascii"))
        signatures.append({"protected": protected, "signature": b64(raw)})
    return json.dumps({"payload": payload, "signatures": signatures}, indent=1).encode("ascii") + b"\n"


def new_pair(holder: str) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private, form = Ed25519PrivateKey.generate(), serialization.PrivateFormat.PKCS8
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    own = {"kid": kid(private.public_key()), "proof": prove(private, holder)}
    return pem, canonical(jwk(private.public_key()) | own) + b"\n"


def read_private(pem: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with suppress(ValueError, TypeError):
        key = serialization.load_pem_private_key(pem, None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    raise Refused("This is not a private Ed25519 key in PEM without a password.")


def match(result: Mapping[str, Any], order: Signed) -> None:
    said, asked = result["order"], order.content
    name = {"number": asked["number"], "sha256": order.sha256}
    same = said == name and result["carrier"] == asked["carrier"]
    which = said["number"], result["carrier"]
    _need(same, "The result is about order {number} of {carrier}, not about this one.", *which)
    _need(asked["kind"] != "withdrawal", "The document is a withdrawal, and a withdrawal has no result.")
    early = result["began_at"] and moment(result["began_at"]) + CLOCKS < moment(asked["issued_at"])
    _need(asked["replaces"] or not early, "The result says that sending began before the order was issued.")
    named = [row["area"] for row in result["areas"]] + result["withheld"]["areas"]
    lacks = missing(named, asked)
    no_row = (
        "The result has no row for the ordered area {area}. Add one, with zeros if it has no subscribers."
    )
    _need(not lacks, no_row, *lacks[:1] or [""])
    ordered = {area["code"] for area in asked["content"]["areas"]}
    others = sorted({*named} - ordered - {"?", WITHHELD}) if ordered else []
    whole = any(len(code) == 3 for code in ordered)  # communes may stand for a district
    odd = [code for code in others if len(code) == 3 or not whole]
    unordered = "The area {area} was not ordered. Explain in the remarks why it is in the result."
    _need(not odd or result["remarks"].strip(), unordered, *odd[:1] or [""])


def missing(named: Iterable[str], order: Mapping[str, Any]) -> list[str]:
    """Return the ordered areas without a row, if the result goes by areas at all.

    Rows of communes that were not ordered may stand for a district; which ones do, the police check.
    """
    ordered = [area["code"] for area in order["content"]["areas"]]
    reported = {*named} - {"?", WITHHELD}
    communes = any(len(code) == 5 for code in reported.difference(ordered))
    lacks = [code for code in ordered if code not in reported and not (communes and len(code) == 3)]
    return lacks if reported else []


def _reader(path: Path, proves: str) -> tuple[csv.DictReader[str], list[str]]:
    """Return the lines of a table, and which of its columns are read. A table without them is refused."""
    text = path.read_text("utf-8-sig")
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count), strict=True)
    reader.fieldnames = names = [name.strip().lower() for name in reader.fieldnames or ()]
    needed = ["area", *COUNTS[: 3 if proves == "none" else None]]
    needed = ["area", "outcome"] if "outcome" in names else needed
    missing = ", ".join(name for name in needed if names.count(name) != 1)
    _need(not missing, "The first line must name these columns once each: {missing}.", missing)
    return reader, needed


def _table(path: Path, proves: str) -> tuple[list[dict[str, Any]], dict[str, Counter[str]]]:
    """Read a CSV of counts by area, or of a line a subscriber: area, outcome, cause, and nothing else."""
    found: dict[str, dict[str, Any]] = {}
    causes: dict[str, Counter[str]] = {"excluded": Counter(), "failed": Counter()}
    reader, needed = _reader(path, proves)
    for record in reader:
        line = reader.line_num
        short = any(record[name] is None for name in needed)
        _need(not short, "Line {line} has fewer cells than the first line.", line)
        area, outcome = record["area"].strip() or "?", record.get("outcome")
        once = outcome is not None or area not in found
        _need(once, "Line {line} repeats the area {area}. Give each area one line.", line, _shown(area))
        row = found.setdefault(area, {"area": area} | dict.fromkeys(COUNTS, 0))
        if outcome is not None:
            _need(outcome in COUNTS[1:], "Line {line}: {outcome} is not an outcome.", line, _shown(outcome))
            causes.get(outcome, Counter[str]())[record.get("cause") or "other"] += 1
        sent = ("eligible",) if outcome == "excluded" else ("eligible", "sent")
        for name in {outcome, *sent} if outcome else needed[1:]:
            count = "1" if outcome else record[name] or "0"
            whole = count.isdecimal() and len(count) < 10
            _need(whole, "Line {line}: {name} must be a whole number.", line, name)
            row[name or ""] += int(count)
    _need(found, "The table has no line below the names of its columns.")
    for row in found.values():
        row |= dict.fromkeys(COUNTS[3:]) if proves == "none" else {}
    return list(found.values()), causes


def _opened(file: str, form: str, keys: Iterable[str]) -> Signed:
    signed = read(newest(Path(file).read_bytes()))
    _need(signed.format == form, "{file} is not of the format {form}.", file, form)
    trusted = [read_jwk(parse(Path(each).read_bytes())) for each in keys]
    for key in verify(signed, {kid(each): each for each in trusted}):
        print(f"Signed by the key {key} (fingerprint {fingerprint(key)}).")
    return signed


def _write(file: str, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    print(f"Wrote {file}.")


def _result(options: argparse.Namespace, now: str) -> dict[str, Any]:
    order = _opened(options.order, ORDER, options.key)
    withdraws = order.content["kind"] == "withdrawal"
    _need(not withdraws, "The document is a withdrawal, and a withdrawal has no result.")
    found, causes = _table(Path(options.csv), options.proves)
    nobody = dict.fromkeys(COUNTS, 0) | (dict.fromkeys(COUNTS[3:]) if options.proves == "none" else {})
    lacks = missing((row["area"] for row in found), order.content)
    found += [{"area": code} | nobody for code in lacks]
    shown, hidden = withhold(found)
    result = {name: getattr(options, name) for name in SCHEMA["properties"] if hasattr(options, name)}
    for name, each in causes.items():
        result[name] = [{"cause": cause, "count": count} for cause, count in sorted(each.items())]
    result["order"] = {"number": order.content["number"], "sha256": order.sha256}
    result |= {"format": RESULT, "carrier": order.content["carrier"], "made_at": now, "areas": shown}
    totals = {name: value for name, value in _sum(found).items() if name != "area"}
    result["withheld"] = {"rule": "fewer-than-5", "areas": hidden}
    return result | {"cutoff_at": options.cutoff_at or now, "totals": totals}


def _carry_out(options: argparse.Namespace, now: datetime) -> None:
    if options.verb == "new-key":
        _need(re.fullmatch(CARRIER["pattern"], options.carrier), "--carrier must be such as vnpt.")
        pem, public = new_pair(options.carrier)
        _write(options.file, pem)
        _write(f"{options.file}.jwk", public)
        print(f"Read its fingerprint to the police over the telephone: {fingerprint(parse(public)['kid'])}")
    elif options.verb == "show":
        order = _opened(options.order, ORDER, options.key)
        print(
            f"SHA-256 of the order: {order.sha256}", json.dumps(order.content, indent=1, ensure_ascii=False)
        )
        until = (order.content.get("content") or {}).get("valid_until")
        valid = not until or now <= moment(until)
        _need(valid, "The order was valid until {until}. Ask for a new one.", until)
    elif options.verb == "draft":
        result = _result(options, now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        check_result(result, now)
        _write(options.out, json.dumps(result, indent=1, ensure_ascii=False).encode() + b"\n")
    elif options.verb == "sign":
        result = parse(Path(options.result).read_bytes())
        check_result(result, now)
        _write(options.out, sign(result, *(read_private(Path(file).read_bytes()) for file in options.key)))
    else:
        signed = _opened(options.result, RESULT, options.key)
        check_result(signed.content, now)
        match(signed.content, read(newest(Path(options.order).read_bytes())))
        print("The result keeps the format, adds up, and is about this order.")


def main(words: Sequence[str] | None = None) -> int:
    """Carry out one verb; a refusal is one sentence, and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("new-key")
    made.add_argument("file", help="for the private key; FILE.jwk is for the police")
    made.add_argument("--carrier", required=True, help="your code in the orders, such as vnpt")
    for verb in ("show", "sign", "check", "draft"):  # the last one has more to say
        made = verbs.add_parser(verb)
        made.add_argument("order" if verb in ("show", "draft") else "result")
        made.add_argument("--key", required=True, action="append", help="PEM for sign, else the signer's JWK")
        if verb != "show":
            made.add_argument("--order" if verb == "check" else "--out", required=True)
    made.add_argument("csv", help="columns area,eligible,excluded,sent,... or area,outcome,cause")
    made.add_argument("--proves", choices=PROVES, required=True)
    for name in ("--began-at", "--ended-at", "--cutoff-at"):
        made.add_argument(name, help="such as 2031-02-05T01:00:00Z")
    made.add_argument("--final", action="store_true", help="the figures will change no more")
    made.add_argument("--version", type=int, default=1)
    made.add_argument("--parts", type=int, help="SMS parts sent")
    made.add_argument("--changes", default="", help="from version 2 on: what changed, and why")
    made.add_argument("--remarks", default="")
    try:
        _carry_out(parser.parse_args(words), datetime.now(UTC))
        return 0
    except (Refused, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"loa_carrier: {error}", file=sys.stderr)
    except (LookupError, TypeError, AttributeError):
        print("loa_carrier: The order does not keep its format.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
