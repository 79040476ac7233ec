"""Checks the signatures of a PDF, in a process of its own: a hostile file may want any time and memory."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.core import clock
from app.file_import import isolated_reader
from app.reports.frozen import added_content
from app.reports.frozen.added_content import Alteration, Validated

_MEMORY, _SECONDS, _PATIENCE_S = 2 << 30, 30, 60
_MOST_FIELDS = 1000  # of a form; a signed paper has a few
RULES = 2  # of these checks: what was checked by earlier ones is not called good
_ONE_AT_A_TIME = threading.Lock()  # in this process: each may take seconds and memory
_UNCHECKED, _TRUSTED = "unchecked", "trusted"


def check(pdf: Path, roots: Path | None, papers: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """Return what the file's signatures prove, or an error by its key; never raises for the file's sake.

    roots: a PEM file with the certificates that are trusted; papers: size and SHA-256 of the frozen papers.
    """
    if not is_installed():
        return _kept_only(pdf.read_bytes(), papers)
    asked = {"roots": str(roots.resolve()) if roots else None, "papers": papers}
    # -P: no module of the folder in which Loa happens to run.
    command = [sys.executable, "-P", "-m", "app.reports.frozen.signature_check", str(pdf.resolve())]
    try:
        with _ONE_AT_A_TIME:
            done = subprocess.run(  # noqa: S603 - this module, without a shell
                command,
                input=json.dumps(asked).encode(),
                capture_output=True,
                timeout=_PATIENCE_S,
                check=True,
                env=isolated_reader.environment(),
            )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return {"error": "unreadable"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def is_installed() -> bool:
    """Return whether the libraries of the extra `sign` are there."""
    return all(importlib.util.find_spec(name) for name in ("pyhanko", "pyhanko_certvalidator"))


def _kept_only(content: bytes, papers: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """Return what can be said of a file without the libraries that check signatures."""
    if b"%PDF-" not in content[:1024]:
        return {"error": "unreadable"}
    paper = _paper(content, papers)
    found = {"paper": paper, "paper_sha256": papers[paper][1] if paper else None, "same_pages": False}
    return {"sha256": hashlib.sha256(content).hexdigest(), "signatures": [], "unchecked": True, **found}


def _checked(content: bytes, roots: str | None, papers: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(content), strict=False)
        if reader.encrypted:
            return {"error": "encrypted"}
        if _has_too_many_fields(reader.root):
            return {"error": "fields"}
        signatures = reader.embedded_regular_signatures
    except _wrong():
        return {"error": "unreadable"}
    if not signatures:
        return {"error": "unsigned"}
    found = [_signature(each, _certificates(roots)) for each in signatures]
    altered = _in_form(reader, list(zip(signatures, found, strict=True)))
    for facts in found if altered else ():
        facts["later"] = "changed" if facts["later"] == "signatures" else facts["later"]
    return {
        "rules": RULES,
        "sha256": hashlib.sha256(content).hexdigest(),
        "signatures": found,
        **_content(reader, content, papers, altered),
    }


def _in_form(reader: Any, signatures: Sequence[tuple[Any, Mapping[str, Any]]]) -> set[Alteration]:
    """Return what is wrong with the form, given the facts of each signature."""
    try:
        validated = [Validated(each, shows=True) for each, facts in signatures if _holds(facts)]
        stamps = reader.embedded_timestamp_signatures
        validated += [Validated(each, shows=False) for each in stamps if _is_valid_stamp(each)]
        return added_content.in_form(reader, validated)
    except _wrong():
        return {Alteration.FIELD}


def _holds(facts: Mapping[str, Any]) -> bool:
    return bool(facts["intact"] and facts["whole"])


def _is_valid_stamp(stamp: Any) -> bool:
    """Return whether a time stamp over the document is intact; whose it is decides nothing."""
    from pyhanko.sign.validation import validate_pdf_timestamp
    from pyhanko_certvalidator import ValidationContext

    trust = ValidationContext(trust_roots=[], allow_fetching=False, revocation_mode="soft-fail")
    status = validate_pdf_timestamp(stamp, trust)
    return bool(status.intact and status.valid and status.coverage in _whole())


def _whole() -> tuple[Any, ...]:
    from pyhanko.sign.validation.status import SignatureCoverageLevel as Coverage

    return Coverage.ENTIRE_FILE, Coverage.ENTIRE_REVISION


def _at(node: Any, key: str, default: Any) -> Any:
    return node[key] if key in node else default  # noqa: SIM401 - .get() follows no reference


def _has_too_many_fields(root: Any) -> bool:
    """Return whether a form's tree has more paths than is plausible; kids may be shared by many parents."""
    waiting, count = [_at(root, "/AcroForm", {})], 0
    while waiting:
        node = waiting.pop()
        kids = [each for key in ("/Fields", "/Kids") for each in _at(node, key, ())]
        count += len(kids)
        if count > _MOST_FIELDS:
            return True
        waiting += [kid.get_object() for kid in kids]
    return False


def _wrong() -> tuple[type[Exception], ...]:
    """Return what the library raises for a file that was made or altered by hand."""
    from pyhanko.pdf_utils.misc import PdfError

    return (PdfError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def _certificates(roots: str | None) -> list[Any] | None:
    from pyhanko import keys

    load: Any = keys.load_certs_from_pemder  # it has no types
    return list(load([roots])) if roots else None


def _signature(embedded: Any, roots: list[Any] | None) -> dict[str, Any]:
    """Return one signature's facts. What can't be read is told as not intact, not left out."""
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator import ValidationContext

    # The trade's certificates for signing have one or both of these.
    usage = KeyUsageConstraints(
        key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False
    )
    # Nothing is fetched: who is asked about a certificate would learn of the paper.
    trust = ValidationContext(trust_roots=roots or [], allow_fetching=False, revocation_mode="soft-fail")
    facts: dict[str, Any] = {"signer": "", "issuer": "", "organisation": "", "signed_at": None}
    nothing = {"timestamped_at": None, "intact": False, "whole": False, "later": "changed"}
    try:
        facts |= _names(embedded.signer_cert)
        status = validate_pdf_signature(embedded, trust, key_usage_settings=usage)
    except _wrong():
        return facts | nothing | {"chain": _UNCHECKED, "chain_problem": "unreadable"}
    return facts | _said(status, roots)


def _said(status: Any, roots: list[Any] | None) -> dict[str, Any]:
    from pyhanko.sign.validation.status import SignatureCoverageLevel as Coverage

    stamp = status.timestamp_validity
    stamped = stamp.timestamp if stamp and stamp.valid and stamp.intact else None
    problem = status.trust_problem_indic
    chain = _TRUSTED if status.trusted else "untrusted"
    return {
        "signed_at": status.signer_reported_dt.isoformat() if status.signer_reported_dt else None,
        "timestamped_at": stamped.isoformat() if stamped else None,
        "timestamp_trusted": bool(stamped and stamp.trusted),
        "intact": bool(status.intact and status.valid),
        "whole": status.coverage in _whole(),
        "later": _later(status, status.coverage is Coverage.ENTIRE_FILE),
        "chain": chain if roots else _UNCHECKED,
        "chain_problem": problem.name if problem and roots else "",
    }


def _later(status: Any, last: bool) -> str:
    from pyhanko.sign.diff_analysis import ModificationLevel

    if last:
        return "nothing"
    level = status.modification_level
    harmless = level is not None and level <= ModificationLevel.FORM_FILLING and status.docmdp_ok
    return "signatures" if harmless else "changed"


def _names(certificate: Any) -> dict[str, Any]:
    own, issuer = certificate.subject.native, certificate.issuer.native
    return {
        "in_force": certificate.not_valid_before <= clock.now() <= certificate.not_valid_after,
        "signer": _name(own, "common_name"),
        "organisation": _name(own, "organization_name"),
        "issuer": _name(issuer, "common_name") or _name(issuer, "organization_name"),
    }


def _name(parts: Mapping[str, Any], key: str) -> str:
    """Return a name of a certificate as one plain line: anybody may write anything into his own."""
    said = parts.get(key, "")
    text = ", ".join(map(str, said)) if isinstance(said, list) else str(said)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:200]


def _content(
    reader: Any, content: bytes, papers: Mapping[str, tuple[int, str]], altered: Collection[Alteration]
) -> dict[str, Any]:
    """Return with which frozen paper the file begins, and whether its pages are still that paper's."""
    form = _paper(content, papers)
    if form is None:
        return {"paper": None, "paper_sha256": None, "same_pages": False, "altered": sorted(altered)}
    size, sha256 = papers[form]
    try:
        pages, covered = added_content.in_paper(reader, content[:size])
    except _wrong():
        pages, covered = {Alteration.PAGES}, None
    found = sorted({*altered, *pages})
    return {
        "paper": form,
        "paper_sha256": sha256,
        "same_pages": not found,
        "altered": found,
        "covered_page": covered,
    }


def _paper(content: bytes, papers: Mapping[str, tuple[int, str]]) -> str | None:
    """Return with which frozen paper the file begins, if any."""
    for form, (size, sha256) in papers.items():
        if size <= len(content) and hashlib.sha256(content[:size]).hexdigest() == sha256:
            return form
    return None


if __name__ == "__main__":
    isolated_reader.limit(_MEMORY, _SECONDS)
    sys.stdout.write(json.dumps(_checked(Path(sys.argv[1]).read_bytes(), **json.load(sys.stdin))))
