"""Where the pages of a paper show something, so that nothing put on them later may cover it.

Loa's own papers are read (app/reports/export/pdf_file.py), as the typesetter writes them. What is not
understood raises: a page of unknown marks is not called uncovered.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

# Of a letter, in heights of its font: Vietnamese capitals have two marks above them.
_ABOVE, _BELOW = 1.0, 0.3
_MARKS_NOTHING = frozenset(
    ("BDC", "BMC", "EMC", "MP", "DP", "cs", "scn", "sc", "CS", "SCN", "SC", "g", "G", "rg", "RG", "k", "K")
) | frozenset(("w", "M", "J", "j", "d", "gs", "i", "ri", "W", "W*", "ET", "Tr"))
_PAINTS = frozenset(("S", "s", "f", "F", "f*", "B", "B*", "b", "b*"))


class Box(NamedTuple):
    """A rectangle of a page, by its lower left and upper right corner."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Return whether the two have more in common than an edge."""
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 0 and min(self.top, other.top) - max(self.bottom, other.bottom) > 0


class _Matrix(NamedTuple):
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def under(self, outer: _Matrix) -> _Matrix:
        """Return the transformation by this one, then by the outer one."""
        return _Matrix(
            self.a * outer.a + self.b * outer.c,
            self.a * outer.b + self.b * outer.d,
            self.c * outer.a + self.d * outer.c,
            self.c * outer.b + self.d * outer.d,
            self.e * outer.a + self.f * outer.c + outer.e,
            self.e * outer.b + self.f * outer.d + outer.f,
        )

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        corners = [self.point(x, y) for x in (left, right) for y in (bottom, top)]
        return around(corners)

    def point(self, x: float, y: float) -> tuple[float, float]:
        return x * self.a + y * self.c + self.e, x * self.b + y * self.d + self.f


_NOWHERE = _Matrix()


def around(points: Iterable[tuple[float, float]]) -> Box:
    """Return the smallest rectangle around these points."""
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


@dataclass(frozen=True, slots=True)
class _State:
    """What `q` keeps and `Q` restores, as far as it moves marks."""

    place: _Matrix = _NOWHERE
    font: Any = None
    size: float = 0.0


@dataclass(slots=True)
class _Walk:
    """One reading of a page's operators."""

    resources: Any
    state: _State = field(default_factory=_State)
    above: list[_State] = field(default_factory=list)
    text: _Matrix = _NOWHERE
    path: list[tuple[float, float]] = field(default_factory=list)
    widths: dict[int, tuple[dict[int, float], float]] = field(default_factory=dict)

    def boxes(self, operators: Iterable[tuple[str, Sequence[Any]]]) -> Iterator[Box]:
        for name, operands in operators:
            yield from self._operator(name, operands)

    def _operator(self, name: str, args: Sequence[Any]) -> Iterator[Box]:
        match name:
            case "q":
                self.above.append(self.state)
            case "Q":
                self.state = self.above.pop()
            case "cm":
                self.state = replace(self.state, place=_Matrix(*map(float, args)).under(self.state.place))
            case "m" | "l" | "c" | "v" | "y" | "re" | "n" | "h":
                self._draw(name, [float(each) for each in args])
            case name if name in _PAINTS:
                if self.path:
                    yield around(self.path)
                self.path.clear()
            case "Do":
                yield self._object(self.resources["/XObject"][args[0]])
            case "BT" | "Tf" | "Tm":
                self._place_text(name, args)
            case "Tj":
                yield self._shown([args[0]])
            case "TJ":
                yield self._shown(args[0])
            case name if name not in _MARKS_NOTHING:
                raise ValueError(f"the operator {name} is none of a paper's")

    def _draw(self, name: str, args: Sequence[float]) -> None:
        if name == "n":
            self.path.clear()
        elif name == "re":
            x, y, wide, high = args
            corners = ((x, y), (x + wide, y), (x, y + high), (x + wide, y + high))
            self.path += [self.state.place.point(*each) for each in corners]
        else:
            pairs = zip(args[::2], args[1::2], strict=True)
            self.path += [self.state.place.point(*each) for each in pairs]

    def _object(self, shape: Any) -> Box:
        if shape["/Subtype"] == "/Image":
            return self.state.place.box(0, 0, 1, 1)
        own = _Matrix(*map(float, shape["/Matrix"])) if "/Matrix" in shape else _Matrix()
        return own.under(self.state.place).box(*map(float, shape["/BBox"]))

    def _place_text(self, name: str, args: Sequence[Any]) -> None:
        if name == "Tf":
            font = self.resources["/Font"][args[0]]
            self.state = replace(self.state, font=font, size=float(args[1]))
        else:
            self.text = _Matrix(*map(float, args)) if name == "Tm" else _NOWHERE

    def _shown(self, pieces: Iterable[Any]) -> Box:
        size, wide = self.state.size, 0.0
        for piece in pieces:
            if hasattr(piece, "original_bytes"):
                wide += sum(self._advances(piece.original_bytes)) / 1000 * size
            else:
                wide -= float(piece) / 1000 * size
        place = self.text.under(self.state.place)
        self.text = _Matrix(e=wide).under(self.text)
        return place.box(min(wide, 0.0), -_BELOW * size, max(wide, 0.0), _ABOVE * size)

    def _advances(self, codes: bytes) -> Iterator[float]:
        """Yield the widths of letters, in thousandths of the font's height."""
        font = self.state.font
        if font["/Subtype"] != "/Type0" or font["/Encoding"] != "/Identity-H":
            raise ValueError("a font that papers do not have")
        if id(font) not in self.widths:
            own = font["/DescendantFonts"][0]
            default = float(own["/DW"]) if "/DW" in own else 1000.0
            self.widths[id(font)] = dict(_listed(own["/W"])), default
        known, default = self.widths[id(font)]
        for at in range(0, len(codes), 2):
            yield known.get(int.from_bytes(codes[at : at + 2], "big"), default)


def _listed(entries: Sequence[Any]) -> Iterator[tuple[int, float]]:
    """Yield code and width by a font's /W: `first [widths]` and `first last width`, mixed."""
    at = 0
    while at < len(entries):
        first, second = int(entries[at]), entries[at + 1]
        if isinstance(second, list):
            yield from ((first + nth, float(wide)) for nth, wide in enumerate(second))
            at += 2
        else:
            yield from ((code, float(entries[at + 2])) for code in range(first, int(second) + 1))
            at += 3


_OPERAND = b"/(<[+-.0123456789"
_BLANK = b" \t\r\n\f\0"


def _operators(content: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the operators of a stream with their operands.

    pyHanko's own parser takes the operator `f` for the beginning of `false`.
    """
    from pyhanko.pdf_utils.generic import read_object

    file, operands, place = io.BytesIO(content.data), list[Any](), content.container_ref
    while first := file.read(1):
        if first in _BLANK:
            continue
        if first in _OPERAND:
            file.seek(-1, io.SEEK_CUR)
            operands.append(read_object(file, place))
            continue
        name = first
        while (char := file.read(1)) and char not in _BLANK and char not in b"/([<":
            name += char
        file.seek(-len(char), io.SEEK_CUR)
        if name in (b"true", b"false", b"null"):
            operands.append(name)
        else:
            yield name.decode("ascii"), operands
            operands = []


def boxes(page: Any) -> list[Box]:
    """Return where a page of a paper has letters, lines and pictures."""
    return list(_Walk(page["/Resources"]).boxes(_operators(page["/Contents"])))
