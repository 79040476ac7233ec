"""Keys and certificates that vouch for themselves, for tests of TLS."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = "127.0.0.1"


def self_signed(
    folder: Path,
    name: str = HERE,
    stem: str = "",
    *,
    with_rsa: bool = False,
    days: int = 2,
    subject: str = "test",
) -> Path:
    """Write cert.pem and key.pem (`stem`.pem and `stem`.key where one is given), for `days`; the folder.

    name: the address or host that it is for; subject: whom it names, where it stands for somebody who calls.
    with_rsa: an RSA key, where old versions are spoken.
    """
    key = rsa.generate_private_key(65537, 2048) if with_rsa else ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    shown = x509.IPAddress(ip_address(name)) if name == HERE else x509.DNSName(name)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(named, named, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([shown]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = _files(stem)
    (folder / certificate).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / secret).touch(mode=0o600)
    (folder / secret).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder


def server_context(folder: Path, stem: str = "") -> ssl.SSLContext:
    """A server's side of TLS by what `self_signed` has written there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(folder / file for file in _files(stem)))
    return context


def _files(stem: str) -> tuple[str, str]:
    """Certificate and key."""
    return (f"{stem}.pem", f"{stem}.key") if stem else ("cert.pem", "key.pem")
