"""Message ids as message centres write them: unique numbers in a configurable form."""

from __future__ import annotations

from dataclasses import dataclass

MODULUS = 2**31  # a random-looking 31-bit number, as centres on Vietnamese links issue
STEP = 0x9E3779B1  # odd, so that index -> number is a bijection
INVERSE = pow(STEP, -1, MODULUS)


@dataclass(frozen=True, slots=True)
class Form:
    """How a number is written; `other` writes it in the base that a careless centre confuses it with."""

    text: bytes
    other: bytes
    base: int
    plus: int = 0


FORMS = {
    "dec": Form(b"%d", b"%x", 10),
    "hex": Form(b"%x", b"%d", 16),
    "hex_upper": Form(b"%X", b"%d", 16),
    "hex8": Form(b"%08x", b"%010d", 16),
    "dec10": Form(b"%010d", b"%08x", 10),
    "long": Form(b"%d", b"%x", 10, plus=int("9" * 55) * 10**10),  # 65 digits, far over 64 bits
    "alnum": Form(b"VN-%08xZ", b"vn-%08Xz", 16),
}


class Ids:
    """The ids of one centre. Two centres with one seed issue equal ids, as two carriers may."""

    def __init__(self, seed: int) -> None:
        self._start = seed * 7919 % MODULUS
        self.use("dec", "same")

    def use(self, form: str, receipt_form: str) -> None:
        """Write ids as `form` in answers and `receipt_form` ("same" or a form) in receipts from now on."""
        self._form = FORMS[form]
        self._receipt_text = self._form.text if receipt_form == "same" else FORMS[receipt_form].text

    def _value(self, index: int) -> int:
        return (self._start + index * STEP) % MODULUS + self._form.plus

    def answer(self, index: int) -> bytes:
        return self._form.text % self._value(index)

    def receipt(self, index: int, other_base: bool = False) -> bytes:
        return (self._form.other if other_base else self._receipt_text) % self._value(index)

    def index(self, identity: bytes) -> int:
        """Return which message an answer's id belongs to; ValueError if the id has another form."""
        digits = identity.removeprefix(b"VN-").removesuffix(b"Z")
        return (int(digits, self._form.base) - self._form.plus - self._start) * INVERSE % MODULUS
