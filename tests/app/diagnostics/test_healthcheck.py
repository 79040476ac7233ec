"""Whether the process answers, asked from its own machine: by plain HTTP or by TLS, whatever certificate."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.core.config import Settings
from app.database.connection import Database
from app.diagnostics.healthcheck import is_alive
from app.runtime.api_app import create_app
from app.runtime.transport_security import server_tls
from tests.app.api.served import served
from tests.certificates import self_signed


@pytest.mark.longer
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_is_alive_while_it_answers_under_whatever_certificate(
    db: Database, tmp_path: Path, host: str, tls: bool
) -> None:
    files = {"tls_certificate": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"} if tls else {}
    settings = Settings(host=host, public_hosts=("loa.example.vn",), **files)  # type: ignore[arg-type]
    self_signed(tmp_path, "loa.example.vn", days=0)  # it has ended
    with served(create_app(settings, db), server_tls(settings)) as address:
        here = settings.model_copy(update={"port": urlsplit(address).port})
        assert is_alive(here)
        self_signed(tmp_path, "loa.example.vn")  # renewed, and the process not yet started anew
        assert is_alive(here)
    assert not is_alive(here)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_everywhere_by_ipv6_is_this_machine_as_well() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as door:
        socket.create_connection(("::", door.getsockname()[1]), 10).close()
        assert door.accept()[1][0] == "::1"
