"""The address and the key of --server: what can be neither is said in a sentence, before anything is sent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli import common, remote
from app.core.errors import Invalid
from tests.app.cli.test_wrong import folder, refused
from tests.exact import exactly
from tests.ports import refusing

__all__ = ["folder"]
KEY = "loa_abcd_secretsecret"


@pytest.fixture(autouse=True)
def _no_server_after() -> Iterator[None]:
    yield
    common.server = None


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1",
        "http://127.0.0.1:abc",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:8600\n/x",
        "http://127.0.0.1\r\n:8600",
        "http://127.0.0.1:8600 ",
        "http://127.0.0.1:8600/?x=1",
        "http://127.0.0.1:8600/#x",
        "https://",
        "https:///v1",
        "https://công-an.example",
        "https://loa\u200b.example",
        "https://loa.example\\@127.0.0.1",
        "https://a..b",
        f"https://{'a' * 64}.example",
        "https://xn--a\u00df",
        "\ufeffhttps://loa.example",
        "loa.example.vn",
        "ftp://loa.example.vn",
        "",
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("LOA_KEY", KEY)
    status, said = refused(monkeypatch, capsys, "--server", address, "run", "list")
    assert status == 1
    assert said.startswith("loa: --server must be an address such as https://loa.example.vn"), said
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("address", ["HTTP://LOCALHOST:8600", "Http://127.0.0.1", "HTTPS://LOA.EXAMPLE.VN/"])
def test_scheme_and_host_may_have_capitals(address: str) -> None:
    remote.choose(address)
    assert common.server == address


def test_plain_http_in_capitals_leaves_the_machine_no_more_than_in_small_letters() -> None:
    with pytest.raises(
        Invalid,
        match=exactly(
            "--server over plain HTTP would expose your key to everyone on the network. Use "
            "https://, or connect to 127.0.0.1 through a tunnel."
        ),
    ):
        remote.choose("HTTP://LOA.EXAMPLE.VN")


WRONG_KEYS = ["kh\u00f3a", "\ufeffloa_abcd_x", "loa_abcd\nX-Other: 1", "loa_abcd x", "loa_\x00x", "loa_\x1bx"]


@pytest.mark.parametrize("key", [each for each in WRONG_KEYS if "\x00" not in each])
def test_a_key_that_can_be_none_is_refused_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    monkeypatch.setenv("LOA_KEY", key)
    with refusing() as port:
        status, said = refused(monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", "run", "list")
    assert (status, "LOA_KEY does not contain a valid key" in said) == (1, True), said
    assert "abcd" not in said


@pytest.mark.parametrize("key", [*WRONG_KEYS[2:], b"\xff\xfek\x00", "khóa".encode()])
def test_a_key_of_a_file_likewise(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str | bytes
) -> None:
    file = folder / "key"
    file.write_bytes(key if isinstance(key, bytes) else key.encode())
    monkeypatch.setenv("LOA_KEY_FILE", str(file))
    with refusing() as port:
        status, said = refused(monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", "run", "list")
    assert (status, "does not contain a valid key" in said or "not UTF-8 text" in said) == (1, True), said
    assert "abcd" not in said


@pytest.mark.longer
def test_a_mark_before_the_key_of_a_file_is_taken_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "key").write_text(f"\ufeff{KEY}\r\n", encoding="utf-8")
    monkeypatch.setenv("LOA_KEY_FILE", str(folder / "key"))
    with refusing() as port:
        _, said = refused(monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", "run", "list")
    assert "cannot be reached" in said


@contextmanager
def cutting() -> Iterator[int]:
    """A server that reads each request and cuts the line instead of answering."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                line.recv(65_536)
                line.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.longer
def test_an_act_whose_answer_was_cut_off_may_have_been_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOA_KEY", KEY)
    monkeypatch.setattr("loa_client.LoaClient.__init__.__kwdefaults__", {"patience_s": 0.5})
    add = ("do-not-send", "add", "--carrier", "vnpt", "0912345678")
    with cutting() as port:
        status, said = refused(monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", *add)
        assert status == 1
        assert "may have been carried out anyway" in said
        assert "`loa do-not-send list --carrier vnpt` shows" in said
        _, said = refused(
            monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", "directive", "replay", "1"
        )
        assert "may have been carried out anyway" in said
        _, said = refused(monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", "run", "list")
        assert "cannot be reached" in said
        assert "may have been carried out" not in said
    _, said = refused(monkeypatch, capsys, "--server", f"http://127.0.0.1:{port}", *add)
    assert "cannot be reached" in said
    assert "may have been carried out" not in said


def test_a_request_that_can_not_be_sent_is_not_waited_for() -> None:
    from loa_client import LoaClient, LoaError

    began = time.monotonic()
    with (
        cutting() as port,
        LoaClient(f"http://127.0.0.1:{port}", "loa_abcd\nx") as api,
        pytest.raises(
            LoaError,
            match=exactly(
                "The request cannot be sent: address or key contains a character that HTTP forbids. "
                "Copy it again."
            ),
        ) as found,
    ):
        api.get_me()
    assert "abcd" not in str(found.value)
    assert time.monotonic() - began < 5
