"""Receipts of other programs on one account, and of subscribers' making: no phone makes them ours."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from app.database.models import campaigns
from carriers.contract import Receipt

_SHORTEST = 3  # letters that are left of a sender ID where a centre cuts it


def matched_by_id_only(connection: Connection, receipts: Sequence[Receipt]) -> frozenset[int]:
    """The places of the receipts that are about a message of ours only where their id is."""
    foreign = {nth for nth, receipt in enumerate(receipts) if receipt.by_id_only}
    names = {receipt.sender for receipt in receipts} - {""}
    if names:
        own = {_plain(name) for name in connection.execute(select(campaigns.c.sender).distinct()).scalars()}
        others = {name for name in names if not any(_alike(_plain(name), each) for each in own)}
        foreign |= {nth for nth, receipt in enumerate(receipts) if receipt.sender in others}
    return frozenset(foreign)


def _plain(name: str) -> str:
    """Letters and digits alone: centres change the case of a sender ID and drop its blanks."""
    return "".join(filter(str.isalnum, name.casefold()))


def _alike(one: str, other: str) -> bool:
    """Whether they are one sender ID, as a whole or cut at its end."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _SHORTEST and long.startswith(short))
