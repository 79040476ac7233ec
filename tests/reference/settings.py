"""The page of the settings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.core import config
from app.core.config import (
    EndpointSettings,
    LinkSettings,
    MailSettings,
    MoneySettings,
    PriceSettings,
    ReplySettings,
    Settings,
    SuspendSettings,
    WebhookSettings,
)
from tests.reference.tables import sentence, table

_HEAD = """# Settings

From `loa.toml` (or the file that `LOA_CONFIG` names), secret files and the environment: [how they are
read](../operations.md#configuration). A setting `name` is the variable `LOA_NAME`, one of a table
`LOA_TABLE__NAME`. Some variables are no settings: `LOA_CONFIG` (the file), `LOA_SECRETS_DIR` (folder of
secret files), `LOA_COPY_TO` (target of `loa database copy`); `LOA_SERVER`, and `LOA_KEY` or `LOA_KEY_FILE`,
for commands on another machine's Loa. Settings of one kind of link are on its page:
[SMPP](../carriers/smpp.md), [VNPT](../carriers/vnpt.md), [Viettel](../carriers/viettel.md),
[MobiFone](../carriers/mobifone.md).

"""
_TABLES: Sequence[tuple[str, type[BaseModel]]] = (
    ("Loa", Settings),
    ("Links: [links.NAME]", LinkSettings),
    ("Webhooks of a link: [links.NAME.webhook]", WebhookSettings),
    ("Pauses by itself: [suspend]", SuspendSettings),
    ("Money: [money]", MoneySettings),
    ("Prices: [money.prices.NAME]", PriceSettings),
    ("Replies: [replies]", ReplySettings),
    ("Mail: [mail]", MailSettings),
    ("Endpoints: [endpoints.NAME]", EndpointSettings),
)
# Where more is said than a line can hold.
_MORE = {
    "api_processes": "../api.md#how-often",
    "audit_head_file": "../operations.vi.md#mã-đầu-của-nhật-ký",
    "behind_tls": "../operations.md#a-proxy-with-tls",
    "endpoints": "../deadline.md#settings",
    "letterheads": "../reports.vi.md#tiêu-đề-nơi-nhận-địa-bàn",
    "log_to": "../operations.md#logs-elsewhere",
    "mail": "../deadline.md#settings",
    "money": "../money.vi.md",
    "map": "../webhooks.md#a-shape-of-ones-own",
    "migration_database_url": "../operations.md#two-accounts-of-postgresql",
    "password_words": "../access.md#people-and-keys",
    "poll": "../operations.md#links",
    "private_line": "../operations.md#tls",
    "private_lines": "../operations.md#tls",
    "records_months": "../privacy.vi.md#bảng-đếm-và-nhật-ký",
    "replies": "../replies.md",
    "retention_days": "../privacy.vi.md#xóa",
    "scan_command": "../operations.md#files-that-come-in",
    "secret_key": "../operations.md#the-key-of-second-factors",
    "suspend": "../operations.vi.md#đợt-gửi-tự-tạm-dừng",
    "status_words": "../receipt-files.md#the-file",
    "switched_off": "../reports.vi.md#biên-nhận-có-dấu-hiệu-bịa-đặt",
    "tls_certificate": "../operations.md#tls",
    "verify_per_minute": "../privacy.vi.md#tin-này-có-thật-không",
    "webhook": "../webhooks.md",
}


def page() -> str:
    """app/core/config.py."""
    parts = [_HEAD]
    for title, model in _TABLES:
        rows = [_row(model, name, field) for name, field in model.model_fields.items()]
        parts.append(f"## {title}\n" + table(("Setting", "Default", "Values", "Meaning"), rows))
    return "".join(parts).rstrip() + "\n"


def _row(model: type[BaseModel], name: str, field: FieldInfo) -> tuple[str, ...]:
    meaning = sentence(_comments()[model.__name__, name])
    if name in _MORE:
        meaning += f" [More]({_MORE[name]})"
    return f"`{name}`", _default(field), _values(field), meaning


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.get_default(call_default_factory=True):
        case None | () | {}:
            return "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case tuple(values):
            return f"`{', '.join(map(str, values))}`"
        case value:
            return f"`{value}`"


def _values(field: FieldInfo) -> str:
    if words := _literals(field.annotation):
        return ", ".join(f"`{word}`" for word in words)
    limits = {type(each).__name__: each for each in field.metadata}
    low = next((f"{getattr(limits[kind], kind.lower())}" for kind in ("Ge", "Gt") if kind in limits), "")
    high = str(limits["Le"].le) if "Le" in limits else ""
    if low and high:
        return f"{low} to {high}"
    return f"{'above' if 'Gt' in limits else 'at least'} {low}" if low else ""


def _literals(annotation: Any) -> list[str]:
    """The words of a Literal, wherever it stands in the type."""
    if annotation is None or isinstance(annotation, str):
        return []
    found = [each for each in get_args(annotation) if isinstance(each, str)]
    return found or [word for each in get_args(annotation) for word in _literals(each)]


@cache
def _comments() -> dict[tuple[str, str], str]:
    """The comment above or behind each field."""
    source = inspect.getsource(config)
    return {
        (model.name, field.target.id): " ".join(_comment(source.splitlines(), field))
        for model in ast.parse(source).body
        if isinstance(model, ast.ClassDef)
        for field in model.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _comment(lines: Sequence[str], field: ast.AnnAssign) -> Iterator[str]:
    first = field.lineno - 1
    while lines[first - 1].strip().startswith("#"):
        first -= 1
    yield from (line.strip().removeprefix("#").strip() for line in lines[first : field.lineno - 1])
    _, _, behind = lines[(field.end_lineno or field.lineno) - 1].partition("  # ")
    yield from filter(None, [behind.strip()])
