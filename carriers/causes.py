"""Why a connection failed, in words and without any address: the certificate, TLS, the host's name."""

from __future__ import annotations

import socket
import ssl

_LONGEST_CHAIN = 10  # causes of causes may lead in a circle


def cause_of(error: BaseException | None) -> str:
    """In a few words: a verdict on a certificate, the look-up of a name, or the kind of error."""
    kind = type(error).__name__
    for _ in range(_LONGEST_CHAIN):
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the carrier's certificate is not trusted ({error.verify_message})"
        if isinstance(error, ssl.SSLError) and error.reason:
            return f"TLS: {error.reason.lower().replace('_', ' ')}"
        if isinstance(error, socket.gaierror):
            return f"the host's name can't be looked up ({error.strerror})"
        error = error and (error.__cause__ or error.__context__)
    return kind
