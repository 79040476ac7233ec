"""Which wording of a campaign goes to which area: languages are chosen by area, never by person; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.ledger.unreached import covered

Areas = Mapping[str, Sequence[str]]  # language -> codes of areas


def wordings_by_area(texts: Mapping[str, str], areas: Areas) -> dict[str, str]:
    """Return the wording of each area that has one of its own, and under "" that of all others."""
    own = {code: texts[language] for code, language in languages_by_area(areas).items() if language in texts}
    return {"": texts[""], **own}


def languages_by_area(areas: Areas) -> dict[str, str]:
    """Return the language of each area that has one of its own, with what lies in the named areas."""
    return {code: language for language, codes in areas.items() for code in sorted(covered(codes))}


def claimed_twice(areas: Areas) -> Iterator[str]:
    """Yield the named areas that have two languages."""
    whose: dict[str, str] = {}
    for language, codes in areas.items():
        for named in codes:
            found = covered((named,))
            if any(whose.get(code, language) != language for code in found):
                yield named
            whose.update(dict.fromkeys(found, language))
