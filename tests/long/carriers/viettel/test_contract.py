"""The contract test set, run on the Viettel link against its simulator, by lists and by single messages."""

from __future__ import annotations

import pytest

from carriers.simulators.viettel import Viettel
from carriers.viettel.carrier import viettel
from tests.carriers.contract_cases import ContractCases
from tests.carriers.http_harness import PASSWORD, HttpHarness


@pytest.fixture(params=["wsCpMt4", "wsCpMt", "wsCpMtRegDlr"])
def harness(request: pytest.FixtureRequest) -> HttpHarness:
    options = {"user": "loa", "cp_code": "SLA_CA", "operation": request.param}
    options |= {"http_statuses": {"429": "throttled"}}  # of this simulator, which has sent nothing then
    # The cases send one text to the same numbers more than once.
    behaviour = {"account": f"loa:{PASSWORD}", "cp_code": "SLA_CA", "duplicate_min": 0.0}
    return HttpHarness(viettel, Viettel, options, behaviour)


class TestViettelKeepsTheContract(ContractCases):
    """Nothing of its own."""
