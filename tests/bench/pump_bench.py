"""The bare SMPP pump, without a database, beside python smpplib: same simulator, receipts and window."""

from __future__ import annotations

import asyncio
import logging
import socket
import statistics
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from smpplib import consts
from smpplib.client import Client

from carriers.contract import Accepted, Acknowledge, Carrier, LinkOptions, OutboundSms, Receipt
from carriers.smpp.carrier import SmppCarrier
from tests.bench.machinery import RECEIPT_FLAGS, now, simulator

WINDOW = 100
MOST = 40_000  # messages of one run: enough for a steady rate
ROUNDS = 3
_PARCEL = 200
_OUTSTANDING = 4  # parcels handed over and not yet answered: the window never runs dry
_PATIENCE_S = 60.0
_TEXT = "Canh giac lua dao: cong an khong lam viec qua dien thoai."
_SENDER = "CA SONLA"
_FIRST = 84_912_000_000


def pump(count: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Messages/s of Loa's client and of smpplib, from first submit to last receipt; medians, in turns."""
    count = min(count, MOST)
    loa, smpplib = [], []
    for _ in range(rounds):
        loa.append(_rate(_loa, count))
        smpplib.append(_rate(_smpplib, count))
    return {
        "pump_messages_per_second": statistics.median(loa),
        "smpplib_messages_per_second": statistics.median(smpplib),
    }


def _rate(client: Callable[[int, int], float], count: int) -> float:
    """Run the client against a message centre of its own."""
    with simulator(*RECEIPT_FLAGS) as smsc:
        seconds = client(smsc.port, count)
        seen = smsc.stop()
    if seen["distinct_numbers"] != count or seen["copies_max"] != 1:
        raise SystemExit(f"The simulator saw {seen['distinct_numbers']} numbers of {count}.")
    return count / seconds


# ---- Loa's client ---------------------------------------------------------------------------------------


def _loa(port: int, count: int) -> float:
    return asyncio.run(_pump(port, count))


async def _pump(port: int, count: int) -> float:
    options = {"host": "127.0.0.1", "port": port, "system_id": "loa", "password": "loa", "window": WINDOW}
    options |= {"receipt_level": "handset"}
    carrier = SmppCarrier(LinkOptions("bench", "viettel", 1e6, options))
    done, left = asyncio.Event(), count

    def sink(receipt: Receipt, acknowledge: Acknowledge) -> None:
        nonlocal left
        acknowledge(True)
        left -= 1
        if not left:
            done.set()

    carrier.deliver_to(sink)
    await carrier.open()
    await carrier.ready()
    started = now()
    parcels = (_parcel(start, min(start + _PARCEL, count)) for start in range(0, count, _PARCEL))
    await asyncio.gather(*(_submit(carrier, parcels) for _ in range(_OUTSTANDING)))
    await asyncio.wait_for(done.wait(), _PATIENCE_S)
    seconds = now() - started
    await carrier.close()
    return seconds


def _parcel(start: int, stop: int) -> list[OutboundSms]:
    return [OutboundSms(str(_FIRST + n), _TEXT, _SENDER) for n in range(start, stop)]


async def _submit(carrier: Carrier, parcels: Iterator[list[OutboundSms]]) -> None:
    for parcel in parcels:
        results = await carrier.submit(parcel)
        if not all(isinstance(result, Accepted) for result in results):
            raise SystemExit("The simulator refused what it should have taken.")


# ---- python smpplib ---------------------------------------------------------------------------------------


class _NoDelay(Client):  # type: ignore[misc]  # smpplib has no types
    """smpplib leaves Nagle's algorithm on, which would cost it much: off, to be fair to it."""

    def _create_socket(self) -> Any:
        made = super()._create_socket()
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def _smpplib(port: int, count: int) -> float:
    """It has no window of its own: send until 100 wait, read until half are answered, and so on."""
    quiet = logging.getLogger("bench.smpplib")
    quiet.setLevel(logging.ERROR)
    with warnings.catch_warnings(), _NoDelay("127.0.0.1", port, 30, logger_name=quiet.name) as client:
        seen = {"answers": 0, "receipts": 0}

        def answered(**_: Any) -> None:
            seen["answers"] += 1

        def received(**_: Any) -> None:
            seen["receipts"] += 1

        client.set_message_sent_handler(answered)
        client.set_message_received_handler(received)
        client.connect()
        client.bind_transceiver(system_id="loa", password="loa")
        started, sent = now(), 0
        phones = (str(_FIRST + n) for n in range(count))
        while sent < count:
            for phone in islice(phones, WINDOW - (sent - seen["answers"])):
                _send(client, phone)
                sent += 1
            while sent - seen["answers"] > WINDOW // 2:
                client.read_once()
        while seen["receipts"] < count:
            client.read_once()
        return now() - started


def _send(client: Client, phone: str) -> None:
    client.send_message(
        source_addr_ton=consts.SMPP_TON_ALNUM,
        source_addr=_SENDER,
        dest_addr_ton=consts.SMPP_TON_INTL,
        dest_addr_npi=consts.SMPP_NPI_ISDN,
        destination_addr=phone,
        short_message=_TEXT.encode(),
        registered_delivery=True,
    )
