"""Whatever the description allows, and much that it forbids, as each role: never a mistake of ours."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.event_streams import Hub, StreamTiming
from app.campaigns import run_routes
from app.core.config import LinkSettings, Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.api.served import served
from tests.app.campaigns.rows import new_link, whole_run

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# So many requests for each operation; more, and others each time, where somebody looks for mistakes.
MANY = int(os.environ.get("LOA_FUZZ_EXAMPLES", "0"))
EXAMPLES = {"admin": 3, "approver": 2, "operator": 2, "auditor": 2}
PLENTY = 1_000_000
# Of things that are there, in the places of ids; the rest of the ids are made up.
THERE = {"run_id": [1, 2], "campaign_id": [1, 2], "other_id": [1, 2], "batch_id": [1, 2], "link_id": [1]}
THERE |= {"directive_id": [1], "key": ["gia-danh-cong-an"], "report_id": [1], "file_id": [1]}


@pytest.fixture
def address(sqlite_url: str, tmp_path: Any) -> Iterator[tuple[str, Database]]:
    db = Database(sqlite_url)
    link = LinkSettings(carrier="vnpt", segments_per_second=100)
    app = create_app(
        Settings(
            data=tmp_path,
            links={"vnpt-1": link},
            requests_per_minute=PLENTY,
            stranger_requests_per_minute=PLENTY,
        ),
        db,
    )
    app.state.hub = Hub(db, run_routes.look, StreamTiming(longest=0.05))
    for carrier in ("vnpt", "viettel"):
        db.write(whole_run, carrier)
    db.write(new_link)
    with served(app) as address:
        yield address, db
    db.close()


@pytest.mark.prove
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("role", sorted(EXAMPLES))
def test_every_operation_keeps_to_its_description(address: tuple[str, Database], role: str) -> None:
    base, db = address
    carrier = "vnpt" if role == "operator" else None
    headers = {"Authorization": f"Bearer {db.write(create_key, 'fuzzer', role, carrier)}"}
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json", timeout=60)
    statuses: Counter[int] = Counter()
    operations = [result.ok() for result in schema.get_all_operations()]
    wrong = [_try(operation, role, headers, statuses) for operation in operations]
    found = [each for each in wrong if each]
    assert not found, "\n\n".join(found)
    assert len(operations) > 80
    assert statuses[200] > 10
    assert statuses[404] > 10
    assert statuses[403] > 5


def _short(error: BaseException) -> str:
    """What the checks found, without where."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n".join([f"{type(error).__name__}: {error}"[:1500], *(_short(each) for each in inner)])


def _try(operation: Any, role: str, headers: dict[str, str], statuses: Counter[int]) -> str:
    """What is wrong with the operation, or ""."""
    modes = schemathesis.GenerationMode
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))
    there = st.fixed_dictionaries({name: st.sampled_from(ids) for name, ids in THERE.items()})

    @settings(
        max_examples=MANY or EXAMPLES[role],
        derandomize=not MANY,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, there, st.booleans())
    def check(case: schemathesis.Case, ids: dict[str, Any], real: bool) -> None:
        if real:
            own = {name: ids[name] for name in case.path_parameters or {} if name in ids}
            case.path_parameters = {**(case.path_parameters or {}), **own}
        answer = case.call(headers=headers, timeout=60)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    try:
        check()
    except (
        Exception,
        BaseExceptionGroup,
    ) as error:  # of any kind: all operations are tried, and everything is told
        return f"{operation.label}: {_short(error)}"
    return ""
