"""The contract test set, run on the MobiFone link against its simulator."""

from __future__ import annotations

import pytest

from carriers.mobifone.carrier import MobifoneCarrier
from carriers.simulators.mobifone import Mobifone
from tests.carriers.contract_cases import ContractCases
from tests.carriers.http_harness import PASSWORD, HttpHarness


@pytest.fixture(params=["POST", "GET"])
def harness(request: pytest.FixtureRequest) -> HttpHarness:
    options = {"user": "loa", "method": request.param, "login_pause_s": 0.01}
    options |= {"statuses": {"429": "throttled"}}  # of this simulator, which has sent nothing then
    return HttpHarness(MobifoneCarrier, Mobifone, options, {"account": f"loa:{PASSWORD}"})


class TestMobifoneKeepsTheContract(ContractCases):
    """Nothing of its own."""
