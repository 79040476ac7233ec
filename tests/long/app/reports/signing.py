"""An authority, people whom it vouches for, and PDFs that they sign."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, fields, signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

DER = serialization.Encoding.DER


def usage(*, signs: bool, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=signs,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def named(name: str, of: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    return x509.Name(parts + ([x509.NameAttribute(NameOID.ORGANIZATION_NAME, of)] if of else []))


@dataclass
class Authority:
    """Issues certificates; `pem` is what goes into signature_roots."""

    name: str = "CA Thử nghiệm"

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._issue(named(self.name), self.key, (-2, 30), root=True)

    def _issue(self, subject: x509.Name, key: Any, days: tuple[int, int], *, root: bool = False) -> Any:
        now = datetime.now(UTC)
        issuer = subject if root else self.certificate.subject
        return (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
            .add_extension(usage(signs=not root, issues=root), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def pem(self, folder: Path) -> Path:
        file = folder / "roots.pem"
        file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def signer(
        self, name: str, of: str = "", days: tuple[int, int] = (-1, 20), *, with_rsa: bool = False
    ) -> signers.SimpleSigner:
        """Return somebody who signs; with_rsa: as the tokens of offices do, which takes longer to make."""
        curve = ec.SECP256R1()
        key = rsa.generate_private_key(65537, 2048) if with_rsa else ec.generate_private_key(curve)
        certificate = self._issue(named(name, of), key, days)
        store = SimpleCertificateStore()
        store.register(asn1_x509.Certificate.load(self.certificate.public_bytes(DER)))
        plain = key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        own = asn1_x509.Certificate.load(certificate.public_bytes(DER))
        return signers.SimpleSigner(own, asn1_keys.PrivateKeyInfo.load(plain), store)


def sign(pdf: bytes, signer: signers.SimpleSigner, field: str = "Chuky1") -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    told = PdfSignatureMetadata(field_name=field, subfilter=fields.SigSeedSubFilter.PADES)
    return bytes(signers.sign_pdf(writer, told, signer).getvalue())


def scribble(pdf: bytes) -> bytes:
    """Add a revision that puts other words over the first page, as a forger would."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    page, resources = writer.find_page_for_modification(0)[0].get_object(), generic.DictionaryObject()
    ink = generic.StreamObject(stream_data=b"0 0 0 rg 100 100 200 200 re f")
    writer.add_stream_to_page(0, writer.add_object(ink), resources)
    assert page is not None
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()
