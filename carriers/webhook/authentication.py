"""Who may call: the credentials of one link's webhook; all that are configured must be right."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from carriers.contract import WebhookRequest
from carriers.signature import fresh, is_signature, same, seconds_of, signed


@dataclass(frozen=True, slots=True)
class WebhookCredentials:
    """What a caller must show; what is empty is not asked for.

    basic: `user:password`; token: the last segment of the path; networks: where calls come from; headers in
    lower case. A signature within `replay_window_s` may come twice: a repeated receipt changes nothing.
    """

    hmac_secret: str = field(default="", repr=False)
    timestamp_header: str = "x-loa-timestamp"
    signature_header: str = "x-loa-signature"
    replay_window_s: float = 300.0
    basic: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def any(self) -> bool:
        """Whether anything is asked for at all."""
        return bool(self.hmac_secret or self.basic or self.token or self.networks)

    def admit(self, request: WebhookRequest, payload: bytes) -> bool:
        """Whether all is right; payload: what is signed."""
        # Each is looked at, also where it is not asked for: the time tells neither which of them was wrong
        # nor which there are.
        found = (
            self._signed(request, payload),
            self._basic(request),
            self._token(request),
            self._near(request),
        )
        return all(found)

    def may_admit(self, request: WebhookRequest) -> bool:
        """Whether all is right that can be judged before the body; of a signature, that there is one.

        Its time is judged with the body: a carrier whose clock is wrong is told from a stranger by what it
        signed.
        """
        found = (
            self._could_be_signed(request),
            self._basic(request),
            self._token(request),
            self._near(request),
        )
        return all(found)

    def _could_be_signed(self, request: WebhookRequest) -> bool:
        timestamp = request.headers.get(self.timestamp_header, "")
        signature = request.headers.get(self.signature_header, "")
        fit = seconds_of(timestamp) is not None and is_signature(signature)
        return fit or not self.hmac_secret

    def clock_ahead_s(self, request: WebhookRequest, payload: bytes) -> int | None:
        """How far the caller's clock is ahead of ours, where nothing but its time is wrong; else None."""
        timestamp = request.headers.get(self.timestamp_header, "")
        at = seconds_of(timestamp)
        found = (
            bool(self.hmac_secret) and self._is_own(request, payload),
            self._basic(request),
            self._token(request),
            self._near(request),
            at is not None and not fresh(timestamp, request.at, self.replay_window_s),
        )
        return round(at - request.at) if at is not None and all(found) else None

    def _signed(self, request: WebhookRequest, payload: bytes) -> bool:
        timestamp = request.headers.get(self.timestamp_header, "")
        right = self._is_own(request, payload)
        return not self.hmac_secret or (fresh(timestamp, request.at, self.replay_window_s) and right)

    def _is_own(self, request: WebhookRequest, payload: bytes) -> bool:
        timestamp = request.headers.get(self.timestamp_header, "")
        signature = request.headers.get(self.signature_header, "")
        return signed(self.hmac_secret, timestamp, payload, signature)

    def _basic(self, request: WebhookRequest) -> bool:
        return same(_login(request.headers.get("authorization", "")), self.basic) or not self.basic

    def _token(self, request: WebhookRequest) -> bool:
        return same(request.token, self.token) or not self.token

    def _near(self, request: WebhookRequest) -> bool:
        if not self.networks:
            return True
        try:
            peer = ip_address(request.peer)
        except ValueError:
            return False
        return any(peer in network for network in self.networks)


def _login(header: str) -> str:
    """`user:password` of an Authorization header; "" where it has none."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return b64decode(value.strip(), validate=True).decode()
    except ValueError:
        return ""
