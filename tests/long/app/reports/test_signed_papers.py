"""A signed PDF that came back: kept byte for byte, and no better word for its signatures than they prove."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import resource
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import update
from typer.testing import CliRunner

from app.cli import app as loa
from app.core.config import Settings
from app.core.errors import Conflict, Invalid
from app.database.connection import Database
from app.database.models import signed_papers as table
from app.ledger.ledger import ledger_for
from app.reports.forms import letterhead
from app.reports.frozen import archive, signature_check
from app.reports.frozen import signed_papers as waiting_for_a_check
from app.reports.frozen.archive import Frozen
from app.reports.frozen.signed_papers import SignedPaper, SignedPapers, of_report
from app.reports.release.freeze import Freezer
from app.reports.release.issue import issue
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.long.app.reports.kept import issue_today
from tests.long.app.reports.signing import Authority, scribble, sign


@dataclass
class Desk:
    """A report with its final paper, and an authority that the settings trust."""

    freezer: Freezer
    report: Frozen
    authority: Authority
    folder: Path

    @property
    def paper(self) -> bytes:
        return self.freezer.db.read(archive.content, self.report, "issued-pdf")[1]

    def keep(self, pdf: bytes, *, trusts: bool = True, name: str = "ký.pdf") -> SignedPaper:
        file = self.folder / name
        file.write_bytes(pdf)
        roots = self.authority.pem(self.folder) if trusts else None
        papers = SignedPapers(self.freezer.db, roots, "officer", None)
        found = papers.check(self.report.id, file)
        return self.freezer.db.write(papers.keep, self.report.id, file, found)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issued_once(frozen_twice: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose first version is issued: writing its papers takes longer than a test."""
    file = tmp_path_factory.mktemp("issued") / "loa.sqlite3"
    shutil.copy(frozen_twice, file)
    with closing(Database(f"sqlite:///{file}")) as db:
        issue(Freezer(db, ledger_for(db), letterhead.load(None), "officer"), 1, None, issue_today())
    return file


@pytest.fixture
def desk(issued_once: Path, authority: Authority, tmp_path: Path) -> Iterator[Desk]:
    shutil.copy(issued_once, tmp_path / "loa.sqlite3")
    with closing(Database(f"sqlite:///{tmp_path / 'loa.sqlite3'}")) as db:
        freezer = Freezer(db, ledger_for(db), letterhead.load(None), "officer")
        yield Desk(freezer, db.read(archive.get, 1), authority, tmp_path)


def said(paper: SignedPaper) -> str:
    return " ".join(paper.sentences)


@pytest.mark.parametrize(
    ("signer", "good"),
    [
        ("NGUYỄN VĂN A", True),
        ("Nguyen Van A - Giam doc", True),
        ("Nguyễn Văn An", False),
        ("Trần Văn A", False),
        ("Trần Thị B", False),
    ],
)
def test_a_signature_of_another_person_than_the_named_signer_is_told(
    desk: Desk, signer: str, good: bool
) -> None:
    kept = desk.keep(sign(desk.paper, desk.authority.signer(signer)))
    assert kept.good is good
    assert ("names Đại tá Nguyễn Văn A as its signer" in said(kept)) is not good


@pytest.mark.prove
async def test_files_that_wait_for_their_check_keep_no_other_request_waiting(
    desk: Desk, tmp_path: Path
) -> None:
    file = tmp_path / "x.pdf"
    file.write_bytes(b"%PDF-1.7 no more than this")
    papers = SignedPapers(desk.freezer.db, None, "officer", None)
    with signature_check._ONE_AT_A_TIME:  # a file is being checked, and takes its time
        waiting = [asyncio.create_task(papers.checked(1, file)) for _ in range(60)]
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(int, "7") == 7
            assert await run_in_threadpool(int, "7") == 7
        for each in waiting[1:]:
            each.cancel()
    (first, *_) = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, Invalid)


async def test_a_caller_with_many_slow_files_delays_another_by_one_of_them(
    desk: Desk, tmp_path: Path
) -> None:
    file, order = tmp_path / "x.pdf", list[str]()
    file.write_bytes(b"%PDF-1.7 no more than this")

    async def hand_in(who: str, carrier: str | None) -> None:
        with pytest.raises(Invalid):
            await SignedPapers(desk.freezer.db, None, who, carrier).checked(1, file)
        order.append(who)

    with signature_check._ONE_AT_A_TIME:  # a file is being checked, and takes its time
        waiting = [asyncio.create_task(hand_in("many", None)) for _ in range(4)]
        await asyncio.sleep(0.1)
        waiting.append(asyncio.create_task(hand_in("other", None)))
        await asyncio.sleep(0.1)
    await asyncio.gather(*waiting)
    assert order.index("other") == 1


async def test_who_waits_too_long_for_a_check_is_asked_to_try_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_for_a_check, "_PATIENCE_S", 0.2)
    file = tmp_path / "x.pdf"
    file.write_bytes(b"%PDF-1.7 no more than this")
    papers = SignedPapers(desk.freezer.db, None, "officer", None)
    with signature_check._ONE_AT_A_TIME:
        first = asyncio.create_task(papers.checked(1, file))
        await asyncio.sleep(0.1)
        with pytest.raises(Conflict, match="Try again in a minute"):
            await papers.checked(1, file)
    with pytest.raises(Invalid):
        await first


def tree(above: str) -> bytes:
    """A PDF of 3 kB in which 40 levels of fields or pages each refer twice to the one below."""
    fields = "".join(f"{n} 0 obj\n<< {above} [{n + 1} 0 R {n + 1} 0 R] >>\nendobj\n" for n in range(4, 44))
    fields += "44 0 obj\n<< /FT /Tx /T (x) >>\nendobj\n"
    body = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /AcroForm 3 0 R >>\nendobj\n"
    body += "2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n"
    body += f"3 0 obj\n<< /Fields [4 0 R] >>\nendobj\n{fields}"
    places = [body.index(f"\n{n} 0 obj\n") + 1 for n in range(1, 45)]
    table = "xref\n0 45\n0000000000 65535 f \n" + "".join(f"{at:010d} 00000 n \n" for at in places)
    return f"{body}{table}trailer\n<< /Size 45 /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n".encode()


def test_a_tree_of_a_trillion_fields_is_refused_at_once(desk: Desk) -> None:
    pdf = tree("/Kids")
    assert len(pdf) < 5000
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(Invalid, match="form fields"):
        desk.keep(pdf)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10


def test_without_the_extra_a_signed_pdf_is_kept_and_said_to_be_unchecked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = sign(desk.paper, desk.authority.signer("Nguyễn Văn A"))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyhanko", None)  # as where it is not installed
        kept = desk.keep(pdf)
        with pytest.raises(Invalid, match="This file is not a readable PDF"):
            desk.keep(b"PK" + pdf[:3000].replace(b"%PDF", b""))
    assert (kept.sha256, kept.paper, kept.good) == (hashlib.sha256(pdf).hexdigest(), "issued-pdf", False)
    assert "Signatures were not checked because the optional extra “sign” is not" in said(kept)
    assert "pip install 'loa[sign]'" in said(kept)
    assert desk.keep(pdf).good  # once it is installed


@pytest.mark.prove
def test_a_number_in_its_name_is_masked(desk: Desk) -> None:
    pdf = sign(desk.paper, desk.authority.signer("Nguyễn Văn A", "Công an tỉnh Sơn La", with_rsa=True))
    assert desk.keep(pdf, name="ký so0912345678.pdf").name == "ký so8491*****78.pdf"


def test_the_final_paper_signed_under_a_trusted_authority_is_good(desk: Desk) -> None:
    pdf = sign(desk.paper, desk.authority.signer("Nguyễn Văn A", "Công an tỉnh Sơn La", with_rsa=True))
    kept = desk.keep(pdf)
    assert kept.good
    assert (kept.paper, kept.same_pages, len(kept.signatures)) == ("issued-pdf", True, 1)
    words = said(kept)
    assert (
        "Signed in the name of Nguyễn Văn A (Công an tỉnh Sơn La), with a certificate issued by CA Thử"
        in words
    )
    assert "comes from the signer's computer and is not certified" in words
    assert "Nothing was added to the file after this signature." in words
    assert "Revocation was not checked" in words
    assert "Signed in the name of Nguyễn Văn A (Công an tỉnh Sơn La), with a" in words
    assert kept.sha256 == hashlib.sha256(pdf).hexdigest()


@pytest.mark.prove
def test_without_roots_nobody_has_checked_whose_it_is(desk: Desk) -> None:
    kept = desk.keep(sign(desk.paper, desk.authority.signer("Nguyễn Văn A")), trusts=False)
    assert not kept.good
    assert kept.signatures[0].chain == "unchecked"
    assert "The owner of the certificate was not verified" in said(kept)
    assert "trust" not in said(kept).replace("trusted authority", "")


@pytest.mark.prove
def test_another_authority_of_the_same_name_vouches_for_nobody(desk: Desk) -> None:
    kept = desk.keep(sign(desk.paper, Authority(desk.authority.name).signer("Nguyễn Văn A")))
    assert (kept.signatures[0].chain, kept.good) == ("untrusted", False)
    assert "does not lead to an authority" in said(kept)


@pytest.mark.prove
@pytest.mark.parametrize(
    "days", [(-9, -1), pytest.param((2, 9), marks=pytest.mark.prove)], ids=["over", "not begun"]
)
def test_a_certificate_that_is_not_in_force_vouches_for_nobody(desk: Desk, days: tuple[int, int]) -> None:
    kept = desk.keep(sign(desk.paper, desk.authority.signer("Nguyễn Văn A", days=days)))
    assert not kept.good
    assert "not valid at the time of the check" in said(kept)


@pytest.mark.prove
def test_a_byte_altered_after_signing_is_told(desk: Desk) -> None:
    pdf = bytearray(sign(desk.paper, desk.authority.signer("Nguyễn Văn A")))
    pdf[len(desk.paper) // 2] ^= 1
    kept = desk.keep(bytes(pdf))
    assert not kept.signatures[0].intact
    assert "altered, or the signature is forged" in said(kept)
    assert "The file was not made from a frozen document" in said(kept)


@pytest.mark.prove
def test_words_put_over_the_pages_after_signing_are_told(desk: Desk) -> None:
    kept = desk.keep(scribble(sign(desk.paper, desk.authority.signer("Nguyễn Văn A"))))
    assert (kept.signatures[0].later, kept.same_pages, kept.good) == ("changed", False, False)
    assert "what it shows now is not what was signed" in said(kept)


@pytest.mark.prove
def test_words_put_over_the_frozen_pages_before_signing_are_told(desk: Desk) -> None:
    kept = desk.keep(sign(scribble(desk.paper), desk.authority.signer("Nguyễn Văn A")))
    assert kept.signatures[0].good
    assert (kept.paper, kept.same_pages, kept.good) == ("issued-pdf", False, False)
    assert "but its pages were changed afterwards" in said(kept)


@pytest.mark.prove
def test_two_who_sign_are_both_told_and_the_first_was_not_changed(desk: Desk) -> None:
    once = sign(desk.paper, desk.authority.signer("Nguyễn Văn A"))
    kept = desk.keep(sign(once, desk.authority.signer("Công an tỉnh Sơn La"), "Chuky2"))
    assert [each.signer for each in kept.signatures] == ["Nguyễn Văn A", "Công an tỉnh Sơn La"]
    assert [each.later for each in kept.signatures] == ["signatures", "nothing"]
    assert kept.good


@pytest.mark.prove
def test_a_paper_that_was_issued_anew_after_it_was_signed_is_told(desk: Desk) -> None:
    assert desk.keep(sign(desk.paper, desk.authority.signer("Nguyễn Văn A"))).good
    issue(desk.freezer, desk.report.id, None, issue_today(number="126"))
    (kept,) = desk.freezer.db.read(of_report, desk.report.id)
    assert not kept.good
    assert "The document has been issued again since" in said(kept)


@pytest.mark.prove
def test_the_draft_signed_is_said_to_be_the_draft(desk: Desk) -> None:
    draft = desk.freezer.db.read(archive.content, desk.report, "pdf")[1]
    kept = desk.keep(sign(draft, desk.authority.signer("Nguyễn Văn A")))
    assert (kept.paper, kept.good) == ("pdf", False)


@pytest.mark.prove
def test_another_version_s_paper_is_no_paper_of_this_one(desk: Desk) -> None:
    second = desk.freezer.db.read(archive.get, 2)
    other = desk.freezer.db.read(archive.content, second, "pdf")[1]
    assert desk.keep(sign(other, desk.authority.signer("Nguyễn Văn A"))).paper is None


@pytest.mark.prove
def test_a_certificate_may_name_anything_and_stays_one_plain_line(desk: Desk) -> None:
    kept = desk.keep(sign(desk.paper, desk.authority.signer("An\n\x1b[31m\u202eBộ trưởng")), trusts=False)
    assert all(each.isprintable() for each in kept.sentences)


def bomb() -> bytes:
    """A PDF whose cross-references are a gigabyte of blanks, in a few kilobytes."""
    block, packer = b" " * 1_048_576, zlib.compressobj(9)
    first, every = (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    packed = first + 1023 * every  # each block after the first is packed alike; nobody comes to the checksum
    head = b"%PDF-1.5\n1 0 obj\n<< /Type /XRef /Size 9 /W [1 2 1] /Filter /FlateDecode /Length "
    body = head + str(len(packed)).encode() + b" >>\nstream\n" + packed + b"\nendstream\nendobj\n"
    return body + b"startxref\n9\n%%EOF\n"


@pytest.mark.prove
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda paper: paper, "This PDF has no digital signature"),
        (lambda paper: paper[:9000], "This file is not a readable PDF"),
        pytest.param(lambda paper: b"", "This file is not a readable PDF", marks=pytest.mark.prove),
        pytest.param(
            lambda paper: b"PK\x03\x04" + bytes(500),
            "This file is not a readable PDF",
            marks=pytest.mark.prove,
        ),
        (lambda paper: b"%PDF-1.7\n" + b"<<" * 50_000, "This file is not a readable PDF"),
        (lambda paper: bomb(), "This file is not a readable PDF"),
    ],
    ids=["unsigned", "cut off", "empty", "zip", "deep", "bomb"],
)
def test_what_is_no_signed_pdf_is_refused(desk: Desk, content: object, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        desk.keep(content(desk.paper))  # type: ignore[operator]


@pytest.mark.prove
def test_the_same_file_again_is_one_paper_checked_anew(desk: Desk) -> None:
    pdf = sign(desk.paper, desk.authority.signer("Nguyễn Văn A"))
    before = desk.keep(pdf, trusts=False)
    again = desk.keep(pdf)
    assert (before.good, again.good) == (False, True)
    assert again.at == before.at
    assert again.checked_at >= before.checked_at


@pytest.fixture
def clients(desk: Desk, settings: Settings) -> Iterator[dict[str, Client]]:
    db = desk.freezer.db
    keys = {"admin": db.write(create_key, "anyone"), "auditor": db.write(create_key, "a", "auditor")}
    keys["vnpt"] = db.write(create_key, "vnpt", "operator", "vnpt")
    roots = {"signature_roots": desk.authority.pem(desk.folder)}
    app = create_app(settings.model_copy(update=roots), db)
    with ExitStack() as opened:
        yield {who: opened.enter_context(Client(app, key)) for who, key in keys.items()}


@pytest.mark.prove
def test_over_http_it_is_kept_listed_and_given_back_whole(desk: Desk, clients: dict[str, Client]) -> None:
    pdf = sign(desk.paper, desk.authority.signer("Nguyễn Văn A"))
    place = f"/v1/reports/{desk.report.id}/signed"
    files = {"file": ("Báo cáo đã ký.pdf", io.BytesIO(pdf), "application/pdf")}
    kept = clients["admin"].post(place, files=files)
    assert kept.status_code == 201, kept.text
    assert kept.json()["good"]
    assert clients["auditor"].get(place).json() == [kept.json()]
    sha256 = hashlib.sha256(pdf).hexdigest()
    assert clients["auditor"].get(f"{place}/{sha256}").content == pdf
    assert clients["auditor"].get(f"{place}/{'0' * 64}").status_code == 404
    for path in (place, f"{place}/{sha256}"):
        assert clients["vnpt"].get(path).status_code == 404
    desk.freezer.db.write(lambda c: c.execute(update(table).values(content=pdf + b" ")))
    assert clients["auditor"].get(f"{place}/{sha256}").json()["type"] == "/docs/errors#report-spoilt"


DOUBTS = {
    "REVOKED_NO_POE": "was revoked",
    "OUT_OF_BOUNDS_NOT_REVOKED": "not valid at the time of the check",
    "NO_CERTIFICATE_CHAIN_FOUND": "does not lead to an authority",
    "": "does not lead to an authority",
}


@pytest.mark.prove
def test_each_doubt_about_a_certificate_has_its_words(desk: Desk) -> None:
    kept = desk.keep(sign(desk.paper, Authority().signer("Nguyễn Văn A")))
    assert not kept.good
    found = desk.freezer.db.read(lambda c: c.execute(table.select()).one().found)
    for problem, words in DOUBTS.items():
        found["signatures"][0]["chain_problem"] = problem
        desk.freezer.db.write(lambda c: c.execute(update(table).values(found=found)))
        told = desk.freezer.db.read(of_report, desk.report.id)
        assert words in said(told[0]), problem


@pytest.mark.prove
def test_the_command_says_the_same_and_its_status_tells_of_doubts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = desk.folder / "signed.pdf"
    file.write_bytes(sign(desk.paper, desk.authority.signer("Nguyễn Văn A")))
    monkeypatch.setenv("LOA_DATA", str(desk.folder))
    doubtful = CliRunner().invoke(loa, ["report", "signed", str(desk.report.id), str(file)])
    assert doubtful.exit_code == 1, doubtful.output
    assert "The owner of the certificate was not verified" in doubtful.stdout
    monkeypatch.setenv("LOA_SIGNATURE_ROOTS", str(desk.authority.pem(desk.folder)))
    assert CliRunner().invoke(loa, ["report", "signed", str(desk.report.id), str(file)]).exit_code == 0
    listed = CliRunner().invoke(loa, ["report", "signed", str(desk.report.id), "--json"])
    assert (listed.exit_code, len(json.loads(listed.stdout))) == (0, 1)
