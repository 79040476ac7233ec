"""`python -m app.diagnostics.healthcheck`: exit with 0 where the API of this machine answers (containers)."""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from app.core import config
from app.core.config import Settings

_PATIENCE_S = 4


def is_alive(settings: Settings) -> bool:
    """Whether /healthz says so, by TLS where Loa speaks it itself."""
    line = _line(settings)
    try:
        line.request("GET", "/healthz", headers={"Host": "localhost"})
        return line.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        line.close()


def _line(settings: Settings) -> HTTPConnection:
    """To our own address; Linux takes 0.0.0.0 and ::, where we listen everywhere, for this machine."""
    if settings.tls_certificate is None:
        return HTTPConnection(settings.host, settings.port, timeout=_PATIENCE_S)
    # No certificate is judged: the line does not leave the machine and nothing secret goes over it, and the
    # file may be a newer one than that with which the process began. `loa doctor` judges it for callers.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(settings.host, settings.port, timeout=_PATIENCE_S, context=context)


if __name__ == "__main__":
    sys.exit(not is_alive(config.load()))
