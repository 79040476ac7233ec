"""A real SMTP server and a real HTTP endpoint on this machine, which answer as they are told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Headers = dict[str, str]


@dataclass
class Post:
    """The messages that came; `answer` is said to each recipient or after the data."""

    rcpt: str = "250 OK"
    data: str = "250 OK"
    messages: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data.startswith("250"):
            self.messages.append(envelope)
        return self.data

    def login(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"right", handled=False)


class _Controller(Controller):
    """It calls its own port as it starts, so it must know it: bound before, lest another test take it."""

    def __init__(self, post: Post, **options: Any) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        super().__init__(post, hostname="127.0.0.1", port=self._door.getsockname()[1], **options)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._door, ssl=self.ssl_context)


@contextmanager
def smtp_server(**options: Any) -> Iterator[tuple[Post, int]]:
    """The server's record and its port."""
    post = Post()
    if options.pop("auth", False):
        options |= {"authenticator": post.login, "auth_require_tls": False}
    controller = _Controller(post, **options)
    controller.start()
    try:
        yield post, controller.port
    finally:
        controller.stop()


@dataclass
class Endpoint:
    """What was posted; `answers` are given in turn, then 204."""

    port: int = 0
    answers: list[tuple[int, Headers]] = field(default_factory=list)
    requests: list[tuple[Headers, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def endpoint(*answers: int | tuple[int, Headers]) -> Iterator[Endpoint]:
    """A server that takes posts."""
    told = Endpoint(answers=[each if isinstance(each, tuple) else (each, {}) for each in answers])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, headers = told.answers.pop(0) if told.answers else (204, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
