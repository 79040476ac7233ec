"""Signed PDFs that come back: kept byte for byte, with what their signatures prove, in sentences."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from sqlalchemy import Connection, Row, insert, select, update

from app.core import clock
from app.core.areas import fold
from app.core.errors import Conflict, Invalid, no_such
from app.core.masking import mask_written
from app.database.connection import Database
from app.database.models import issued_reports, report_files, signed_papers
from app.reports.frozen import archive, signature_check
from app.reports.frozen.added_content import Alteration
from app.reports.frozen.archive import Frozen
from app.security import audit, kept_rows
from carriers.phrases import Phrase

_NAME_LENGTH = 200
_PATIENCE_S = 60.0  # how long a file waits for its check
_BUSY = "Other signed PDFs are being checked. Try again in a minute."
_NOT_INSTALLED = (
    "Signatures were not checked because the optional extra “sign” is not installed. Ask your "
    "administrator to install it (pip install 'loa[sign]'), then upload the file again."
)
_UNCOMPARED = "The file begins with the frozen document {paper}. What was added to it has not been checked."
_ERRORS = {
    "unreadable": "This file is not a readable PDF. Upload the PDF as saved by the signing program.",
    "fields": "This PDF has too many form fields for a signed document, so it was not checked.",
    "encrypted": "This PDF is encrypted and cannot be compared. Upload it without a password.",
    "unsigned": (
        "This PDF has no digital signature. Upload the file saved by the signing program; the scan "
        "of a document signed by hand is not accepted here."
    ),
}
_PAPERS = ("issued-pdf", "issued-summary", "pdf", "summary")
_CHAIN = {
    "unchecked": (
        "The owner of the certificate was not verified because the setting signature_roots names "
        "no trusted authority."
    ),
    "trusted": (
        "The certificate was issued by an authority in signature_roots and was valid at the time "
        "of the check. Revocation was not checked."
    ),
}
_LATER = {
    "nothing": "Nothing was added to the file after this signature.",
    "signatures": "Only further signatures were added to the file after this one.",
    "changed": ("The file was changed after this signature, so what it shows now is not what was signed."),
}

_OTHER_SIGNER = (
    "The document names {named} as its signer, but no signature has that name. Ask the office who signed."
)
# Words before a name on a paper, folded.
_RANKS = frozenset(("dai", "thuong", "trung", "thieu", "ta", "tuong", "uy", "ong", "ba", "dong", "chi"))
_ALTERED = {
    Alteration.ADDED.value: (
        "Something other than signatures was added to the file, such as a note or a form. "
        "Only signatures may be added."
    ),
    Alteration.FIELD.value: (
        "A signature field of the file has no valid signature of its own. Such a field can show anything."
    ),
    Alteration.PICTURE.value: (
        "The picture of a signature was changed after signing, or can be drawn outside its rectangle."
    ),
    Alteration.COVERS.value: (
        "The picture of a signature covers something on page {page}. Sign again with the picture in an "
        "empty place."
    ),
}
_EARLIER_RULES = (
    "The file was checked by an earlier version of Loa, which did not notice every change. Upload it "
    "again to have it checked."
)
_FORMER = "The document has been issued again since, so the signed version is not the current one."


@dataclass(frozen=True, slots=True)
class PaperSignature:
    """One signature. signer, issuer: as the certificate names them, which proves nothing without its chain.

    chain: trusted, untrusted or unchecked; good: intact, over the whole document, unchanged since, trusted.
    """

    signer: str
    organisation: str
    issuer: str
    signed_at: datetime | None
    timestamped_at: datetime | None
    intact: bool
    whole: bool
    later: str
    chain: str
    good: bool


@dataclass(frozen=True, slots=True)
class SignedPaper:
    """A signed PDF as it came back. paper: the frozen file that it begins with; None: none of them.

    same_pages: whether its pages are still that paper's; good: the issued paper, unchanged, with good
    signatures alone, one of them in the name of its signer; sentences: all that was found, in words.
    """

    sha256: str
    name: str
    size: int
    at: datetime
    by: str
    checked_at: datetime
    paper: str | None
    same_pages: bool
    signatures: Sequence[PaperSignature]
    good: bool
    sentences: Sequence[str]


class _Turns:
    """Who may check a file now, in one event loop."""

    def __init__(self) -> None:
        self.everybody = asyncio.Lock()
        self._accounts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, account: str) -> asyncio.Lock:
        return self._accounts.setdefault(account, asyncio.Lock())


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class SignedPapers:
    """Keeps signed papers in `who`'s name. carrier: whose reports the caller may see, None for all.

    roots: the setting signature_roots.
    """

    db: Database
    roots: Path | None
    who: str
    carrier: str | None

    async def checked(self, report_id: int, path: Path) -> dict[str, Any]:
        """Do `check` when its turn comes; raises Conflict when that takes too long.

        One file is checked at a time, and one of each carrier (or account) waits for it, so that slow files
        of one caller hardly delay another's. A file that waits holds no thread, which other requests need.
        """
        turns = _turns.setdefault(asyncio.get_running_loop(), _Turns())
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await held.enter_async_context(turns.of(self.carrier or self.who))
                    await held.enter_async_context(turns.everybody)
            except TimeoutError:
                raise Conflict(_BUSY) from None
            return await asyncio.to_thread(self.check, report_id, path)

    def check(self, report_id: int, path: Path) -> dict[str, Any]:
        """Return what the file's signatures prove; raises Invalid for what is no signed PDF, and NotFound."""
        report = self.db.read(archive.get, report_id, self.carrier)
        papers = {each.format: (each.size, each.sha256) for each in report.files if each.format in _PAPERS}
        ordered = {form: papers[form] for form in _PAPERS if form in papers}
        found = signature_check.check(path, self.roots, ordered)
        if "error" in found:
            raise Invalid(_ERRORS[found["error"]], field="file")
        return found

    def keep(
        self, connection: Connection, report_id: int, path: Path, result: Mapping[str, Any], name: str = ""
    ) -> SignedPaper:
        """Keep the file; the same bytes again are the same paper, checked anew. result: of `check`."""
        archive.get(connection, report_id, self.carrier)
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != result["sha256"]:
            raise Invalid("The file changed while it was being read. Upload it again.", field="file")
        s, now = signed_papers.c, clock.now_ms()
        own = (s.report_id == report_id, s.sha256 == sha256)
        checked = {"found": dict(result), "checked_at": now}
        if connection.execute(select(s.id).where(*own)).first() is not None:
            connection.execute(update(signed_papers).where(*own).values(checked))
        else:
            row = {"report_id": report_id, "sha256": sha256, "name": _clean(name or path.name), "at": now}
            row |= {"size": len(content), "content": content, "by": self.who, **checked}
            connection.execute(insert(signed_papers).values(row))
        said = {"sha256": sha256, "kept": kept_rows.kept(connection, signed_papers, *own)}
        audit.note(connection, self.who, "report.signed", f"report/{report_id}", **said)
        return next(each for each in of_report(connection, report_id) if each.sha256 == sha256)


def _clean(name: str) -> str:
    masked = mask_written("".join(char if char.isprintable() else " " for char in name))
    said = masked.strip()[: _NAME_LENGTH - 4] or "file"
    return said if said.lower().endswith(".pdf") else f"{said}.pdf"


def of_report(connection: Connection, report_id: int) -> list[SignedPaper]:
    """Return a report's signed papers, oldest first, without their bytes."""
    s, f = signed_papers.c, report_files.c
    query = select(*(each for each in s if each.name != "content")).where(s.report_id == report_id)
    now = connection.execute(select(f.format, f.sha256).where(f.report_id == report_id))
    today = {row.format: row.sha256 for row in now}
    i = issued_reports.c
    signer = connection.execute(select(i.signer).where(i.report_id == report_id)).scalar()
    return [_paper(row, today, signer) for row in connection.execute(query.order_by(s.id))]


def fetch(connection: Connection, report: Frozen, sha256: str) -> tuple[str, bytes]:
    """Return a signed paper's name and bytes; raises NotFound, and Spoilt if they are no longer those."""
    s = signed_papers.c
    query = select(s.name, s.content).where(s.report_id == report.id, s.sha256 == sha256)
    row = connection.execute(query).first()
    if row is None:
        raise no_such("signed paper", Phrase("with this sha256"), field="sha256")
    archive.require_bytes(
        bytes(row.content), sha256, Phrase("The signed document of report {report}", report=report.id)
    )
    return row.name, bytes(row.content)


def _paper(row: Row[Any], today: Mapping[str, str], named: str | None) -> SignedPaper:
    """Return a signed paper; today: the hashes of the report's files, since issuing again replaces some.

    named: rank and name of the signer, as the issued paper has them.
    """
    found = row.found
    former = found["paper"] is not None and today.get(found["paper"]) != found["paper_sha256"]
    signatures = tuple(_signature(each) for each in found["signatures"])
    signers = [each.signer for each in signatures]
    other = bool(named and signers) and not any(_is_of(named or "", each) for each in signers)
    about = (each for pair in zip(signatures, found["signatures"], strict=True) for each in _words(*pair))
    return SignedPaper(
        sha256=row.sha256,
        name=row.name,
        size=row.size,
        at=clock.moment(row.at),
        by=row.by,
        checked_at=clock.moment(row.checked_at),
        paper=found["paper"],
        same_pages=found["same_pages"],
        signatures=signatures,
        good=found.get("rules") == signature_check.RULES
        and found["paper"] == "issued-pdf"
        and found["same_pages"]
        and not former
        and not other
        and bool(signatures)
        and all(each.good for each in signatures),
        sentences=(*about, *_content(found), *([_FORMER] if former else []))
        + ((Phrase(_OTHER_SIGNER, named=named),) if other else ()),
    )


def _is_of(named: str, signer: str) -> bool:
    """Return whether a certificate is in the name of the paper's signer, whatever stands around the name."""
    own, words = ([fold(word) for word in text.split() if fold(word)] for text in (named, signer))
    while len(own) > 2 and own[0] in _RANKS:
        own = own[1:]
    return any(words[at : at + len(own)] == own for at in range(len(words)))


def _signature(result: Mapping[str, Any]) -> PaperSignature:
    whole, later, chain = result["whole"], result["later"], result["chain"]
    return PaperSignature(
        signer=result["signer"] or "?",
        organisation=result["organisation"],
        issuer=result["issuer"] or "?",
        signed_at=_moment(result["signed_at"]),
        timestamped_at=_moment(result["timestamped_at"]),
        intact=result["intact"],
        whole=whole,
        later=later,
        chain=chain,
        good=result["intact"] and whole and later != "changed" and chain == "trusted",
    )


def _moment(text: str | None) -> datetime | None:
    return clock.local(datetime.fromisoformat(text)) if text else None


def _words(signature: PaperSignature, result: Mapping[str, Any]) -> Iterator[str]:
    of = f" ({signature.organisation})" if signature.organisation else ""
    yield Phrase(
        "Signed in the name of {signer}{of}, with a certificate issued by {issuer}.",
        signer=signature.signer,
        of=of,
        issuer=signature.issuer,
    )
    yield from _when(signature, bool(result.get("timestamp_trusted")))
    if not signature.intact:
        yield ("The signature does not match the file. The file was altered, or the signature is forged.")
        return
    if not signature.whole:
        yield ("The signature covers only part of the file, so it does not confirm what the pages show.")
    yield _LATER[signature.later]
    yield _CHAIN.get(signature.chain) or _untrusted(
        result["chain_problem"], bool(result.get("in_force", True))
    )


def _when(signature: PaperSignature, trusted: bool) -> Iterator[str]:
    if signature.timestamped_at and trusted:
        yield Phrase(
            "A trusted time stamp gives the signing time {at}.",
            at=f"{signature.timestamped_at:%d/%m/%Y %H:%M:%S}",
        )
    elif signature.signed_at or signature.timestamped_at:
        at = signature.signed_at or signature.timestamped_at
        yield Phrase(
            "Signing time {at} comes from the signer's computer and is not certified.",
            at=f"{at:%d/%m/%Y %H:%M:%S}",
        )
    else:
        yield "It gives no signing time."


def _untrusted(problem: str, in_force: bool) -> str:
    if problem.startswith("REVOKED_"):
        return "The certificate was revoked. Do not rely on this signature."
    if not in_force or problem.startswith("OUT_OF_BOUNDS"):
        return (
            "The certificate was not valid at the time of the check, so the signer's identity is unconfirmed."
        )
    return (
        "The certificate does not lead to an authority in signature_roots, so the signer's "
        "identity is unconfirmed."
    )


def _content(result: Mapping[str, Any]) -> Iterator[str]:
    paper, unchecked = result["paper"], bool(result.get("unchecked"))
    for alteration in result.get("altered", ()):
        if alteration in _ALTERED:
            yield Phrase(_ALTERED[alteration], page=result.get("covered_page") or "?")
    if unchecked:
        yield _NOT_INSTALLED
    if paper is None:
        yield (
            "The file was not made from a frozen document of this version. Compare its pages by "
            "eye, using the code on the last page."
        )
    elif unchecked:
        yield Phrase(_UNCOMPARED, paper=paper)
    elif not result["same_pages"]:
        yield (
            Phrase(
                "The file begins as the frozen document {paper}, but its pages were changed "
                "afterwards. Compare them by eye.",
                paper=paper,
            )
        )
    elif result.get("rules") != signature_check.RULES:
        yield _EARLIER_RULES
    else:
        yield Phrase(
            "Its pages are those of the frozen document {paper}, except for what the signatures show.",
            paper=paper,
        )
