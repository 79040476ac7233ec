"""Settings of one MobiFone link, each with its reader, bounds and default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carriers.contract import Deferred, Halted, LinkOptions, Reason, ReceiptLevel, Rejected
from carriers.http import HttpSettings
from carriers.options import by, flag, level, one_of, read_options, seconds, string, whole

Refusal = Rejected | Deferred | Halted

_WORDS: dict[str, Reason | None] = {
    **dict.fromkeys(("halted", "throttled", "deferred")),
    **{reason.name.lower(): reason for reason in Reason if reason is not Reason.NONE},
}


def _statuses(value: object) -> Mapping[str, Refusal]:
    """Read the statuses that the contract states, such as {"402" = "halted"}."""
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(_WORDS):
        raise ValueError(f"must be a table of statuses with words out of: {', '.join(_WORDS)}")
    if "200" in map(str, value):
        raise ValueError("must not name 200, which means that the message was taken")
    return {str(status).strip(): _refusal(str(status).strip(), str(word)) for status, word in value.items()}


def _refusal(status: str, word: str) -> Refusal:
    reason = _WORDS[word]
    if reason is not None:
        return Rejected(status, reason)
    if word == "halted":
        return Halted(
            status, "The link halted on this status from the carrier, as its setting `statuses` requires."
        )
    return Deferred(status, retry_after_s=1.0, counts=word == "deferred", throttled=word == "throttled")


@dataclass(frozen=True, slots=True, kw_only=True)
class MobifoneSettings(HttpSettings):
    """Validated settings of one link; the password never shows in its repr."""

    user: str = field(metadata=by(string(64, 1)))
    # POST keeps the password and the session out of URLs, which proxies and servers log.
    method: str = field(default="POST", metadata=by(one_of("POST", "GET")))
    bind_mode: str = field(default="T", metadata=by(string(32, 1), content=True))
    # One client keeps a session for five minutes (M5); MobiFone's own limit is not documented.
    session_s: float = field(default=300.0, metadata=by(seconds(0.05, 86_400)))
    ucs2: bool = field(default=True, metadata=by(flag, content=True))
    statuses: Mapping[str, Refusal] = field(default_factory=dict, metadata=by(_statuses))
    receipt_level: ReceiptLevel = field(default=ReceiptLevel.NONE, metadata=by(level))
    login_tries: int = field(default=2, metadata=by(whole(1, 10)))
    login_pause_s: float = field(default=1.0, metadata=by(seconds(0.001, 60)))


def read_settings(link: LinkOptions) -> MobifoneSettings:
    """Read the link's settings; LinkError says which is wrong and what it must be."""
    return read_options(link, MobifoneSettings, "a MobiFone link")
