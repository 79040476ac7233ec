"""The image as `make image` builds it: by its own defaults, and as compose.yaml starts its services.

Skipped where no builder works, or what is built can't be run. Each container has the restrictions of
compose.yaml: a root that is read-only, no capabilities, no new privileges.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from app.devtools.sample_data import write_sample
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.engines import sqlite_alone
from tests.faults.compose import composed, two_accounts
from tests.faults.hosts import WHY, Host, own_network
from tests.faults.journey import Api, reported
from tests.faults.processes import Home, Program, free_port, smpp_link
from tests.faults.server import own_server

database_url = sqlite_alone
# The image is built first: minutes, where its base is made here.
pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[2]
UID = 10001
SUBSCRIBERS = 60
QUIET = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
# A program of tests is `PYTHON -m app.cli ...`; in a container only what follows is said.
_WITHIN = '#!/bin/sh\nshift 3\nexec {words} "$@"\n'


def said(words: Sequence[str], *, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, env=os.environ | QUIET)
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def engine() -> tuple[str, ...]:
    """The words that run containers here, of the image that has just been built."""
    done = said([str(ROOT / ".ci" / "image")], status=None)
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (("docker",), ("podman",), ("podman", "--runtime", "runc")):
        probe = [*words, "run", "--rm", "--network", "host", "loa", "--help"]
        if shutil.which(words[0]) and not said(probe, status=None).returncode:
            return words
    pytest.skip("The image is built, but neither docker nor podman runs a container here")


@dataclass(slots=True)
class Containers(Home):
    """A home whose programs run in containers; `own`: words for each of them beside compose.yaml's."""

    engine: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    network: str = "host"
    names: list[str] = field(default_factory=list)

    def start(self, *arguments: str, within: object = ()) -> Program:
        name = f"loa-{os.getpid()}-{len(self.names)}-{self.port}"
        self.names.append(name)
        words = [*self.engine, "run", "--rm", "--name", name, "--network", self.network]
        words += [*restrictions(), "--env", f"LOA_PORT={self.port}", *self.own, "loa"]
        script = self.folder / f"{name}.sh"
        script.write_text(_WITHIN.format(words=" ".join(f"'{word}'" for word in words)))
        return Home.start(self, *arguments, within=("sh", str(script)))

    def inside(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run this in the container that was started last."""
        return said([*self.engine, "exec", self.names[-1], *words], status=status)

    def end(self) -> None:
        for name in self.names:
            said([*self.engine, "rm", "--force", "--ignore", name], status=None)
        Home.end(self)


def restrictions() -> list[str]:
    service = composed()["x-loa"]
    assert service["read_only"] is True
    words = ["--read-only"]
    words += [word for each in service["tmpfs"] for word in ("--tmpfs", each)]
    words += [word for each in service["cap_drop"] for word in ("--cap-drop", each)]
    return words + [word for each in service["security_opt"] for word in ("--security-opt", each)]


def owned(path: Path, mode: int) -> Path:
    """Give it to Loa's account in the image."""
    path.chmod(mode)
    os.chown(path, UID, UID)
    return path


async def campaign_goes_through(home: Home, smsc: Smsc, key: str, chief: str, base: str) -> None:
    """From the file to the report, by the API, against a message centre outside of the container."""
    files = write_sample(home.folder / "files", SUBSCRIBERS, seed=3)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as http:
        api = Api(http, home, chief)
        batch = await api.upload("viettel", files["viettel"])
        run = (await api.approved({"viettel": batch}))["viettel"]
        await api.post(f"/v1/runs/{run}/start")
        await api.wait({f"/v1/runs/{run}": "finished"})
        figures = await reported(api, run, batch)
    assert figures["received_by_handset_messages"] == batch["accepted"]
    assert smsc.report()["copies_max"] == 1


async def keys(home: Home) -> tuple[str, str]:
    author = (await home.command("key", "add", "author")).splitlines()[-1]
    return author, (await home.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]


# ---- By its own defaults


@pytest.fixture
def home(engine: tuple[str, ...], tmp_path: Path) -> Iterator[Containers]:
    """Loa in one container, which writes to its data folder alone."""
    data, secrets = tmp_path / "data", tmp_path / "secrets"
    data.mkdir()
    write_secrets(secrets)
    own = ["--volume", f"{data}:/data", "--env", "LOA_HOST=127.0.0.1", "--env", "LOA_CONFIG=/data/loa.toml"]
    own += ["--volume", f"{secrets}:/run/secrets:ro", "--env", "LOA_SECRETS_DIR=/run/secrets"]
    url = "sqlite:////data/loa.sqlite3"
    found = Containers(data, url, measured=False, engine=engine, own=tuple(own))
    try:
        yield found
    finally:
        found.end()


async def test_the_image_sends_a_campaign_as_nobody_on_a_root_that_is_read_only(home: Containers) -> None:
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as smsc:
        home.configure({"viettel": link_to(smsc)})
        owned(home.folder / "loa.toml", 0o600)
        owned(home.folder, 0o700)
        author, chief = await keys(home)
        program = home.start("up")
        await home.until(lambda: "listening" in program.words(), "the API listens")
        check = health_check(home.engine)
        await home.until(lambda: not home.inside(*check, status=None).returncode, "the health check is green")
        assert home.inside("id", "-u").stdout.strip() == str(UID)
        refused = home.inside("sh", "-c", "echo x > /opt/loa/x", status=None)
        assert "Read-only file system" in refused.stderr
        status = home.inside("sh", "-c", "grep -E '^(CapEff|NoNewPrivs)' /proc/1/status").stdout.split()
        assert status == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
        doctor = await asyncio.to_thread(home.inside, "loa", "doctor", status=None)
        assert (doctor.returncode, "BAD" in doctor.stdout) == (0, False), doctor.stdout + doctor.stderr
        await campaign_goes_through(home, smsc, author, chief, home.base)
        assert await program.stop() == 0, program.words()
        assert home.inside(*check, status=None).returncode != 0
    assert json.loads((await home.command("verify", "--json")).splitlines()[-1])["differences"] == []


def health_check(engine: Sequence[str]) -> list[str]:
    """Return the command by which the image as built is checked: OCI's format would have lost it."""
    (image,) = json.loads(said([*engine, "image", "inspect", "loa"]).stdout)
    check = image.get("Healthcheck") or image["Config"].get("Healthcheck")  # podman's place, docker's
    assert check, "The image has no health check."
    form, *words = check["Test"]
    assert form == "CMD"
    return list(words)


# ---- As compose.yaml starts its services


async def test_the_services_of_compose_send_a_campaign(engine: tuple[str, ...], tmp_path: Path) -> None:
    """`migrate`, `api` and `worker`, each on a host of its own, with addresses and settings of that file."""
    (network,) = composed()["networks"]["default"]["ipam"]["config"]
    prefix = network["gateway"].rpartition(".")[0]
    with own_network(prefix) as hosts, own_server(hosts.address) as server:
        assert hosts.address == network["gateway"]
        worker, owner = await asyncio.to_thread(two_accounts, server, tmp_path)
        async with Smsc(SmscBehaviour(receipt_delay_s=0.1), host=hosts.address) as smsc:
            files = Home(tmp_path, worker)
            files.configure({"viettel": link_to(smsc, host=hosts.address, private_line=WHY)})
            owned(tmp_path / "loa.toml", 0o400)
            write_secrets(tmp_path / "secrets", loa_database_url=worker, loa_migration_database_url=owner)
            services = [Service(engine, tmp_path, name, hosts.add()) for name in ("migrate", "api", "worker")]
            migrate, api, sender = (each.home for each in services)
            try:
                assert "has the rights to use it" in await migrate.command(*services[0].command)
                listening = api.start(*services[1].command)
                await api.until(lambda: "listening" in listening.words(), "the API listens")
                author, chief = await keys(sender)
                at_work = sender.start(*services[2].command)
                base = f"http://{services[1].host.address}:{api.port}"
                await campaign_goes_through(api, smsc, author, chief, base)
                assert await at_work.stop() == 0, at_work.words()
                assert await listening.stop() == 0, listening.words()
            finally:
                for each in services:
                    each.home.end()


@dataclass(slots=True)
class Service:
    """A service of compose.yaml by its name, on its host."""

    engine: tuple[str, ...]
    folder: Path
    name: str
    host: Host
    home: Containers = field(init=False)

    def __post_init__(self) -> None:
        known, folder = composed()["services"][self.name], self.folder
        own = [word for key, value in known["environment"].items() for word in ("--env", f"{key}={value}")]
        own += ["--volume", f"{folder / 'loa.toml'}:/etc/loa/loa.toml:ro"]
        for name in known["secrets"]:
            own += ["--volume", f"{folder / 'secrets' / name}:/run/secrets/{name}:ro"]
        data = folder / f"{self.name}-data"
        data.mkdir()
        if any(each.startswith("data:") for each in known["volumes"]):
            own += ["--volume", f"{owned(data, 0o700)}:/data"]
        space = f"ns:/run/netns/{self.host.space}"
        self.home = Containers(data, "", free_port(), measured=False, engine=self.engine, own=tuple(own))
        self.home.network = space

    @property
    def command(self) -> list[str]:
        return list(composed()["services"][self.name]["command"])


def link_to(smsc: Smsc, **more: object) -> dict[str, object]:
    """Settings of a link whose password is a secret."""
    link = smpp_link("viettel", smsc.port, **more)
    del link["password"]
    return link


def write_secrets(folder: Path, **urls: str) -> None:
    """The files that the head of compose.yaml asks for, readable by Loa's account alone."""
    folder.mkdir(exist_ok=True)
    key = subprocess.run(["openssl", "rand", "-base64", "32"], capture_output=True, text=True, check=True)
    links = json.dumps({"viettel": {"password": "loa"}})
    for name, value in {**urls, "loa_secret_key": key.stdout.strip(), "loa_links": links}.items():
        file = folder / name
        file.write_text(value)
        owned(file, 0o400)
