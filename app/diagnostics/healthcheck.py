"""`python -m app.diagnostics.healthcheck`: exit with 0 if this machine's API answers (for containers)."""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from app.core import config
from app.core.config import Settings

_PATIENCE_S = 4


def is_alive(settings: Settings) -> bool:
    """Return whether /healthz answers 200, over TLS if Loa itself terminates it."""
    connection = _connect(settings)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _connect(settings: Settings) -> HTTPConnection:
    """Connect to our own address; Linux takes 0.0.0.0 and :: for this machine."""
    if settings.tls_certificate is None:
        return HTTPConnection(settings.host, settings.port, timeout=_PATIENCE_S)
    # The certificate is not verified: the connection stays on the machine and carries nothing secret, and the
    # file may be newer than what the process has loaded. `loa doctor` verifies it as callers do.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(settings.host, settings.port, timeout=_PATIENCE_S, context=context)


if __name__ == "__main__":
    sys.exit(not is_alive(config.load()))
