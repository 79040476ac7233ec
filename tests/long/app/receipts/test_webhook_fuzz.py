"""Whatever is sent over a real connection: a problem in words or a committed receipt, and none is lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from urllib.parse import quote_from_bytes

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.core.states import DeliveryState
from app.database.connection import Database
from tests.app.receipts.hooks import ACKNOWLEDGED, DOOR, LINK, TOKEN, event, kept, sent, served, settings_of
from tests.app.world import World
from tests.engines import sqlite_alone

database_url = sqlite_alone

PATH = f"{DOOR}/{TOKEN}"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MANY = 900

fuzzed = settings(
    max_examples=60,
    derandomize=True,  # one in many rounds of sixty has no request that is right
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["request_id", "message_id", "msisdn", "status", "error", "done_at", "mt_count"])
JUNK = st.dictionaries(NAMES, ANY) | ANY


@pytest.fixture
def world(db: Database) -> World:
    return sent(db, MANY)


@pytest.fixture
def carrier(db: Database, world: World) -> Iterator[httpx.Client]:
    any_way = settings_of({"token": TOKEN, "map": {"source": "any"}})
    with served(db, world, any_way, wait_s=0.002) as address, httpx.Client(base_url=address) as client:
        yield client


def in_words(answer: httpx.Response) -> bool:
    """Committed, or a problem of the caller's; never a mistake of ours."""
    if answer.status_code == 200:
        return answer.content == ACKNOWLEDGED
    document = answer.json()
    return 400 <= answer.status_code < 500 and document["detail"] and document["type"].startswith("/docs/")


def test_any_bytes_of_any_kind(carrier: httpx.Client) -> None:
    kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/xml",
        "multipart/form-data; boundary=x",
    ]

    @fuzzed
    @given(st.binary(max_size=300), st.sampled_from(kinds), st.binary(max_size=60))
    def check(body: bytes, kind: str, query: bytes) -> None:
        address = f"{PATH}?{quote_from_bytes(query, safe='=&%')}"
        assert in_words(carrier.post(address, content=body, headers={"Content-Type": kind}))

    check()


def test_good_receipts_among_any_junk_are_all_applied(carrier: httpx.Client, world: World) -> None:
    fresh, used = itertools.count(2), []

    @fuzzed
    @given(st.lists(JUNK, max_size=6), st.lists(st.integers(0, 6), max_size=4))
    def check(junk: list[object], places: list[int]) -> None:
        batch = list(junk)
        for place in places:
            seq = next(fresh)
            used.append(seq)
            batch.insert(place, event(seq))
        assert in_words(carrier.post(PATH, content=json.dumps(batch)))

    check()
    assert len(used) > 20
    delivered = int(DeliveryState.DELIVERED)
    assert world.states()[delivered] == len(used)
    assert {world.delivery(seq)["state"] for seq in used} == {delivered}
    world.check()


@pytest.mark.prove
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_description_allows_and_what_it_forbids(carrier: httpx.Client, method: str) -> None:
    schema = schemathesis.openapi.from_url(f"{carrier.base_url}/openapi.json", timeout=60)
    operation = schema["/webhooks/{carrier}/{link}/{token}"][method]
    modes = schemathesis.GenerationMode
    seen: set[int] = set()
    strategy = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @fuzzed
    @given(strategy)
    def check(case: schemathesis.Case) -> None:
        case.path_parameters = {"carrier": "viettel", "link": LINK, "token": TOKEN}
        answer = case.call()
        seen.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    check()
    assert seen == {200, 422}


def test_a_body_that_ends_early_is_no_receipt(carrier: httpx.Client, db: Database) -> None:
    body = json.dumps(event(2)).encode()
    for short in (1, 10, len(body) - 1):
        answer = carrier.post(PATH, content=body[:short])
        assert answer.status_code == 422
        assert in_words(answer)
    assert kept(db) == (0, 0)
