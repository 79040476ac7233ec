"""Real processes with TLS of their own: to callers, to Prometheus, and to PostgreSQL without a password."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.certificates import self_signed
from tests.engines import other_by_hand
from tests.faults.processes import Home, free_port
from tests.faults.server import Server, own_server

ALIVE = [sys.executable, "-m", "app.diagnostics.healthcheck"]


@pytest.mark.prove
@other_by_hand
async def test_what_listens_to_others_does_so_by_tls_or_not_at_all(home: Home) -> None:
    port = home.port if home.sqlite else free_port()
    home.configure({}, host="0.0.0.0", metrics_port=port)
    refused = await home.command("up" if home.sqlite else "worker", status=1)
    assert "which other machines can reach, is not protected by TLS" in refused
    assert "metrics_port" in refused
    self_signed(home.folder)
    files = {name: str(home.folder / file) for name, file in FILES.items()}
    home.configure({}, host="0.0.0.0", metrics_port=port, audit_head_minutes=1, **files)
    program = home.sender()
    believing = ssl.create_default_context(cafile=files["tls_certificate"])

    def told() -> str:
        try:
            return httpx.get(f"https://127.0.0.1:{port}/metrics", verify=believing).text
        except httpx.HTTPError:
            return ""

    await home.until(lambda: "loa_database_up 1.0" in told(), "figures come by TLS")
    async with httpx.AsyncClient() as plain:
        with pytest.raises(httpx.HTTPError):
            await plain.get(f"http://127.0.0.1:{port}/metrics")

    def heads() -> list[str]:
        return [each["head"] for each in program.events() if each["event"] == "the head of the audit"]

    await home.until(heads, "the audit's head is in the log")
    assert heads() == [f"0:{'0' * 64}"]
    if home.sqlite:
        assert alive(home) == 0
    assert await program.stop() == 0, program.words()
    assert alive(home) == 1


FILES = {"tls_certificate": "cert.pem", "tls_key": "key.pem"}


def alive(home: Home) -> int:
    """What the check of a container says."""
    return subprocess.run(ALIVE, env=home._environment(), check=False, timeout=60).returncode


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that lets in the account loa by its certificate alone."""
    with own_server() as server:
        for stem, subject in (("server", "server"), ("loa", "loa"), ("other", "mallory")):
            self_signed(tmp_path, stem=stem, subject=subject)
        for name in ("server.pem", "server.key", "loa.pem"):
            shutil.copy(tmp_path / name, server.folder / name)
            (server.folder / name).chmod(0o600)
            if server.user:
                shutil.chown(server.folder / name, server.user)
        server._write(
            "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nssl_ca_file = 'loa.pem'\n"
        )
        (server.folder / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 cert\n")
        server.run("pg_ctl", "restart", "-w", "-m", "fast", "-l", str(server.folder / "log"))
        yield server


def address(server: Server, folder: Path, stem: str) -> str:
    return (
        f"postgresql://loa@127.0.0.1:{server.port}/postgres?sslmode=verify-full&sslrootcert={folder}/server.pem"
        f"&sslcert={folder}/{stem}.pem&sslkey={folder}/{stem}.key"
    )


@pytest.mark.prove
async def test_postgresql_knows_loa_by_its_certificate_and_no_password(
    server: Server, tmp_path: Path
) -> None:
    home = Home(tmp_path, address(server, tmp_path, "loa"))
    home.configure({})
    try:
        assert "The schema is at revision" in await home.command("migrate")
        programs = home.all()
        for program, said in zip(programs, ("listening", "worker started"), strict=True):
            await home.until(lambda program=program, said=said: said in program.words(), said)
        for program in programs:
            assert await program.stop() == 0, program.words()
        assert "PostgreSQL is available." in await home.command("doctor", "--offline", status=1)
        for stranger, why in (("other", "unknown ca"), ("none", "valid client certificate")):
            home.url = address(server, tmp_path, stranger)
            assert why in await home.command("audit", "verify", status=1)
    finally:
        home.end()
