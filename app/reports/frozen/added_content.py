"""What a PDF shows besides its paper: only pictures of its own validated signatures, on empty places.

All else is an alteration, whatever program added it: fields without a signature, fields that share one,
pictures that were changed after signing, that reach out of their rectangle or that cover something, and any
other object of the paper that is no longer what it was.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.reports.frozen import page_marks
from app.reports.frozen.page_marks import Box

_MOST_PARTS = 200_000  # looked at of a file's pages, each as often as it is referred to
_Place = tuple[int, int]  # number and generation of an object


class Alteration(StrEnum):
    """How a file differs from a paper with nothing but signatures added."""

    PAGES = "pages"  # the paper's own objects
    ADDED = "added"  # a note, a form, or bytes that belong to no revision
    FIELD = "field"  # a signature field without a validated signature of its own
    PICTURE = "picture"  # of a signature: changed since, or not confined to its rectangle
    COVERS = "covers"  # a picture lies on what the page shows


@dataclass(frozen=True, slots=True)
class Validated:
    """A signature or time stamp that was validated in this file. shows: whether it may have a picture."""

    embedded: Any
    shows: bool


# What a catalog and a page may get when somebody signs; all other entries stay as they are.
_OF_CATALOG = frozenset(("/AcroForm", "/DSS", "/Perms", "/Extensions", "/Version", "/Metadata"))
_OF_PAGE = frozenset(("/Annots", "/Tabs", "/StructParents"))
_OF_FORM = frozenset(("/Fields", "/SigFlags", "/DA", "/DR", "/Q", "/NeedAppearances"))
_OF_FIELD = frozenset(
    (
        *("/Type", "/Subtype", "/FT", "/T", "/TU", "/Ff", "/V", "/Kids", "/Parent", "/P", "/Rect", "/F"),
        *("/AP", "/DA", "/Q", "/MK", "/BS", "/Border", "/M", "/NM", "/Lock", "/SV", "/StructParent"),
    )
)
# Flags of a widget: invisible, hidden, print, no view, read only, locked, locked contents. The others, such
# as "no zoom", let its picture leave the rectangle.
_FLAGS = 1 | 2 | 4 | 32 | 64 | 128 | 512


def in_form(reader: Any, validated: Sequence[Validated]) -> set[Alteration]:
    """Return what is wrong with the form and its signature fields, whatever pages the file has."""
    found = set[Alteration]()
    if not _ends_whole(reader):
        found.add(Alteration.ADDED)
    form = _at(reader.root, "/AcroForm", {})
    if set(form) - _OF_FORM:
        found.add(Alteration.ADDED)
    by_place = {_place(each.embedded.sig_field.raw_get("/V")): each for each in validated}
    seen = set[_Place | None]()
    for entry in _entries(form, "/Fields"):
        field, place = entry.get_object(), _signature_place(entry.get_object())
        if place is None or place in seen or place not in by_place:
            found.add(Alteration.FIELD)
            continue
        seen.add(place)
        found.update(_in_field(reader, entry, field, by_place[place]))
    return found


def in_paper(reader: Any, paper: bytes) -> tuple[set[Alteration], int | None]:
    """Return what is wrong with the pages of a file that begins as this paper, and which page is covered."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    before = PdfFileReader(io.BytesIO(paper), strict=False)
    found = set[Alteration]()
    if not _has_all_objects(before, reader):
        return {Alteration.PAGES}, None
    widgets = {_place(each) for each in _widgets(reader)}
    covered: int | None = None
    parts, shown = iter(range(_MOST_PARTS)), set[_Place | None]()
    pages = zip(_pages(before.root["/Pages"], parts), _pages(reader.root["/Pages"], parts), strict=True)
    for number, (was, page) in enumerate(pages, 1):
        own = [_place(note) for note in _entries(was, "/Annots")]
        notes = _entries(page, "/Annots")
        places = [_place(note) for note in notes]
        added = places[len(own) :]
        known = places[: len(own)] == own and set(added) <= widgets and None not in added
        if not known or len(set(added)) < len(added) or shown & set(added):
            found.add(Alteration.ADDED)
        shown |= set(added)
        rectangles = [_rectangle(note.get_object()) for note in notes[len(own) :]]
        visible = [each for each in rectangles if each is not None]
        if visible and any(mark.overlaps(each) for mark in page_marks.boxes(was) for each in visible):
            found.add(Alteration.COVERS)
            covered = covered or number
    return found, covered


def _ends_whole(reader: Any) -> bool:
    """Return whether nothing follows the last revision that only other programs might read."""
    if reader.xrefs.hybrid_xrefs_present:
        return False
    reader.stream.seek(0)
    content = reader.stream.read().rstrip(b"\r\n\t \0")
    if not content.endswith(b"%%EOF"):
        return False
    last = content[content.rindex(b"startxref") + len(b"startxref") : -len(b"%%EOF")]
    expected = reader.xrefs.get_startxref_for_revision(reader.xrefs.total_revisions - 1)
    return bool(last.strip() == str(expected).encode())


# ---- Fields and their pictures


def _signature_place(field: Any) -> _Place | None:
    if _at(field, "/FT", None) != "/Sig" or "/V" not in field:
        return None
    return _place(field.raw_get("/V"))


def _in_field(reader: Any, entry: Any, field: Any, validated: Validated) -> Iterator[Alteration]:
    then = reader.get_historical_resolver(validated.embedded.signed_revision)
    kids, own = _entries(field, "/Kids"), [entry] if _at(field, "/Subtype", None) == "/Widget" else []
    if _place(entry) is None or len(kids) + len(own) > 1 or any("/Kids" in kid.get_object() for kid in kids):
        yield Alteration.FIELD
        return
    for part in (entry, *kids):
        parts = iter(range(_MOST_PARTS))
        before = then.get_object(_reference(part, then))
        if set(part.get_object()) - _OF_FIELD or _digest(before, parts) != _digest(part.get_object(), parts):
            yield Alteration.PICTURE
    for widget in (*own, *kids):
        if not _is_confined(widget.get_object(), shows=validated.shows):
            yield Alteration.PICTURE


def _is_confined(widget: Any, *, shows: bool) -> bool:
    """Return whether viewers draw the widget within its rectangle only."""
    rectangle = _rectangle(widget)
    if rectangle is not None and not shows:
        return False
    if int(_at(widget, "/F", 0)) & ~_FLAGS:
        return False
    looks = _at(widget, "/AP", {})
    if not looks:
        return True
    picture = _at(looks, "/N", None)
    box = _at(picture, "/BBox", ()) if hasattr(picture, "encoded_data") else ()
    return set(looks) == {"/N"} and len(box) == 4 and all(abs(float(edge)) < 1e5 for edge in box)


def _rectangle(widget: Any) -> Box | None:
    """Return where a widget is drawn; None where it has no room."""
    left, bottom, right, top = (float(edge) for edge in _at(widget, "/Rect", (0, 0, 0, 0)))
    box = page_marks.around([(left, bottom), (right, top)])
    return box if box.right > box.left and box.top > box.bottom else None


def _widgets(reader: Any) -> Iterator[Any]:
    for entry in _entries(_at(reader.root, "/AcroForm", {}), "/Fields"):
        yield entry
        yield from _entries(entry.get_object(), "/Kids")


# ---- The paper's own objects


def _has_all_objects(before: Any, after: Any) -> bool:
    """Return whether each object of the paper is in the file as it was, but for what signing adds."""
    if before.root_ref.idnum != after.root_ref.idnum:
        return False
    entries = _page_entries(before.root["/Pages"], iter(range(_MOST_PARTS)))
    pages = {place for page in entries if (place := _place(page))}
    lists = {_listed(before, page) for page in pages}
    free = {_place(before.trailer.raw_get("/Info"))} if "/Info" in before.trailer else set()
    free |= {_place(before.root.raw_get("/Metadata"))} if "/Metadata" in before.root else set()
    for reference in before.xrefs.explicit_refs_in_revision(before.xrefs.total_revisions - 1):
        place = reference.idnum, reference.generation
        if place in free | lists:
            continue
        aside: Collection[str] = _OF_PAGE if place in pages else ()
        aside = _OF_CATALOG if reference.idnum == before.root_ref.idnum else aside
        if not _same(before.get_object(reference), after.get_object(_reference_at(place, after)), aside):
            return False
    return True


def _listed(reader: Any, page: _Place) -> _Place | None:
    """Return where the list of a page's notes is, if it is an object of its own."""
    node = reader.get_object(_reference_at(page, reader))
    return _place(node.raw_get("/Annots")) if "/Annots" in node else None


def _same(one: Any, other: Any, aside: Collection[str] = ()) -> bool:
    """Compare two objects, but not what they refer to: that is compared by itself."""
    from pyhanko.pdf_utils import generic

    if type(one) is not type(other):
        return False
    if isinstance(one, generic.StreamObject) and one.encoded_data != other.encoded_data:
        return False
    if isinstance(one, generic.DictionaryObject):
        keys, others = set(one) - set(aside), set(other) - set(aside)
        return keys == others and all(_same(one.raw_get(key), other.raw_get(key)) for key in keys)
    if isinstance(one, generic.ArrayObject):
        pairs = ((one.raw_get(at), other.raw_get(at)) for at in range(len(one)))
        return len(one) == len(other) and all(_same(*pair) for pair in pairs)
    place = _place(one)
    return place == _place(other) if place else bool(repr(one) == repr(other))


# ---- Reading a PDF's objects


def _at(node: Any, key: str, default: Any) -> Any:
    return node[key] if key in node else default  # noqa: SIM401 - .get() follows no reference


def _entries(node: Any, key: str) -> list[Any]:
    """Return the entries of a list as they are written: references, where they are."""
    entries = _at(node, key, ())
    return [entries.raw_get(at) for at in range(len(entries))]


def _place(value: Any) -> _Place | None:
    """Return where a reference leads; None for what is no reference."""
    idnum = getattr(value, "idnum", None)
    return None if idnum is None else (idnum, value.generation)


def _reference_at(place: _Place, reader: Any) -> Any:
    from pyhanko.pdf_utils.generic import Reference

    return Reference(*place, reader)


def _reference(entry: Any, reader: Any) -> Any:
    return _reference_at((entry.idnum, entry.generation), reader)


def _page_entries(node: Any, parts: Iterator[int]) -> Iterator[Any]:
    for kid in _entries(node, "/Kids"):
        _take(parts)
        inner = kid.get_object()
        if "/Kids" in inner:
            yield from _page_entries(inner, parts)
        else:
            yield kid


def _pages(node: Any, parts: Iterator[int]) -> Iterator[Any]:
    return (entry.get_object() for entry in _page_entries(node, parts))


def _take(parts: Iterator[int]) -> None:
    """Count one more part; ValueError once there are too many, as where one is referred to 2^40 times."""
    if next(parts, None) is None:
        raise ValueError("the file refers to more parts than a paper has")


def _digest(value: Any, parts_left: Iterator[int], above: tuple[Any, ...] = ()) -> str:
    """Hash a value of a PDF with all that it refers to."""
    from pyhanko.pdf_utils import generic

    _take(parts_left)
    target: Any = value
    if isinstance(value, generic.IndirectObject):
        place = (value.idnum, value.generation)
        return "above" if place in above else _digest(target.get_object(), parts_left, (*above, place))
    parts: list[str] = []
    if isinstance(value, generic.StreamObject):
        parts.append(hashlib.sha256(value.encoded_data).hexdigest())
    if isinstance(value, generic.DictionaryObject):
        parts += [
            f"{key} {_digest(value.raw_get(key), parts_left, above)}"
            for key in sorted(value)
            if above or key not in ("/Parent", "/P")
        ]
    elif isinstance(value, generic.ArrayObject):
        parts += [_digest(value.raw_get(nth), parts_left, above) for nth in range(len(value))]
    else:
        parts.append(repr(value))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()
