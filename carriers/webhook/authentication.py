"""Authenticate a link's webhook: every configured credential must be right."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from carriers.contract import WebhookRequest
from carriers.signature import digest, fresh, is_secret, is_signature, seconds_of, signed


@dataclass(frozen=True, slots=True)
class WebhookCredentials:
    """What a caller must present; empty fields are not required.

    basic: `user:password`; token: the last path segment; networks: allowed source addresses; header names in
    lower case. A signature may be replayed within `replay_window_s`: a repeated receipt changes nothing.
    """

    hmac_secret: str = field(default="", repr=False)
    timestamp_header: str = "x-loa-timestamp"
    signature_header: str = "x-loa-signature"
    replay_window_s: float = 300.0
    basic: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    _basic_digest: bytes = field(default=b"", init=False, repr=False, compare=False)
    _token_digest: bytes = field(default=b"", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_basic_digest", digest(self.basic))
        object.__setattr__(self, "_token_digest", digest(self.token))

    def any(self) -> bool:
        """Whether any credential is configured."""
        return bool(self.hmac_secret or self.basic or self.token or self.networks)

    def admit(self, request: WebhookRequest, payload: bytes) -> bool:
        """Whether all credentials are right; payload: what is signed."""
        # Check every one, even if not required, so that timing reveals neither which was wrong nor which
        # are configured.
        found = (
            self._signed(request, payload),
            self._basic(request),
            self._token(request),
            self._in_networks(request),
        )
        return all(found)

    def may_admit(self, request: WebhookRequest) -> bool:
        """Whether all credentials outside the body are right, and a required signature is present.

        The timestamp is judged with the body: the signature distinguishes a carrier with a wrong clock from a
        stranger.
        """
        found = (
            self._has_signature(request),
            self._basic(request),
            self._token(request),
            self._in_networks(request),
        )
        return all(found)

    def _has_signature(self, request: WebhookRequest) -> bool:
        timestamp = request.headers.get(self.timestamp_header, "")
        signature = request.headers.get(self.signature_header, "")
        fit = seconds_of(timestamp) is not None and is_signature(signature)
        return fit or not self.hmac_secret

    def clock_ahead_s(self, request: WebhookRequest, payload: bytes) -> int | None:
        """Return how far the caller's clock is ahead, if only its time is wrong; else None."""
        timestamp = request.headers.get(self.timestamp_header, "")
        at = seconds_of(timestamp)
        found = (
            bool(self.hmac_secret) and self._signature_matches(request, payload),
            self._basic(request),
            self._token(request),
            self._in_networks(request),
            at is not None and not fresh(timestamp, request.at, self.replay_window_s),
        )
        return round(at - request.at) if at is not None and all(found) else None

    def _signed(self, request: WebhookRequest, payload: bytes) -> bool:
        timestamp = request.headers.get(self.timestamp_header, "")
        right = self._signature_matches(request, payload)
        return not self.hmac_secret or (fresh(timestamp, request.at, self.replay_window_s) and right)

    def _signature_matches(self, request: WebhookRequest, payload: bytes) -> bool:
        timestamp = request.headers.get(self.timestamp_header, "")
        signature = request.headers.get(self.signature_header, "")
        return signed(self.hmac_secret, timestamp, payload, signature)

    def _basic(self, request: WebhookRequest) -> bool:
        given = _login(request.headers.get("authorization", ""))
        return is_secret(given, self._basic_digest) or not self.basic

    def _token(self, request: WebhookRequest) -> bool:
        return is_secret(request.token, self._token_digest) or not self.token

    def _in_networks(self, request: WebhookRequest) -> bool:
        if not self.networks:
            return True
        try:
            peer = ip_address(request.peer)
        except ValueError:
            return False
        return any(peer in network for network in self.networks)


def _login(header: str) -> str:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return b64decode(value.strip(), validate=True).decode()
    except ValueError:
        return ""
