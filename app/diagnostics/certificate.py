"""Check our certificate: whether callers who use our names would trust it, and until when."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from cryptography import x509

from app.core import clock
from app.core.config import Settings
from app.runtime.transport_security import server_tls

_ENDS_SOON = timedelta(days=30)


class CertificateCheck(NamedTuple):
    """One finding: `good`, or what is wrong and what to do."""

    good: bool
    what: str


def judged(settings: Settings) -> Iterator[CertificateCheck]:
    """Yield the findings; none if others terminate TLS for us. Raises SetupError for unusable files."""
    ours = server_tls(settings)
    if ours is None or settings.tls_certificate is None:
        return
    yield _end(x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0])
    for name in settings.public_hosts:
        refused = _refused(ours, name)
        why = f"Who asks for {name} does not believe the certificate: {refused}. Get one from an authority."
        yield CertificateCheck(not refused, why if refused else f"The certificate is good for {name}.")


def _end(certificate: x509.Certificate) -> CertificateCheck:
    end = certificate.not_valid_after_utc
    good = end - clock.now() > _ENDS_SOON
    what = f"The certificate ends on {clock.local(end):%d/%m/%Y}"
    return CertificateCheck(good, f"{what}." if good else f"{what}: renew it, then restart Loa.")


def _refused(ours: ssl.SSLContext, name: str) -> str:
    """Return why a caller with this machine's authorities rejects us under that name, or "".

    A handshake in memory, so that OpenSSL itself checks name, time and issuer.
    """
    to_us, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    us = ours.wrap_bio(to_us, to_caller, server_side=True)
    caller = ssl.create_default_context().wrap_bio(to_caller, to_us, server_hostname=name)
    for _ in range(3):  # enough flights for a whole handshake
        for side in (caller, us):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return str(error.verify_message)
            except ssl.SSLError as error:
                return str(error.reason)
    return ""
