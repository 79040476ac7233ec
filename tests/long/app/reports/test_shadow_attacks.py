"""The claim: a signed paper that shows anything but itself and its own signatures is never called unaltered.

The tricks are those of the literature: hiding, replacing, and hiding and replacing content (Mainka and
others, NDSS 2021), incremental saving and signature wrapping (Mladenov and others, CCS 2019), annotations and
further signatures over certified pages (Rohlmann and others, S&P 2021).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfTimeStamper, fields, signers, timestamps
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.stamp import TextStampStyle

from app.core.errors import Invalid
from tests.long.app.reports import test_signed_papers
from tests.long.app.reports.test_signed_papers import Desk, said

authority, issued_once, desk = (
    getattr(test_signed_papers, name) for name in ("authority", "issued_once", "desk")
)

pytestmark = pytest.mark.timeout(120)
EMPTY = (300, 520, 480, 580)  # the place for a signature on the paper's third page
FULL = (0, 0, 595, 842)
Change = Callable[[IncrementalPdfFileWriter], None]


def saved(pdf: bytes, change: Change) -> bytes:
    """Return the file with a revision that a forger without a key adds."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    change(writer)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def signed(
    pdf: bytes,
    signer: signers.SimpleSigner,
    field: str = "Chuky1",
    box: tuple[int, ...] | None = None,
    page: int = 2,
    words: str = "Đã ký",
) -> bytes:
    """Return the file signed, with a picture in the box."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    spec = fields.SigFieldSpec(field, on_page=page, box=box) if box else fields.SigFieldSpec(field)
    about = PdfSignatureMetadata(field_name=field, subfilter=fields.SigSeedSubFilter.PADES)
    style = TextStampStyle(stamp_text=words) if box else None
    made = signers.PdfSigner(about, signer, stamp_style=style, new_field_spec=spec)
    return bytes(made.sign_pdf(writer).getvalue())


def picture(writer: IncrementalPdfFileWriter, box: tuple[int, ...] = FULL) -> Any:
    """Return a white rectangle with a line of forged text, as viewers draw it."""
    font = generic.DictionaryObject(
        {pdf_name("/Type"): pdf_name("/Font"), pdf_name("/Subtype"): pdf_name("/Type1")}
        | {pdf_name("/BaseFont"): pdf_name("/Helvetica")}
    )
    resources = generic.DictionaryObject(
        {pdf_name("/Font"): generic.DictionaryObject({pdf_name("/F"): font})}
    )
    drawn = f"1 1 1 rg 0 0 {box[2]} {box[3]} re f BT /F 30 Tf 0 0 0 rg 50 600 Td (FORGED) Tj ET".encode()
    return writer.add_object(
        generic.StreamObject(
            {pdf_name("/Type"): pdf_name("/XObject"), pdf_name("/Subtype"): pdf_name("/Form")}
            | {pdf_name("/BBox"): numbers(box), pdf_name("/Resources"): resources},
            stream_data=drawn,
        )
    )


def numbers(values: tuple[int, ...]) -> generic.ArrayObject:
    return generic.ArrayObject(generic.NumberObject(value) for value in values)


def widget(
    writer: IncrementalPdfFileWriter, kind: str, name: str, page: int = 0, **more: Any
) -> generic.IndirectObject:
    """Put a form field with a picture over a page and into the form."""
    looks = generic.DictionaryObject({pdf_name("/N"): picture(writer)})
    field = {"/Type": "/Annot", "/Subtype": "/Widget", "/FT": kind}
    entries: dict[str, Any] = {key: pdf_name(value) for key, value in field.items()}
    entries |= {"/T": pdf_string(name), "/Rect": numbers(FULL), "/F": generic.NumberObject(4), "/AP": looks}
    entries |= {f"/{key}": value for key, value in more.items()}
    place = writer.add_object(
        generic.DictionaryObject({pdf_name(key): value for key, value in entries.items()})
    )
    writer.register_annotation(writer.find_page_for_modification(page)[0], place)
    if "/AcroForm" not in writer.root:
        listed = generic.DictionaryObject({pdf_name("/Fields"): generic.ArrayObject()})
        writer.root[pdf_name("/AcroForm")] = writer.add_object(listed)
        writer.update_root()
    writer.root["/AcroForm"]["/Fields"].append(place)
    writer.update_container(writer.root["/AcroForm"]["/Fields"])
    return place


def first_field(writer: IncrementalPdfFileWriter) -> Any:
    return writer.root["/AcroForm"]["/Fields"][0]


def note(writer: IncrementalPdfFileWriter, kind: str) -> None:
    looks = generic.DictionaryObject({pdf_name("/N"): picture(writer)})
    made = generic.DictionaryObject(
        {pdf_name("/Type"): pdf_name("/Annot"), pdf_name("/Subtype"): pdf_name(kind)}
        | {pdf_name("/Rect"): numbers(FULL), pdf_name("/AP"): looks, pdf_name("/F"): generic.NumberObject(4)}
    )
    writer.register_annotation(writer.find_page_for_modification(0)[0], writer.add_object(made))


def other_catalog(writer: IncrementalPdfFileWriter) -> None:
    """Hide and replace: the whole document is another one, whose objects are in the file."""
    page = generic.DictionaryObject(writer.root["/Pages"]["/Kids"][0].get_object())
    page[pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=b"0 0 99 99 re f"))
    tree = writer.add_object(
        generic.DictionaryObject(
            {pdf_name("/Type"): pdf_name("/Pages"), pdf_name("/Count"): generic.NumberObject(1)}
            | {pdf_name("/Kids"): generic.ArrayObject([writer.add_object(page)])}
        )
    )
    writer.root[pdf_name("/Pages")] = tree
    writer.update_root()


def other_font(writer: IncrementalPdfFileWriter) -> None:
    """Replace: digits of the page are drawn as others."""
    resources = writer.root["/Pages"]["/Kids"][0].get_object()["/Resources"]
    own = resources["/Font"]["/f0"]["/DescendantFonts"][0].get_object()
    own[pdf_name("/CIDToGIDMap")] = writer.add_object(generic.StreamObject(stream_data=bytes(200)))
    writer.update_container(own)


def other_contents(writer: IncrementalPdfFileWriter) -> None:
    """Hide: the object with the page's marks is empty."""
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    place = page.raw_get("/Contents")
    writer.objects[(place.generation, place.idnum)] = generic.StreamObject(stream_data=b" ")


def layer(writer: IncrementalPdfFileWriter) -> None:
    writer.root[pdf_name("/Collection")] = generic.DictionaryObject({pdf_name("/View"): pdf_name("/D")})
    writer.update_root()


def larger_picture(writer: IncrementalPdfFileWriter) -> None:
    """Replace: the picture of the signature that there is."""
    field = first_field(writer).get_object()
    field[pdf_name("/Rect")] = numbers(FULL)
    field[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): picture(writer)})
    writer.update_container(field)


def shared_signature(writer: IncrementalPdfFileWriter) -> None:
    """Wrap: a second field has the honest signature as its value."""
    widget(writer, "/Sig", "Chuky2", V=first_field(writer).get_object().raw_get("/V"))


AFTER: dict[str, Change] = {
    "an empty signature field over the first page": lambda w: void(widget(w, "/Sig", "Chuky2")),
    "a field that has the honest signature as its value": shared_signature,
    "a text field over the first page": lambda w: void(widget(w, "/Tx", "So", V=pdf_string("9"))),
    "a note over the first page": lambda w: note(w, "/FreeText"),
    "a stamp over the first page": lambda w: note(w, "/Stamp"),
    "another picture of the signature": larger_picture,
    "another page tree": other_catalog,
    "another font": other_font,
    "other marks of a page": other_contents,
    "another way to show the file": layer,
}


_OF_SIGNATURES = ("a field that has the honest signature as its value", "another picture of the signature")


def void(_: object) -> None:
    return None


def some(*often: str) -> list[Any]:
    """Return the tricks; all but these are tried in `make prove`, as comparing revisions takes seconds."""
    return [pytest.param(name, marks=[] if name in often else pytest.mark.prove) for name in AFTER]


@pytest.mark.parametrize("trick", some(*list(AFTER)[:3], "another picture of the signature"))
def test_what_is_added_after_an_honest_signature_is_told(desk: Desk, trick: str) -> None:
    pdf = signed(desk.paper, desk.authority.signer("Nguyễn Văn A"), box=EMPTY)
    kept = desk.keep(saved(pdf, AFTER[trick]))
    assert (kept.same_pages, kept.good, kept.signatures[0].later) == (False, False, "changed")


@pytest.mark.parametrize("trick", [each for each in some(*AFTER) if each.values[0] not in _OF_SIGNATURES])
def test_what_was_put_in_before_an_honest_signature_is_told(desk: Desk, trick: str) -> None:
    pdf = signed(saved(desk.paper, AFTER[trick]), desk.authority.signer("Nguyễn Văn A"))
    kept = desk.keep(pdf)
    assert (kept.same_pages, kept.good) == (False, False)


def test_a_further_signature_whose_picture_covers_text_is_told_whoever_signs(desk: Desk) -> None:
    once = signed(desk.paper, desk.authority.signer("Nguyễn Văn A"), box=EMPTY)
    other = desk.authority.signer("Trần Thị B")
    kept = desk.keep(signed(once, other, "Chuky2", box=(50, 50, 500, 780), page=0, words="FORGED"))
    assert (kept.same_pages, kept.good) == (False, False)
    assert "covers something on page 1" in said(kept)


def test_an_overlay_between_two_honest_signatures_is_told(desk: Desk) -> None:
    once = signed(desk.paper, desk.authority.signer("Nguyễn Văn A"), box=EMPTY)
    between = saved(once, AFTER["an empty signature field over the first page"])
    kept = desk.keep(signed(between, desk.authority.signer("Công an tỉnh Sơn La"), "Chuky3"))
    assert (kept.same_pages, kept.good) == (False, False)


def test_bytes_that_belong_to_no_revision_are_told(desk: Desk) -> None:
    """Incremental saving: a body without a table of references, which other programs repair."""
    pdf = signed(desk.paper, desk.authority.signer("Nguyễn Văn A"))
    body = b"\n1600 0 obj\n<< /Type /Catalog /Pages 1 0 R >>\nendobj\n"
    last = pdf[pdf.rindex(b"startxref") :]
    kept = desk.keep(pdf + body + b"%" * 2000 + b"\n" + last + b"%%")
    assert (kept.same_pages, kept.good) == (False, False)
    with pytest.raises(Invalid):
        desk.keep(pdf + body + b"%%EOF\n")


def test_a_signature_moved_around_other_bytes_is_told(desk: Desk) -> None:
    """Wrapping: the signed bytes are elsewhere in the file, and others in their place."""
    pdf = signed(desk.paper, desk.authority.signer("Nguyễn Văn A"))
    at = pdf.rindex(b"/ByteRange")
    end = pdf.index(b"]", at)
    first, length, second, rest = (int(part) for part in pdf[pdf.index(b"[", at) + 1 : end].split())
    moved = f"/ByteRange [{first} {length} {second + 40} {rest}".encode()
    wrapped = pdf[:at] + moved.ljust(end - at) + pdf[end:second] + b" " * 40 + pdf[second:]
    with pytest.raises(Invalid, match="not a readable PDF"):
        desk.keep(wrapped)


# ---- Honest files


def stamper() -> timestamps.DummyTimeStamper:
    """Return an authority for time stamps that nobody trusts: a stamp shows nothing, so that is enough."""
    from datetime import UTC, datetime, timedelta

    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key, now = rsa.generate_private_key(65537, 2048), datetime.now(UTC)
    name = test_signed_papers.Authority("CA dấu thời gian").certificate.subject
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(key, hashes.SHA256())
    )
    der = serialization.Encoding.DER
    plain = key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    own = asn1_x509.Certificate.load(made.public_bytes(der))
    return timestamps.DummyTimeStamper(own, asn1_keys.PrivateKeyInfo.load(plain))


def with_store(pdf: bytes, signer: signers.SimpleSigner) -> bytes:
    """Return the file with the certificates of its signer kept for later, as archives want it."""
    file = io.BytesIO(pdf)
    DocumentSecurityStore.add_dss(
        file, None, certs=[signer.signing_cert], ocsps=(), crls=(), force_write=True
    )
    return file.getvalue()


def stamped(pdf: bytes) -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    return bytes(PdfTimeStamper(stamper(), field_name="Dau1").timestamp_pdf(writer, "sha256").getvalue())


@pytest.mark.parametrize("way", ["picture", "two", "two pictures", "store", "stamp", "store, stamp, two"])
def test_an_honest_file_is_signed_and_not_altered(desk: Desk, way: str) -> None:
    chief = desk.authority.signer("Nguyễn Văn A")
    pdf = signed(desk.paper, chief, box=None if way == "two" else EMPTY)
    if "store" in way:
        pdf = with_store(pdf, chief)
    if "stamp" in way:
        pdf = stamped(pdf)
    if "two" in way:
        office = desk.authority.signer("Công an tỉnh Sơn La")
        box = (260, 520, 330, 580) if "pictures" in way else None  # a seal lies on its signature's left third
        pdf = signed(pdf, office, "Chuky2", box=box)
    kept = desk.keep(pdf)
    assert kept.sentences
    assert (kept.same_pages, kept.good) == (True, True), kept.sentences
